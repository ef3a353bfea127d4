#include "../support/asio_main.h"
#include "config.h"

namespace {

using bench::asio_task;
namespace asio = bench::asio;

asio_task<> yielder(int& yields) {
  for (int i = 0; i < yield_loop::yields; ++i) {
    co_await bench::asio_yield();
    ++yields;
  }
}

asio_task<> yield_in_turn(benchmark::State& state) {
  const auto here = co_await asio::this_coro::executor;
  std::vector<int> counts(yield_loop::tasks);
  for (auto _ : state) {
    bench::join_counter children(yield_loop::tasks);
    for (int& count : counts) {
      count = 0;
      asio::co_spawn(here, yielder(count), [&children](std::exception_ptr) { children.done(); });
    }
    co_await children.wait();
    std::int64_t yields = 0;
    for (const int count : counts) yields += count;
    bench::require(yields == yield_loop::all_yields, "number of yields");
  }
  bench::count_items(state, yield_loop::all_yields);
}

BENCHMARK(bench::on_asio<yield_in_turn>)
    ->Name("yield/1000_tasks")
    ->Apply(bench::one_and_two_workers);

}  // namespace
