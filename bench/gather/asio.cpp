#include "../support/asio_main.h"
#include "config.h"

#include <numeric>

namespace {

using bench::asio_task;
namespace asio = bench::asio;

asio_task<int> child(int number) {
  co_await bench::asio_yield();
  co_return number;
}

asio_task<> gather_all(benchmark::State& state) {
  const auto here = co_await asio::this_coro::executor;
  constexpr std::int64_t n = gather_loop::children;
  for (auto _ : state) {
    std::vector<int> numbers(gather_loop::children);
    bench::join_counter children(gather_loop::children);
    for (int i = 0; i < gather_loop::children; ++i) {
      asio::co_spawn(here, child(i),
                     [&children, slot = &numbers[i]](std::exception_ptr, int number) {
                       *slot = number;
                       children.done();
                     });
    }
    co_await children.wait();
    const auto sum = std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
    bench::require(sum == n * (n - 1) / 2, "sum of the children's numbers");
  }
  bench::count_items(state, gather_loop::children);
}

BENCHMARK(bench::on_asio<gather_all>)->Name("gather")->Apply(bench::worker_counts);

}  // namespace
