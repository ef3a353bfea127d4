// Asio's other mutual exclusion: a critical section that is a function run inside a strand. It
// cannot suspend while it holds the strand, so only the free case has a counterpart here.
#include "../support/asio_main.h"
#include "config.h"

namespace {

using bench::asio_task;
namespace asio = bench::asio;

asio_task<> enter_free_strand(benchmark::State& state) {
  asio::strand<bench::executor> strand(co_await asio::this_coro::executor);
  std::int64_t counter = 0;
  for (auto _ : state) {
    for (int i = 0; i < mutex_loop::free_locks; ++i) {
      asio::dispatch(strand, [&counter] { benchmark::DoNotOptimize(++counter); });
    }
  }
  bench::require(counter == state.iterations() * mutex_loop::free_locks, "guarded counter");
  bench::count_items(state, mutex_loop::free_locks);
}

BENCHMARK(bench::on_asio<enter_free_strand>)->Name("mutex/free")->Apply(bench::worker_counts);

}  // namespace
