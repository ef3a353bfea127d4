#include "../support/asio_main.h"
#include "sleepers.h"

namespace {

using bench::asio_task;
using boost::system::error_code;
namespace asio = bench::asio;

/// The cheapest time-out Asio offers: a callback beside the awaited operation. (The `||` of two
/// awaitables is several times slower.)
asio_task<> guard_yields(std::atomic<int>& cancelled) {
  bench::asio_timer timer(co_await asio::this_coro::executor);
  for (int i = 0; i < timer_loop::timeouts_each; ++i) {
    timer.expires_after(timer_loop::timeout);
    timer.async_wait([&cancelled](error_code error) {
      if (error == asio::error::operation_aborted) {
        cancelled.fetch_add(1, std::memory_order_relaxed);
      }
    });
    co_await bench::asio_yield();
    timer.cancel();
  }
}

asio_task<> arm_and_cancel(benchmark::State& state) {
  const auto here = co_await asio::this_coro::executor;
  for (auto _ : state) {
    std::atomic<int> cancelled = 0;
    bench::join_counter children(timer_loop::tasks);
    for (int i = 0; i < timer_loop::tasks; ++i) {
      asio::co_spawn(here, guard_yields(cancelled),
                     [&children](std::exception_ptr) { children.done(); });
    }
    co_await children.wait();
    while (cancelled != timer_loop::timeouts) co_await bench::asio_yield();
  }
  bench::count_items(state, timer_loop::timeouts);
}

asio_task<> sleeper(std::chrono::steady_clock::time_point wakes_at) {
  bench::asio_timer timer(co_await asio::this_coro::executor, wakes_at);
  co_await timer.async_wait(bench::use_task);
}

asio_task<> sleep_together(bench::sleeper_costs& costs) {
  const auto here = co_await asio::this_coro::executor;
  std::atomic<std::int64_t> woken = 0;
  bench::join_counter children(timer_loop::sleepers);
  costs.start();
  const auto started = std::chrono::steady_clock::now();
  for (int i = 0; i < timer_loop::sleepers; ++i) {
    asio::co_spawn(here, sleeper(started + timer_loop::wakes_after(i)), [&](std::exception_ptr) {
      woken.fetch_add(1, std::memory_order_relaxed);
      children.done();
    });
  }
  bench::asio_timer armed(here, started + timer_loop::arming - std::chrono::milliseconds(100));
  co_await armed.async_wait(bench::use_task);
  costs.all_asleep();
  co_await children.wait();
  costs.finish(woken);
}

void sleepers(benchmark::State& state) {
  bench::run_sleepers(state, [](bench::sleeper_costs& costs, int workers) {
    bench::run_asio(workers, [&costs] { return sleep_together(costs); });
  });
}

BENCHMARK(bench::on_asio<arm_and_cancel>)->Name("timer/arm_cancel")->Apply(bench::worker_counts);
BENCHMARK(sleepers)->Name("timer/sleepers1M")->Apply(bench::once_per_worker_count);

}  // namespace
