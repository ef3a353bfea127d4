#include "../support/weft_main.h"
#include "config.h"

#include <vector>

namespace {

weft::task<int> yielder(int wanted) {
  int yields = 0;
  while (yields < wanted) {
    co_await weft::yield();
    ++yields;
  }
  co_return yields;
}

weft::task<> yield_in_turn(benchmark::State& state, int tasks) {
  const int each = yield_loop::all_yields / tasks;
  std::vector<weft::join_handle<int>> handles(static_cast<std::size_t>(tasks));
  for (auto _ : state) {
    for (auto& handle : handles) handle = weft::spawn(yielder(each));
    int yields = 0;
    for (auto& handle : handles) {
      const int by_task = co_await handle;
      yields += by_task;
    }
    bench::require(yields == each * tasks, "number of yields");
  }
  bench::count_items(state, each * tasks);
}

const bool registered = bench::register_counts(
    "yield", "tasks", yield_loop::task_counts, [](benchmark::State& state, int tasks) {
      bench::run_on_weft(state, yield_in_turn(state, tasks));
    });

}  // namespace
