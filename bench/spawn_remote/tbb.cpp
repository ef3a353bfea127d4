// oneTBB: a thread that is no worker enqueues callables into an arena that keeps no place for it. A
// callable cannot yield, so what stays busy enqueues its own continuation, behind the others.
#include "../support/bench.h"
#include "../support/busy.h"
#include "config.h"

#include <atomic>
#include <chrono>
#include <latch>
#include <semaphore>

#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

namespace {

/// An arena that runs on workers alone; oneTBB has one fewer of them than CPUs, unless told.
class remote_arena {
 public:
  explicit remote_arena(int workers)
      : parallelism_(tbb::global_control::max_allowed_parallelism,
                     static_cast<std::size_t>(workers) + 1),
        arena_(workers, /*reserved_for_masters=*/0) {}

  tbb::task_arena* operator->() { return &arena_; }

 private:
  tbb::global_control parallelism_;
  tbb::task_arena arena_;
};

void spawn_and_join(benchmark::State& state, remote_arena& arena) {
  for (auto _ : state) {
    std::latch children(spawn_remote::tasks);
    for (int i = 0; i < spawn_remote::tasks; ++i) {
      arena->enqueue([&children] { children.count_down(); });
    }
    children.wait();
  }
  bench::count_items(state, spawn_remote::tasks);
}

void idle(benchmark::State& state) {
  remote_arena arena(bench::workers(state));
  spawn_and_join(state, arena);
}

void stay_busy(remote_arena& arena, const std::atomic<bool>& stop, std::latch& ended) {
  if (stop.load(std::memory_order_relaxed)) {
    ended.count_down();
    return;
  }
  bench::stay_busy(std::chrono::microseconds(spawn_remote::busy_us));
  arena->enqueue([&] { stay_busy(arena, stop, ended); });
}

void busy(benchmark::State& state) {
  remote_arena arena(bench::workers(state));
  std::atomic<bool> stop = false;
  std::latch ended(spawn_remote::busy_tasks);
  for (int i = 0; i < spawn_remote::busy_tasks; ++i) {
    arena->enqueue([&] { stay_busy(arena, stop, ended); });
  }
  spawn_and_join(state, arena);
  stop = true;
  ended.wait();
}

/// From inside, run() is the way: into the deque of the worker.
void successor(tbb::task_group& group, int left, std::binary_semaphore& done) {
  if (left == 0) {
    done.release();
  } else {
    group.run([&group, left, &done] { successor(group, left - 1, done); });
  }
}

void chain(benchmark::State& state) {
  remote_arena arena(bench::workers(state));
  tbb::task_group group;
  std::binary_semaphore done(0);
  for (auto _ : state) {
    arena->enqueue(group.defer([&] { successor(group, spawn_remote::chain, done); }));
    done.acquire();
  }
  group.wait();
  bench::count_items(state, spawn_remote::chain);
}

BENCHMARK(idle)->Name("spawn_remote/idle")->Apply(bench::worker_counts);
BENCHMARK(busy)->Name("spawn_remote/busy")->Apply(bench::worker_counts);
BENCHMARK(chain)->Name("spawn_remote/chain")->Apply(bench::worker_counts);

}  // namespace
