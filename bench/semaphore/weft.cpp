#include "../support/weft_main.h"
#include "config.h"
#include <weft/sync/semaphore.h>

#include <vector>

namespace {

weft::task<> acquire_free(benchmark::State& state) {
  weft::semaphore semaphore(semaphore_loop::permits);
  for (auto _ : state) {
    for (int i = 0; i < semaphore_loop::free_acquires; ++i) {
      const weft::permit permit = co_await semaphore.acquire();
      benchmark::DoNotOptimize(permit);
    }
    bench::require(semaphore.available() == semaphore_loop::permits, "permits given back");
  }
  bench::count_items(state, semaphore_loop::free_acquires);
}

weft::task<> take_turns(weft::semaphore& semaphore) {
  for (int i = 0; i < semaphore_loop::acquires_each; ++i) {
    const weft::permit permit = co_await semaphore.acquire();
    co_await weft::yield();
  }
}

weft::task<> acquire_contended(benchmark::State& state) {
  weft::semaphore semaphore(semaphore_loop::permits);
  std::vector<weft::join_handle<>> handles(semaphore_loop::tasks);
  for (auto _ : state) {
    for (auto& handle : handles) handle = weft::spawn(take_turns(semaphore));
    for (auto& handle : handles) co_await handle;
    bench::require(semaphore.available() == semaphore_loop::permits, "permits given back");
  }
  bench::count_items(state, semaphore_loop::tasks * semaphore_loop::acquires_each);
}

BENCHMARK(bench::on_weft<acquire_free>)->Name("semaphore/free")->Apply(bench::worker_counts);
BENCHMARK(bench::on_weft<acquire_contended>)
    ->Name("semaphore/contended")
    ->Apply(bench::worker_counts);

}  // namespace
