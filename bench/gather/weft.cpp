#include "../support/weft_main.h"
#include "config.h"
#include <weft/runtime/gather.h>

#include <cstdint>
#include <numeric>
#include <vector>

namespace {

weft::task<int> child(int number) {
  co_await weft::yield();
  co_return number;
}

weft::task<> gather_all(benchmark::State& state) {
  constexpr std::int64_t n = gather_loop::children;
  for (auto _ : state) {
    std::vector<weft::task<int>> children;
    children.reserve(gather_loop::children);
    for (int i = 0; i < gather_loop::children; ++i) children.push_back(child(i));
    const std::vector<int> numbers = co_await weft::gather(std::move(children));
    const auto sum = std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
    bench::require(sum == n * (n - 1) / 2, "sum of the children's numbers");
  }
  bench::count_items(state, gather_loop::children);
}

BENCHMARK(bench::on_weft<gather_all>)->Name("gather")->Apply(bench::worker_counts);

}  // namespace
