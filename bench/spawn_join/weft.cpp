#include "../support/weft_main.h"
#include "config.h"

#include <vector>

namespace {

weft::task<int> child(int number) {
  co_return number;
}

weft::task<> spawn_and_join(benchmark::State& state, int tasks) {
  std::vector<weft::join_handle<int>> handles(static_cast<std::size_t>(tasks));
  for (auto _ : state) {
    for (int i = 0; i < tasks; ++i) handles[i] = weft::spawn(child(i));
    std::int64_t sum = 0;
    for (auto& handle : handles) {
      const int number = co_await handle;
      sum += number;
    }
    bench::require(sum == spawn_join::expected_sum(tasks), "sum of the tasks' numbers");
  }
  bench::count_items(state, tasks);
}

const bool registered = bench::register_counts(
    "spawn_join", "tasks", spawn_join::task_counts, [](benchmark::State& state, int tasks) {
      bench::run_on_weft(state, spawn_and_join(state, tasks));
    });

}  // namespace
