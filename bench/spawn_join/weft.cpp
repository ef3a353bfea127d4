#include "../support/weft_main.h"
#include "config.h"

#include <vector>

namespace {

weft::task<int> child(int number) {
  co_return number;
}

template <int Tasks>
weft::task<> spawn_and_join(benchmark::State& state) {
  std::vector<weft::join_handle<int>> handles(Tasks);
  for (auto _ : state) {
    for (int i = 0; i < Tasks; ++i) handles[i] = weft::spawn(child(i));
    std::int64_t sum = 0;
    for (auto& handle : handles) {
      const int number = co_await handle;
      sum += number;
    }
    bench::require(sum == spawn_join::expected_sum(Tasks), "sum of the tasks' numbers");
  }
  bench::count_items(state, Tasks);
}

BENCHMARK(bench::on_weft<spawn_and_join<spawn_join::at_a_time>>)
    ->Name("spawn_join/1000")
    ->Apply(bench::one_and_two_workers);
BENCHMARK(bench::on_weft<spawn_and_join<spawn_join::in_batch>>)
    ->Name("spawn_join/1M")
    ->Apply(bench::one_and_two_workers);

}  // namespace
