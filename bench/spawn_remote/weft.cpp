#include "../support/busy.h"
#include "../support/weft_main.h"
#include "config.h"
#include <weft/sync/event.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <semaphore>
#include <thread>
#include <vector>

namespace {

weft::task<> wait_for_end(std::latch& started, weft::event& end) {
  started.count_down();
  co_await end.wait();
}

/// A runtime that runs on threads of its own.
class remote_runtime {
 public:
  explicit remote_runtime(int workers)
      : runtime_({.workers = static_cast<std::size_t>(workers), .handle_sigint = false}),
        runs_([this] { runtime_.run(wait_for_end(started_, end_)); }) {
    started_.wait();
  }
  ~remote_runtime() { end_.set(); }

  weft::runtime* operator->() { return &runtime_; }

 private:
  weft::runtime runtime_;
  std::latch started_{1};
  weft::event end_;
  std::jthread runs_;
};

weft::task<> nothing() {
  co_return;
}

void spawn_and_join(benchmark::State& state, remote_runtime& runtime) {
  std::vector<weft::join_handle<>> handles(spawn_remote::tasks);
  for (auto _ : state) {
    for (auto& handle : handles) handle = runtime->spawn(nothing());
    for (auto& handle : handles) handle.get();
  }
  bench::count_items(state, spawn_remote::tasks);
}

void idle(benchmark::State& state) {
  remote_runtime runtime(bench::workers(state));
  spawn_and_join(state, runtime);
}

weft::task<> stay_busy(std::atomic<bool>& stop) {
  while (!stop.load(std::memory_order_relaxed)) {
    bench::stay_busy(std::chrono::microseconds(spawn_remote::busy_us));
    co_await weft::yield();
  }
}

void busy(benchmark::State& state) {
  remote_runtime runtime(bench::workers(state));
  std::atomic<bool> stop = false;
  std::vector<weft::join_handle<>> hogs(spawn_remote::busy_tasks);
  for (auto& hog : hogs) hog = runtime->spawn(stay_busy(stop));
  spawn_and_join(state, runtime);
  stop = true;
  for (auto& hog : hogs) hog.get();
}

weft::task<> successor(int left, std::binary_semaphore& done) {
  if (left == 0) {
    done.release();
  } else {
    weft::spawn(successor(left - 1, done)).detach();
  }
  co_return;
}

void chain(benchmark::State& state) {
  remote_runtime runtime(bench::workers(state));
  std::binary_semaphore done(0);
  for (auto _ : state) {
    runtime->spawn(successor(spawn_remote::chain, done)).detach();
    done.acquire();
  }
  bench::count_items(state, spawn_remote::chain);
}

BENCHMARK(idle)->Name("spawn_remote/idle")->Apply(bench::worker_counts);
BENCHMARK(busy)->Name("spawn_remote/busy")->Apply(bench::worker_counts);
BENCHMARK(chain)->Name("spawn_remote/chain")->Apply(bench::worker_counts);

}  // namespace
