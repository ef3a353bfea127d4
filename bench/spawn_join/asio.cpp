#include "../support/asio_main.h"
#include "config.h"

#include <numeric>

namespace {

using bench::asio_task;
namespace asio = bench::asio;

asio_task<int> child(int number) {
  co_return number;
}

asio_task<> spawn_and_join(benchmark::State& state, int tasks) {
  const auto here = co_await asio::this_coro::executor;
  std::vector<int> numbers(tasks);
  for (auto _ : state) {
    bench::join_counter children(tasks);
    for (int i = 0; i < tasks; ++i) {
      asio::co_spawn(here, child(i),
                     [&children, slot = &numbers[i]](std::exception_ptr, int number) {
                       *slot = number;
                       children.done();
                     });
    }
    co_await children.wait();
    const auto sum = std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
    bench::require(sum == spawn_join::expected_sum(tasks), "sum of the tasks' numbers");
  }
  bench::count_items(state, tasks);
}

const bool registered = bench::register_counts(
    "spawn_join", "tasks", spawn_join::task_counts, [](benchmark::State& state, int tasks) {
      bench::run_asio(bench::workers(state), [&] { return spawn_and_join(state, tasks); });
    });

}  // namespace
