#include "../support/bench.h"
#include "config.h"

#include <tbb/task_arena.h>
#include <tbb/task_group.h>

namespace {

std::int64_t fib(int n) {
  if (n < 2) return n;
  std::int64_t a = 0;
  tbb::task_group group;
  group.run([&a, n] { a = fib(n - 1); });
  const std::int64_t b = fib(n - 2);
  group.wait();
  return a + b;
}

std::int64_t skynet(std::int64_t from, std::int64_t count) {
  if (count == 1) return from;
  const std::int64_t step = count / fork_join::fan_out;
  std::int64_t parts[fork_join::fan_out - 1];
  tbb::task_group group;
  for (int i = 0; i < fork_join::fan_out - 1; ++i) {
    group.run([=, part = &parts[i]] { *part = skynet(from + i * step, step); });
  }
  std::int64_t sum = skynet(from + (fork_join::fan_out - 1) * step, step);
  group.wait();
  for (const std::int64_t part : parts) sum += part;
  return sum;
}

void run_fib(benchmark::State& state) {
  tbb::task_arena arena(bench::workers(state));
  arena.execute([&] {
    for (auto _ : state) {
      bench::require(fib(fork_join::fib_of) == fork_join::fib_result, "fib(32)");
    }
  });
  bench::count_items(state, fork_join::fib_calls);
}

void run_skynet(benchmark::State& state) {
  tbb::task_arena arena(bench::workers(state));
  arena.execute([&] {
    for (auto _ : state) {
      bench::require(skynet(0, fork_join::leaves) == fork_join::skynet_result, "skynet sum");
    }
  });
  bench::count_items(state, fork_join::nodes);
}

BENCHMARK(run_fib)->Name("fork_join/fib32")->Apply(bench::one_and_two_workers);
BENCHMARK(run_skynet)->Name("fork_join/skynet1M")->Apply(bench::one_and_two_workers);

}  // namespace
