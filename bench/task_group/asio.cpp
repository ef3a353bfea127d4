// Asio has no group of coroutines (parallel_group takes a fixed set of operations): a counter.
#include "../support/asio_main.h"
#include "config.h"

#include <cstdint>
#include <numeric>
#include <vector>

namespace {

using bench::asio_task;
namespace asio = bench::asio;

asio_task<> child(int& ended) {
  ++ended;
  co_return;
}

asio_task<> spawn_and_wait(benchmark::State& state) {
  const auto here = co_await asio::this_coro::executor;
  std::vector<int> ended(group_loop::children);
  std::int64_t expected = 0;
  for (auto _ : state) {
    bench::join_counter children(group_loop::children);
    for (int& mine : ended) {
      asio::co_spawn(here, child(mine), [&children](std::exception_ptr) { children.done(); });
    }
    co_await children.wait();
    expected += group_loop::children;
    const auto sum = std::accumulate(ended.begin(), ended.end(), std::int64_t{0});
    bench::require(sum == expected, "number of children that ended");
  }
  bench::count_items(state, group_loop::children);
}

BENCHMARK(bench::on_asio<spawn_and_wait>)->Name("task_group")->Apply(bench::worker_counts);

}  // namespace
