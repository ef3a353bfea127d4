#pragma once

// The tests of this module run on each kind of runtime: virtual time, one worker, four workers.

#include <weft/runtime/runtime.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/test_runtime.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {

enum class runtime_kind : std::uint8_t { virtual_time, one_worker, four_workers };

inline std::string name_of(const ::testing::TestParamInfo<runtime_kind>& info) {
  constexpr const char* names[] = {"VirtualTime", "OneWorker", "FourWorkers"};
  return names[static_cast<std::size_t>(info.param)];
}

inline auto every_kind() {
  return ::testing::Values(runtime_kind::virtual_time, runtime_kind::one_worker,
                           runtime_kind::four_workers);
}

/// Base of the suites. run(body) runs `body() -> task<>` to its end on the runtime of this
/// instance.
class every_runtime : public ::testing::TestWithParam<runtime_kind> {
 protected:
  template <class F>
  void run(F body) {
    switch (GetParam()) {
      case runtime_kind::virtual_time:
        return test_runtime().run(std::move(body));
      case runtime_kind::one_worker:
        return weft::run(std::move(body), {.workers = 1});
      case runtime_kind::four_workers:
        return weft::run(std::move(body), {.workers = 4});
    }
  }
  /// Nothing runs between two awaits.
  [[nodiscard]] bool single() const { return GetParam() != runtime_kind::four_workers; }
};

/// Lets others run until the task waits for something, or has ended.
template <class T>
task<> until_waiting(join_handle<T>& observed) {
  const task_id id = observed.id();
  const auto waits = [id](const task_info& each) {
    return each.id == id && each.state == task_state::suspended;
  };
  while (!observed.done()) {
    const std::vector<task_info> tasks = all_tasks();
    if (std::any_of(tasks.begin(), tasks.end(), waits)) co_return;
    co_await yield();
  }
}

/// Spawns f(args...) and lets it run until it waits: so that waiters queue in a known order.
template <class F, class... Args>
task<join_handle<task_value_t<F, Args...>>> spawn_waiting(F f, Args... args) {
  auto handle = spawn(std::move(f), std::move(args)...);
  co_await until_waiting(handle);
  co_return handle;
}

/// The end of a task, whatever it was.
enum class ending : std::uint8_t { value, cancelled, error };
template <class T>
task<ending> end_of(join_handle<T>& observed) {
  while (!observed.done()) co_await yield();
  if (observed.cancelled()) co_return ending::cancelled;
  co_return observed.exception() == nullptr ? ending::value : ending::error;
}

/// A seed for a stress run: WEFT_TEST_SEED, or a new one; printed, so that a failure can be
/// repeated.
inline std::uint64_t stress_seed() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): at start
  const char* const given = std::getenv("WEFT_TEST_SEED");
  const std::uint64_t seed = given != nullptr ? std::stoull(given) : std::random_device()();
  std::cout << "WEFT_TEST_SEED=" << seed << std::endl;  // flushed: the run may hang
  return seed;
}

}  // namespace weft::testing
