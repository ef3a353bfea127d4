#include "../support/weft_main.h"
#include "config.h"
#include <weft/sync/shared_mutex.h>

#include <cstdint>
#include <vector>

namespace {

weft::task<> read_alone(benchmark::State& state) {
  weft::shared_mutex mutex;
  std::int64_t value = 1;
  for (auto _ : state) {
    std::int64_t sum = 0;
    for (int i = 0; i < rwlock_loop::free_locks; ++i) {
      const weft::shared_lock_guard guard = co_await mutex.lock_shared();
      benchmark::DoNotOptimize(value);
      sum += value;
    }
    bench::require(sum == rwlock_loop::free_locks, "number of reads");
  }
  bench::count_items(state, rwlock_loop::free_locks);
}

weft::task<> read_and_write(weft::shared_mutex& mutex, int& counter) {
  for (int i = 0; i < rwlock_loop::locks_each; ++i) {
    if (i % rwlock_loop::write_every == 0) {
      const weft::lock_guard guard = co_await mutex.lock();
      const int before = counter;
      co_await weft::yield();
      counter = before + 1;
    } else {
      const weft::shared_lock_guard guard = co_await mutex.lock_shared();
      const int before = counter;
      co_await weft::yield();
      bench::require(counter == before, "nobody writes while others read");
    }
  }
}

weft::task<> contended(benchmark::State& state) {
  weft::shared_mutex mutex;
  std::vector<weft::join_handle<>> handles(rwlock_loop::tasks);
  constexpr int all = rwlock_loop::tasks * rwlock_loop::locks_each;
  for (auto _ : state) {
    int counter = 0;
    for (auto& handle : handles) handle = weft::spawn(read_and_write(mutex, counter));
    for (auto& handle : handles) co_await handle;
    bench::require(counter == all / rwlock_loop::write_every, "number of writes");
  }
  bench::count_items(state, all);
}

BENCHMARK(bench::on_weft<read_alone>)->Name("rwlock/read")->Apply(bench::worker_counts);
BENCHMARK(bench::on_weft<contended>)->Name("rwlock/contended")->Apply(bench::worker_counts);

}  // namespace
