// Runs a workload written as a Boost.Asio coroutine under Google Benchmark, and the two things Asio
// lacks for it.
//
// Asio is used as its documentation advises for speed: the concrete executor instead of
// any_io_executor, a concurrency hint equal to the number of threads, one io_context for all
// threads.
#pragma once

#include "bench.h"

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio.hpp>

namespace bench {

namespace asio = boost::asio;

using executor = asio::io_context::executor_type;
template <class T = void>
using asio_task = asio::awaitable<T, executor>;
inline constexpr asio::use_awaitable_t<executor> use_task;
using asio_timer = asio::steady_timer::rebind_executor<executor>::other;

/// Lets others run.
inline auto asio_yield() {
  return asio::post(use_task);
}

/// Waits until `children` callbacks have called done(). Asio can join a fixed group of operations,
/// not n coroutines.
class join_counter {
 public:
  explicit join_counter(int children) noexcept : left_(children + 1) {}

  /// One child has ended. The last one resumes the waiter, which may destroy this object at once:
  /// nothing is touched after the hand-over.
  void done() {
    if (left_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    const auto resume = std::move(resume_);
    resume();
  }

  auto wait() {
    return asio::async_initiate<const asio::use_awaitable_t<executor>&, void()>(
        [this](auto handler) {
          auto kept = std::make_shared<decltype(handler)>(std::move(handler));
          resume_ = [kept] {
            const auto where = asio::get_associated_executor(*kept);
            asio::post(where, std::move(*kept));
          };
          done();
        },
        use_task);
  }

 private:
  std::atomic<int> left_;
  std::function<void()> resume_;
};

/// Runs the context on `threads` threads, the caller's among them, until it has no more work.
inline void run_on_threads(asio::io_context& context, int threads) {
  std::vector<std::jthread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back([&context] { context.run(); });
  context.run();
}

/// Runs one coroutine to its end on a fresh context.
inline void run_asio(int threads, auto make_main) {
  asio::io_context context(threads);
  std::exception_ptr failure;
  asio::co_spawn(context, make_main(), [&failure](std::exception_ptr error) { failure = error; });
  run_on_threads(context, threads);
  if (failure) std::rethrow_exception(failure);
}

/// Gives the workload, `asio_task<> f(benchmark::State&)`, a context with state.range(0) threads.
template <auto Workload>
void on_asio(benchmark::State& state) {
  run_asio(workers(state), [&state] { return Workload(state); });
}

}  // namespace bench
