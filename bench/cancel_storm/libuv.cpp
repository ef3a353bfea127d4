// What it is: timers are armed, all are closed at once, and the loop tells each that it is closed;
// those callbacks are counted. What it is not: a cancellation. There is no task that learns of it,
// unwinds and is awaited, so this is the price of the timers and of the loop alone.
#include "../support/bench.h"
#include "config.h"

#include <chrono>
#include <cstdlib>
#include <vector>

#include <uv.h>

namespace {

void cancel_all(benchmark::State& state) {
  uv_loop_t loop;
  bench::require(uv_loop_init(&loop) == 0, "loop");
  std::vector<uv_timer_t> timers(cancel_storm::tasks);
  constexpr auto hour = std::chrono::milliseconds(std::chrono::hours(1)).count();
  for (auto _ : state) {
    int cancelled = 0;
    for (auto& timer : timers) {
      uv_timer_init(&loop, &timer);
      timer.data = &cancelled;
      uv_timer_start(&timer, [](uv_timer_t*) { std::abort(); }, hour, 0);
    }
    uv_run(&loop, UV_RUN_NOWAIT);  // all sleep now
    for (auto& timer : timers) {
      uv_close(reinterpret_cast<uv_handle_t*>(&timer),
               [](uv_handle_t* closed) { ++*static_cast<int*>(closed->data); });
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    bench::require(cancelled == cancel_storm::tasks, "number of timers closed");
  }
  bench::require(uv_loop_close(&loop) == 0, "end of the loop");
  bench::count_items(state, cancel_storm::tasks);
}

BENCHMARK(cancel_all)->Name("cancel_storm")->Apply(bench::one_worker);

}  // namespace
