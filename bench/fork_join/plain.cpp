// The floor: ordinary recursive functions on one thread.
#include "../support/bench.h"
#include "config.h"

namespace {

std::int64_t fib(int n) {
  if (n < 2) return n;
  return fib(n - 1) + fib(n - 2);
}

std::int64_t skynet(std::int64_t from, std::int64_t count) {
  if (count == 1) return from;
  const std::int64_t step = count / fork_join::fan_out;
  std::int64_t sum = 0;
  for (int i = 0; i < fork_join::fan_out; ++i) sum += skynet(from + i * step, step);
  return sum;
}

void run_fib(benchmark::State& state) {
  for (auto _ : state) {
    int n = fork_join::fib_of;
    benchmark::DoNotOptimize(n);
    bench::require(fib(n) == fork_join::fib_result, "fib(32)");
  }
  bench::count_items(state, fork_join::fib_calls);
}

void run_skynet(benchmark::State& state) {
  for (auto _ : state) {
    std::int64_t leaves = fork_join::leaves;
    benchmark::DoNotOptimize(leaves);
    bench::require(skynet(0, leaves) == fork_join::skynet_result, "skynet sum");
  }
  bench::count_items(state, fork_join::nodes);
}

BENCHMARK(run_fib)->Name("fork_join/fib32")->Apply(bench::one_worker);
BENCHMARK(run_skynet)->Name("fork_join/skynet1M")->Apply(bench::one_worker);

}  // namespace
