#include "../support/weft_main.h"
#include "sleepers.h"
#include <weft/runtime/sleep.h>
#include <weft/runtime/timeout.h>

#include <vector>

namespace {

weft::task<> guard_yields() {
  for (int i = 0; i < timer_loop::timeouts_each; ++i) {
    co_await weft::wait_for(weft::yield(), timer_loop::timeout);
  }
}

weft::task<> arm_and_cancel(benchmark::State& state) {
  std::vector<weft::join_handle<>> handles(timer_loop::tasks);
  for (auto _ : state) {
    for (auto& handle : handles) handle = weft::spawn(guard_yields());
    for (auto& handle : handles) co_await handle;
  }
  bench::count_items(state, timer_loop::timeouts);
}

weft::task<int> at_once(int number) {
  co_return number;
}

weft::task<> guard_what_is_ready(benchmark::State& state) {
  for (auto _ : state) {
    int sum = 0;
    for (int i = 0; i < timer_loop::ready_timeouts; ++i) {
      const int one = co_await weft::wait_for(at_once(1), timer_loop::timeout);
      sum += one;
    }
    bench::require(sum == timer_loop::ready_timeouts, "number of time-outs");
  }
  bench::count_items(state, timer_loop::ready_timeouts);
}

weft::task<> sleeper(weft::clock::time_point wakes_at) {
  co_await weft::sleep_until(wakes_at);
}

weft::task<> sleep_together(bench::sleeper_costs& costs) {
  std::vector<weft::join_handle<>> handles(timer_loop::sleepers);
  costs.start();
  const auto started = weft::now();
  for (int i = 0; i < timer_loop::sleepers; ++i) {
    handles[i] = weft::spawn(sleeper(started + timer_loop::wakes_after(i)));
  }
  co_await weft::sleep_until(started + timer_loop::arming - std::chrono::milliseconds(100));
  costs.all_asleep();
  std::int64_t woken = 0;
  for (auto& handle : handles) {
    co_await handle;
    ++woken;
  }
  costs.finish(woken);
}

void sleepers(benchmark::State& state) {
  bench::run_sleepers(state, [](bench::sleeper_costs& costs, int workers) {
    weft::runtime_options options;
    options.workers = static_cast<std::size_t>(workers);
    options.handle_sigint = false;
    weft::run(sleep_together(costs), options);
  });
}

BENCHMARK(bench::on_weft<arm_and_cancel>)->Name("timer/arm_cancel")->Apply(bench::worker_counts);
BENCHMARK(bench::on_weft<guard_what_is_ready>)->Name("timer/ready")->Apply(bench::worker_counts);
BENCHMARK(sleepers)->Name("timer/sleepers1M")->Apply(bench::once_per_worker_count);

}  // namespace
