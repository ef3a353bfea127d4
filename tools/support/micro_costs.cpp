#include "micro_costs.h"

#include <weft/runtime/spawn.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/mutex.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace weft::tools {

namespace {

using nanoseconds = micro_costs::nanoseconds;

constexpr int rounds = 7;
constexpr std::size_t operations = 200'000;  // of one round
constexpr std::size_t tasks_at_once = 1'000;

// The sum is used, so that no compiler leaves the work out.
task<std::size_t> child(std::size_t value) {
  co_return value;
}

task<std::size_t> spawn_and_join(std::size_t count) {
  std::size_t sum = 0;
  std::vector<join_handle<std::size_t>> handles(tasks_at_once);
  for (std::size_t done = 0; done < count; done += tasks_at_once) {
    for (join_handle<std::size_t>& handle : handles) handle = spawn(child(done));
    for (join_handle<std::size_t>& handle : handles) {
      const std::size_t value = co_await handle;
      sum += value;
    }
  }
  co_return sum;
}

task<std::size_t> await_task(std::size_t count) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t value = co_await child(i);
    sum += value;
  }
  co_return sum;
}

task<std::size_t> arm_and_cancel(std::size_t count) {
  std::size_t passed = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const deadline limit(std::chrono::minutes(1));
    passed += limit.expired() ? 1U : 0U;
  }
  co_return passed;
}

task<std::size_t> lock_and_unlock(std::size_t count) {
  mutex free;
  std::size_t owned = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const lock_guard guard = co_await free.lock();
    owned += guard.owns_lock() ? 1U : 0U;
  }
  co_return owned;
}

task<nanoseconds> best_of(task<std::size_t> (*work)(std::size_t)) {
  nanoseconds best = nanoseconds::max();
  for (int round = 0; round < rounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    const std::size_t checked = co_await work(operations);
    const nanoseconds took = std::chrono::steady_clock::now() - begin;
    (void)checked;
    best = std::min(best, took / static_cast<double>(operations));
  }
  co_return best;
}

}  // namespace

task<micro_costs> measure_micro_costs() {
  micro_costs costs;
  costs.spawn_and_join = co_await best_of(spawn_and_join);
  costs.await_task = co_await best_of(await_task);
  costs.timer = co_await best_of(arm_and_cancel);
  costs.lock = co_await best_of(lock_and_unlock);
  co_return costs;
}

}  // namespace weft::tools
