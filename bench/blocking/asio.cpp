// asio::thread_pool beside the io_context; the answer is posted back to the coroutine's executor.
#include "../support/asio_main.h"
#include "config.h"

namespace {

using bench::asio_task;
namespace asio = bench::asio;

/// Runs next(number) on the pool and resumes the caller, with the answer, where it was.
auto offload(asio::thread_pool& pool, int number) {
  return asio::async_initiate<const asio::use_awaitable_t<bench::executor>&, void(int)>(
      [&pool, number](auto handler) {
        asio::post(pool, [handler = std::move(handler), number]() mutable {
          const int answer = blocking_loop::next(number);
          const auto where = asio::get_associated_executor(handler);
          asio::post(where, [handler = std::move(handler), answer]() mutable {
            std::move(handler)(answer);
          });
        });
      },
      bench::use_task);
}

asio_task<int> offload_task(asio::thread_pool& pool, int number) {
  co_return co_await offload(pool, number);
}

asio_task<> many_at_a_time(benchmark::State& state) {
  asio::thread_pool pool(blocking_loop::pool_threads);
  const auto here = co_await asio::this_coro::executor;
  std::vector<int> answers(blocking_loop::at_a_time);
  for (auto _ : state) {
    bench::join_counter jobs(blocking_loop::at_a_time);
    for (int i = 0; i < blocking_loop::at_a_time; ++i) {
      asio::co_spawn(here, offload_task(pool, i),
                     [&jobs, slot = &answers[i]](std::exception_ptr, int answer) {
                       *slot = answer;
                       jobs.done();
                     });
    }
    co_await jobs.wait();
    std::int64_t sum = 0;
    for (const int answer : answers) sum += answer;
    bench::require(sum == blocking_loop::expected_sum(blocking_loop::at_a_time), "sum of answers");
  }
  bench::count_items(state, blocking_loop::at_a_time);
}

asio_task<> one_at_a_time(benchmark::State& state) {
  asio::thread_pool pool(blocking_loop::pool_threads);
  for (auto _ : state) {
    int number = 0;
    for (int i = 0; i < blocking_loop::round_trips; ++i) number = co_await offload(pool, number);
    bench::require(number == blocking_loop::round_trips, "number of round trips");
  }
  bench::count_items(state, blocking_loop::round_trips);
}

BENCHMARK(bench::on_asio<many_at_a_time>)->Name("blocking/batch100")->Apply(bench::worker_counts);
BENCHMARK(bench::on_asio<one_at_a_time>)->Name("blocking/round_trip")->Apply(bench::worker_counts);

}  // namespace
