#include "../support/weft_main.h"
#include "kernels.h"
#include <weft/runtime/fork.h>

#include <optional>
#include <utility>

namespace {

using fork_join::board;
using fork_join::safe;

weft::task<std::int64_t> fib(int n) {
  if (n < 2) co_return n;
  auto first = weft::fork(fib(n - 1));
  const std::int64_t b = co_await fib(n - 2);
  const std::int64_t a = co_await first;
  co_return a + b;
}

/// The sum of the numbers of `count` leaves, the first of which is `from`.
weft::task<std::int64_t> skynet(std::int64_t from, std::int64_t count) {
  if (count == 1) co_return from;
  static_assert(fork_join::fan_out == 10);
  const std::int64_t step = count / 10;
  const auto child = [=](int i) { return weft::fork(skynet(from + i * step, step)); };
  weft::forked<std::int64_t> children[] = {child(0), child(1), child(2), child(3), child(4),
                                           child(5), child(6), child(7), child(8)};
  std::int64_t sum = co_await skynet(from + 9 * step, step);
  for (int i = 8; i >= 0; --i) {  // newest first
    const std::int64_t part = co_await children[i];
    sum += part;
  }
  co_return sum;
}

weft::task<int> queens(board placed, int row) {
  if (row == fork_join::queens) co_return 1;
  std::optional<weft::forked<int>> children[fork_join::queens];
  int forked = 0;
  for (int column = 0; column < fork_join::queens; ++column) {
    if (!safe(placed, row, column)) continue;
    board next = placed;
    next[static_cast<std::size_t>(row)] = static_cast<char>(column);
    children[forked++].emplace(queens(next, row + 1));
  }
  int solutions = 0;
  while (forked > 0) {  // newest first
    const int found = co_await *children[--forked];
    children[forked].reset();
    solutions += found;
  }
  co_return solutions;
}

weft::task<> multiply(const int* a, const int* b, int* c, int n) {
  if (n == fork_join::block) {
    fork_join::multiply_block(a, b, c);
    co_return;
  }
  const auto [a11, a12, a21, a22] = fork_join::quarters(a, n);
  const auto [b11, b12, b21, b22] = fork_join::quarters(b, n);
  const auto [c11, c12, c21, c22] = fork_join::quarters(c, n);
  const int half = n / 2;
  {
    auto first = weft::fork(multiply(a11, b11, c11, half));
    auto second = weft::fork(multiply(a11, b12, c12, half));
    auto third = weft::fork(multiply(a21, b11, c21, half));
    co_await multiply(a21, b12, c22, half);
    co_await third;
    co_await second;
    co_await first;
  }
  auto first = weft::fork(multiply(a12, b21, c11, half));
  auto second = weft::fork(multiply(a12, b22, c12, half));
  auto third = weft::fork(multiply(a22, b21, c21, half));
  co_await multiply(a22, b22, c22, half);
  co_await third;
  co_await second;
  co_await first;
}

weft::task<> run_queens(benchmark::State& state) {
  for (auto _ : state) {
    const int solutions = co_await queens(board{}, 0);
    bench::require(solutions == fork_join::queens_result, "number of solutions");
  }
  bench::count_items(state, fork_join::queens_tasks);
}

weft::task<> run_matmul(benchmark::State& state) {
  for (auto _ : state) {
    fork_join::matrices of;
    co_await multiply(of.a.data(), of.b.data(), of.c.data(), fork_join::matrix);
    bench::require(of.right(), "product of the matrices");
  }
  bench::count_items(state, fork_join::block_products);
}

weft::task<> run_fib(benchmark::State& state) {
  for (auto _ : state) {
    const std::int64_t result = co_await fib(fork_join::fib_of);
    bench::require(result == fork_join::fib_result, "fib(32)");
  }
  bench::count_items(state, fork_join::fib_calls);
}

weft::task<> run_skynet(benchmark::State& state) {
  for (auto _ : state) {
    const std::int64_t result = co_await skynet(0, fork_join::leaves);
    bench::require(result == fork_join::skynet_result, "skynet sum");
  }
  bench::count_items(state, fork_join::nodes);
}

BENCHMARK(bench::on_weft<run_fib>)->Name("fork_join/fib32")->Apply(bench::worker_counts);
BENCHMARK(bench::on_weft<run_skynet>)->Name("fork_join/skynet1M")->Apply(bench::worker_counts);
BENCHMARK(bench::on_weft<run_queens>)->Name("fork_join/nqueens10")->Apply(bench::worker_counts);
BENCHMARK(bench::on_weft<run_matmul>)->Name("fork_join/matmul512")->Apply(bench::worker_counts);

}  // namespace
