#include "../support/asio_main.h"
#include "config.h"

#include <numeric>

namespace {

using bench::asio_task;
namespace asio = bench::asio;

asio_task<int> child(int number) {
  co_return number;
}

template <int Tasks>
asio_task<> spawn_and_join(benchmark::State& state) {
  const auto here = co_await asio::this_coro::executor;
  std::vector<int> numbers(Tasks);
  for (auto _ : state) {
    bench::join_counter children(Tasks);
    for (int i = 0; i < Tasks; ++i) {
      asio::co_spawn(here, child(i),
                     [&children, slot = &numbers[i]](std::exception_ptr, int number) {
                       *slot = number;
                       children.done();
                     });
    }
    co_await children.wait();
    const auto sum = std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
    bench::require(sum == spawn_join::expected_sum(Tasks), "sum of the tasks' numbers");
  }
  bench::count_items(state, Tasks);
}

BENCHMARK(bench::on_asio<spawn_and_join<spawn_join::at_a_time>>)
    ->Name("spawn_join/1000")
    ->Apply(bench::one_and_two_workers);
BENCHMARK(bench::on_asio<spawn_and_join<spawn_join::in_batch>>)
    ->Name("spawn_join/1M")
    ->Apply(bench::one_and_two_workers);

}  // namespace
