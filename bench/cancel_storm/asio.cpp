// Every coroutine has a cancellation signal of its own, emitted on the executor that runs it.
#include "../support/asio_main.h"
#include "config.h"

#include <atomic>
#include <chrono>
#include <deque>

namespace {

using bench::asio_task;
namespace asio = bench::asio;

asio_task<> sleeper(std::atomic<int>& cancelled) {
  bench::asio_timer timer(co_await asio::this_coro::executor, std::chrono::hours(1));
  const auto [error] = co_await timer.async_wait(asio::as_tuple(bench::use_task));
  if (error == asio::error::operation_aborted) cancelled.fetch_add(1, std::memory_order_relaxed);
}

asio_task<> cancel_all(benchmark::State& state) {
  const auto here = co_await asio::this_coro::executor;
  for (auto _ : state) {
    std::atomic<int> cancelled = 0;
    std::deque<asio::cancellation_signal> signals(cancel_storm::tasks);
    bench::join_counter children(cancel_storm::tasks);
    for (auto& signal : signals) {
      asio::co_spawn(here, sleeper(cancelled),
                     asio::bind_cancellation_slot(
                         signal.slot(), [&children](std::exception_ptr) { children.done(); }));
    }
    co_await bench::asio_yield();  // all sleep now
    for (auto& signal : signals) signal.emit(asio::cancellation_type::all);
    co_await children.wait();
    bench::require(cancelled == cancel_storm::tasks, "number of cancelled tasks");
  }
  bench::count_items(state, cancel_storm::tasks);
}

// Emitting is not safe while another thread runs the coroutine.
BENCHMARK(bench::on_asio<cancel_all>)->Name("cancel_storm")->Apply(bench::one_worker);

}  // namespace
