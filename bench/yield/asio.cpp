#include "../support/asio_main.h"
#include "config.h"

#include <numeric>

namespace {

using bench::asio_task;
namespace asio = bench::asio;

asio_task<> yielder(int wanted, int& yields) {
  for (yields = 0; yields < wanted; ++yields) co_await bench::asio_yield();
}

asio_task<> yield_in_turn(benchmark::State& state, int tasks) {
  const auto here = co_await asio::this_coro::executor;
  const int each = yield_loop::all_yields / tasks;
  std::vector<int> counts(tasks);
  for (auto _ : state) {
    bench::join_counter children(tasks);
    for (int& count : counts) {
      asio::co_spawn(here, yielder(each, count),
                     [&children](std::exception_ptr) { children.done(); });
    }
    co_await children.wait();
    const int yields = std::accumulate(counts.begin(), counts.end(), 0);
    bench::require(yields == each * tasks, "number of yields");
  }
  bench::count_items(state, each * tasks);
}

const bool registered = bench::register_counts(
    "yield", "tasks", yield_loop::task_counts, [](benchmark::State& state, int tasks) {
      bench::run_asio(bench::workers(state), [&] { return yield_in_turn(state, tasks); });
    });

}  // namespace
