#include "../support/bench.h"
#include "kernels.h"

#include <iterator>
#include <numeric>

#include <tbb/parallel_invoke.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

namespace {

using fork_join::board;
using fork_join::safe;

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

int queens(board placed, int row) {
  if (row == fork_join::queens) return 1;
  int solutions[fork_join::queens] = {};
  tbb::task_group group;
  for (int column = 0; column < fork_join::queens; ++column) {
    if (!safe(placed, row, column)) continue;
    board next = placed;
    next[static_cast<std::size_t>(row)] = static_cast<char>(column);
    group.run([next, row, slot = &solutions[column]] { *slot = queens(next, row + 1); });
  }
  group.wait();
  return std::accumulate(std::begin(solutions), std::end(solutions), 0);
}

void multiply(const int* a, const int* b, int* c, int n) {
  if (n == fork_join::block) return fork_join::multiply_block(a, b, c);
  const auto [a11, a12, a21, a22] = fork_join::quarters(a, n);
  const auto [b11, b12, b21, b22] = fork_join::quarters(b, n);
  const auto [c11, c12, c21, c22] = fork_join::quarters(c, n);
  const auto product = [half = n / 2](const int* x, const int* y, int* z) {
    return [=] { multiply(x, y, z, half); };
  };
  tbb::parallel_invoke(product(a11, b11, c11), product(a11, b12, c12), product(a21, b11, c21),
                       product(a21, b12, c22));
  tbb::parallel_invoke(product(a12, b21, c11), product(a12, b22, c12), product(a22, b21, c21),
                       product(a22, b22, c22));
}

void run_queens(benchmark::State& state) {
  tbb::task_arena arena(bench::workers(state));
  arena.execute([&] {
    for (auto _ : state) {
      bench::require(queens(board{}, 0) == fork_join::queens_result, "number of solutions");
    }
  });
  bench::count_items(state, fork_join::queens_tasks);
}

void run_matmul(benchmark::State& state) {
  tbb::task_arena arena(bench::workers(state));
  arena.execute([&] {
    for (auto _ : state) {
      fork_join::matrices of;
      multiply(of.a.data(), of.b.data(), of.c.data(), fork_join::matrix);
      bench::require(of.right(), "product of the matrices");
    }
  });
  bench::count_items(state, fork_join::block_products);
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

BENCHMARK(run_fib)->Name("fork_join/fib32")->Apply(bench::worker_counts);
BENCHMARK(run_skynet)->Name("fork_join/skynet1M")->Apply(bench::worker_counts);
BENCHMARK(run_queens)->Name("fork_join/nqueens10")->Apply(bench::worker_counts);
BENCHMARK(run_matmul)->Name("fork_join/matmul512")->Apply(bench::worker_counts);

}  // namespace
