#include "../support/weft_main.h"
#include "config.h"
#include <weft/runtime/fork.h>

namespace {

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

BENCHMARK(bench::on_weft<run_fib>)->Name("fork_join/fib32")->Apply(bench::one_and_two_workers);
BENCHMARK(bench::on_weft<run_skynet>)
    ->Name("fork_join/skynet1M")
    ->Apply(bench::one_and_two_workers);

}  // namespace
