#include "../support/asio_main.h"
#include "../support/busy.h"
#include "config.h"

#include <atomic>
#include <chrono>
#include <latch>
#include <semaphore>

namespace {

using bench::asio_task;
namespace asio = bench::asio;

/// A context that runs on threads of its own.
class remote_context {
 public:
  explicit remote_context(int threads) : context(threads), busy_(asio::make_work_guard(context)) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { context.run(); });
  }
  ~remote_context() { busy_.reset(); }

  asio::io_context context;

 private:
  asio::executor_work_guard<bench::executor> busy_;
  std::vector<std::jthread> threads_;
};

asio_task<> nothing() {
  co_return;
}

void spawn_and_join(benchmark::State& state, asio::io_context& context) {
  for (auto _ : state) {
    std::latch children(spawn_remote::tasks);
    for (int i = 0; i < spawn_remote::tasks; ++i) {
      asio::co_spawn(context, nothing(),
                     [&children](std::exception_ptr) { children.count_down(); });
    }
    children.wait();
  }
  bench::count_items(state, spawn_remote::tasks);
}

void idle(benchmark::State& state) {
  remote_context remote(bench::workers(state));
  spawn_and_join(state, remote.context);
}

asio_task<> stay_busy(std::atomic<bool>& stop) {
  while (!stop.load(std::memory_order_relaxed)) {
    bench::stay_busy(std::chrono::microseconds(spawn_remote::busy_us));
    co_await bench::asio_yield();
  }
}

void busy(benchmark::State& state) {
  std::atomic<bool> stop = false;
  remote_context remote(bench::workers(state));
  for (int i = 0; i < spawn_remote::busy_tasks; ++i) {
    asio::co_spawn(remote.context, stay_busy(stop), asio::detached);
  }
  spawn_and_join(state, remote.context);
  stop = true;
}

asio_task<> successor(int left, std::binary_semaphore& done) {
  if (left == 0) {
    done.release();
  } else {
    asio::co_spawn(co_await asio::this_coro::executor, successor(left - 1, done), asio::detached);
  }
}

void chain(benchmark::State& state) {
  remote_context remote(bench::workers(state));
  std::binary_semaphore done(0);
  for (auto _ : state) {
    asio::co_spawn(remote.context, successor(spawn_remote::chain, done), asio::detached);
    done.acquire();
  }
  bench::count_items(state, spawn_remote::chain);
}

BENCHMARK(idle)->Name("spawn_remote/idle")->Apply(bench::worker_counts);
BENCHMARK(busy)->Name("spawn_remote/busy")->Apply(bench::worker_counts);
BENCHMARK(chain)->Name("spawn_remote/chain")->Apply(bench::worker_counts);

}  // namespace
