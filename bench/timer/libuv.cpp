// libuv has callbacks, not tasks: a "task" is an idle handle, called once per turn of the loop,
// that stops and starts a timer of its own; a sleeper is a bare timer.
#include "sleepers.h"

#include <vector>

#include <uv.h>

namespace {

struct guarded {
  uv_timer_t timeout;
  uv_idle_t turn;
  int timeouts;
};

void next_turn(uv_idle_t* turn) {
  auto* self = static_cast<guarded*>(turn->data);
  uv_timer_stop(&self->timeout);
  if (++self->timeouts == timer_loop::timeouts_each) {
    uv_idle_stop(turn);
    return;
  }
  const auto limit = std::chrono::milliseconds(timer_loop::timeout).count();
  uv_timer_start(&self->timeout, [](uv_timer_t*) { std::abort(); }, limit, 0);
}

void arm_and_cancel(benchmark::State& state) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  std::vector<guarded> tasks(timer_loop::tasks);
  for (auto& task : tasks) {
    uv_timer_init(&loop, &task.timeout);
    uv_idle_init(&loop, &task.turn);
    task.turn.data = &task;
  }
  for (auto _ : state) {
    for (auto& task : tasks) {
      task.timeouts = 0;
      uv_idle_start(&task.turn, next_turn);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    for (const auto& task : tasks) {
      bench::require(task.timeouts == timer_loop::timeouts_each, "number of time-outs");
    }
  }
  for (auto& task : tasks) {
    uv_close(reinterpret_cast<uv_handle_t*>(&task.timeout), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&task.turn), nullptr);
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop);
  bench::count_items(state, timer_loop::timeouts);
}

void sleep_together(bench::sleeper_costs& costs) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  std::int64_t woken = 0;
  const auto wake = [](uv_timer_t* timer) { ++*static_cast<std::int64_t*>(timer->data); };
  uv_timer_t armed;
  uv_timer_init(&loop, &armed);
  armed.data = &costs;

  costs.start();
  std::vector<uv_timer_t> timers(timer_loop::sleepers);
  for (int i = 0; i < timer_loop::sleepers; ++i) {
    uv_timer_init(&loop, &timers[i]);
    timers[i].data = &woken;
    const auto delay =
        std::chrono::duration_cast<std::chrono::milliseconds>(timer_loop::wakes_after(i));
    uv_timer_start(&timers[i], wake, delay.count(), 0);
  }
  const auto before_the_first =
      std::chrono::milliseconds(timer_loop::arming) - std::chrono::milliseconds(100);
  uv_timer_start(
      &armed,
      [](uv_timer_t* timer) { static_cast<bench::sleeper_costs*>(timer->data)->all_asleep(); },
      before_the_first.count(), 0);
  uv_run(&loop, UV_RUN_DEFAULT);
  costs.finish(woken);
}

void sleepers(benchmark::State& state) {
  bench::run_sleepers(state, [](bench::sleeper_costs& costs, int) { sleep_together(costs); });
}

BENCHMARK(arm_and_cancel)->Name("timer/arm_cancel")->Apply(bench::one_worker);
BENCHMARK(sleepers)
    ->Name("timer/sleepers1M")
    ->Apply(bench::one_worker)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
