#include "../support/weft_main.h"
#include "config.h"
#include <weft/sync/mutex.h>

#include <vector>

namespace {

weft::task<> lock_free_mutex(benchmark::State& state) {
  weft::mutex mutex;
  std::int64_t counter = 0;
  for (auto _ : state) {
    for (int i = 0; i < mutex_loop::free_locks; ++i) {
      const weft::lock_guard guard = co_await mutex.lock();
      benchmark::DoNotOptimize(++counter);
    }
  }
  bench::require(counter == state.iterations() * mutex_loop::free_locks, "guarded counter");
  bench::count_items(state, mutex_loop::free_locks);
}

weft::task<> take_turns(weft::mutex& mutex, std::int64_t& counter) {
  for (int i = 0; i < mutex_loop::locks_each; ++i) {
    const weft::lock_guard guard = co_await mutex.lock();
    const std::int64_t before = counter;
    co_await weft::yield();
    counter = before + 1;
  }
}

weft::task<> lock_contended_mutex(benchmark::State& state) {
  weft::mutex mutex;
  std::vector<weft::join_handle<>> handles(mutex_loop::tasks);
  for (auto _ : state) {
    std::int64_t counter = 0;
    for (auto& handle : handles) handle = weft::spawn(take_turns(mutex, counter));
    for (auto& handle : handles) co_await handle;
    bench::require(counter == mutex_loop::contended_locks, "guarded counter");
  }
  bench::count_items(state, mutex_loop::contended_locks);
}

BENCHMARK(bench::on_weft<lock_free_mutex>)->Name("mutex/free")->Apply(bench::worker_counts);
BENCHMARK(bench::on_weft<lock_contended_mutex>)
    ->Name("mutex/contended")
    ->Apply(bench::worker_counts);

}  // namespace
