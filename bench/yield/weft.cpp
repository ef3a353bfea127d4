#include "../support/weft_main.h"
#include "config.h"

#include <vector>

namespace {

weft::task<int> yielder() {
  int yields = 0;
  while (yields < yield_loop::yields) {
    co_await weft::yield();
    ++yields;
  }
  co_return yields;
}

weft::task<> yield_in_turn(benchmark::State& state) {
  std::vector<weft::join_handle<int>> handles(yield_loop::tasks);
  for (auto _ : state) {
    for (auto& handle : handles) handle = weft::spawn(yielder());
    std::int64_t yields = 0;
    for (auto& handle : handles) {
      const int by_task = co_await handle;
      yields += by_task;
    }
    bench::require(yields == yield_loop::all_yields, "number of yields");
  }
  bench::count_items(state, yield_loop::all_yields);
}

BENCHMARK(bench::on_weft<yield_in_turn>)
    ->Name("yield/1000_tasks")
    ->Apply(bench::one_and_two_workers);

}  // namespace
