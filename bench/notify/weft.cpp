#include "../support/weft_main.h"
#include "config.h"
#include <weft/sync/notify.h>

#include <atomic>
#include <vector>

namespace {

struct round {
  weft::notify bell;
  std::atomic<int> waiting{0};
};

weft::task<> wait_often(round& shared, int times) {
  for (int i = 0; i < times; ++i) {
    auto notified = shared.bell.notified();
    shared.waiting.fetch_add(1);
    co_await std::move(notified);
  }
}

weft::task<> fan_out(benchmark::State& state, int waiters) {
  const int rounds = notify_loop::wakeups / waiters;
  std::vector<weft::join_handle<>> handles(static_cast<std::size_t>(waiters));
  for (auto _ : state) {
    round shared;
    for (auto& handle : handles) handle = weft::spawn(wait_often(shared, rounds));
    for (auto& handle : handles) {
      while (!handle.done()) {
        shared.bell.notify_waiters();
        co_await weft::yield();
      }
      co_await handle;
    }
    bench::require(shared.waiting == rounds * waiters, "number of waits");
  }
  bench::count_items(state, rounds * waiters);
}

const bool registered = bench::register_counts("notify", "waiters", notify_loop::waiter_counts,
                                               [](benchmark::State& state, int waiters) {
                                                 bench::run_on_weft(state, fan_out(state, waiters));
                                               });

}  // namespace
