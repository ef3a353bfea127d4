// The floor: ordinary recursive functions on one thread.
#include "../support/bench.h"
#include "kernels.h"

namespace {

using fork_join::board;
using fork_join::safe;

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

int queens(const board& placed, int row) {
  if (row == fork_join::queens) return 1;
  int solutions = 0;
  for (int column = 0; column < fork_join::queens; ++column) {
    if (!safe(placed, row, column)) continue;
    board next = placed;
    next[static_cast<std::size_t>(row)] = static_cast<char>(column);
    solutions += queens(next, row + 1);
  }
  return solutions;
}

void multiply(const int* a, const int* b, int* c, int n) {
  if (n == fork_join::block) return fork_join::multiply_block(a, b, c);
  const auto [a11, a12, a21, a22] = fork_join::quarters(a, n);
  const auto [b11, b12, b21, b22] = fork_join::quarters(b, n);
  const auto [c11, c12, c21, c22] = fork_join::quarters(c, n);
  const int half = n / 2;
  multiply(a11, b11, c11, half);
  multiply(a11, b12, c12, half);
  multiply(a21, b11, c21, half);
  multiply(a21, b12, c22, half);
  multiply(a12, b21, c11, half);
  multiply(a12, b22, c12, half);
  multiply(a22, b21, c21, half);
  multiply(a22, b22, c22, half);
}

void run_queens(benchmark::State& state) {
  for (auto _ : state) {
    bench::require(queens(board{}, 0) == fork_join::queens_result, "number of solutions");
  }
  bench::count_items(state, fork_join::queens_tasks);
}

void run_matmul(benchmark::State& state) {
  for (auto _ : state) {
    fork_join::matrices of;
    multiply(of.a.data(), of.b.data(), of.c.data(), fork_join::matrix);
    bench::require(of.right(), "product of the matrices");
  }
  bench::count_items(state, fork_join::block_products);
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
BENCHMARK(run_queens)->Name("fork_join/nqueens10")->Apply(bench::one_worker);
BENCHMARK(run_matmul)->Name("fork_join/matmul512")->Apply(bench::one_worker);

}  // namespace
