#include "../support/weft_main.h"
#include "config.h"

namespace {

weft::task<int> child(int number) {
  co_return number;
}

weft::task<> await_in_a_loop(benchmark::State& state) {
  for (auto _ : state) {
    std::int64_t sum = 0;
    for (int i = 0; i < nested_await::awaits; ++i) {
      const int number = co_await child(i);
      sum += number;
    }
    bench::require(sum == nested_await::expected_sum, "sum of the children's numbers");
  }
  bench::count_items(state, nested_await::awaits);
}

weft::task<int> depth_of(int levels_left) {
  if (levels_left == 0) co_return 0;
  const int below = co_await depth_of(levels_left - 1);
  co_return below + 1;
}

weft::task<> await_deep(benchmark::State& state) {
  for (auto _ : state) {
    const int depth = co_await depth_of(nested_await::levels);
    bench::require(depth == nested_await::levels, "depth of the chain");
  }
  bench::count_items(state, nested_await::levels);
}

BENCHMARK(bench::on_weft<await_in_a_loop>)->Name("nested_await/loop")->Apply(bench::worker_counts);
BENCHMARK(bench::on_weft<await_deep>)->Name("nested_await/deep_1M")->Apply(bench::worker_counts);

}  // namespace
