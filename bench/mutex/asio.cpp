// Asio has no mutex for coroutines; a channel of capacity 1 is the usual one: sending locks,
// receiving unlocks.
#include "../support/asio_main.h"
#include "config.h"

#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>

namespace {

using bench::asio_task;
using boost::system::error_code;
namespace asio = bench::asio;

using one_thread_lock = asio::experimental::channel<bench::executor, void(error_code)>;
using shared_lock = asio::experimental::concurrent_channel<bench::executor, void(error_code)>;

template <class Lock>
void unlock(Lock& lock) {
  lock.try_receive([](error_code) {});
}

template <class Lock>
asio_task<> lock_free_over(benchmark::State& state) {
  Lock lock(co_await asio::this_coro::executor, 1);
  std::int64_t counter = 0;
  for (auto _ : state) {
    for (int i = 0; i < mutex_loop::free_locks; ++i) {
      if (!lock.try_send(error_code{})) co_await lock.async_send(error_code{}, bench::use_task);
      benchmark::DoNotOptimize(++counter);
      unlock(lock);
    }
  }
  bench::require(counter == state.iterations() * mutex_loop::free_locks, "guarded counter");
  bench::count_items(state, mutex_loop::free_locks);
}

template <class Lock>
asio_task<> take_turns(Lock& lock, std::int64_t& counter) {
  for (int i = 0; i < mutex_loop::locks_each; ++i) {
    if (!lock.try_send(error_code{})) co_await lock.async_send(error_code{}, bench::use_task);
    const std::int64_t before = counter;
    co_await bench::asio_yield();
    counter = before + 1;
    unlock(lock);
  }
}

template <class Lock>
asio_task<> lock_contended_over(benchmark::State& state) {
  const auto here = co_await asio::this_coro::executor;
  Lock lock(here, 1);
  for (auto _ : state) {
    std::int64_t counter = 0;
    bench::join_counter children(mutex_loop::tasks);
    for (int i = 0; i < mutex_loop::tasks; ++i) {
      asio::co_spawn(here, take_turns(lock, counter),
                     [&children](std::exception_ptr) { children.done(); });
    }
    co_await children.wait();
    bench::require(counter == mutex_loop::contended_locks, "guarded counter");
  }
  bench::count_items(state, mutex_loop::contended_locks);
}

asio_task<> lock_free_mutex(benchmark::State& state) {
  return bench::workers(state) == 1 ? lock_free_over<one_thread_lock>(state)
                                    : lock_free_over<shared_lock>(state);
}
asio_task<> lock_contended_mutex(benchmark::State& state) {
  return bench::workers(state) == 1 ? lock_contended_over<one_thread_lock>(state)
                                    : lock_contended_over<shared_lock>(state);
}

BENCHMARK(bench::on_asio<lock_free_mutex>)->Name("mutex/free")->Apply(bench::worker_counts);
BENCHMARK(bench::on_asio<lock_contended_mutex>)
    ->Name("mutex/contended")
    ->Apply(bench::worker_counts);

}  // namespace
