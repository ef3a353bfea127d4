// A worker in a long step: the one that watches takes over what belongs to it, and gives nothing
// away twice.

#include "../../../runtime/detail/threads.h"
#include "../../../runtime/fork.h"
#include "../../../runtime/sleep.h"
#include "../around/outcome.h"
#include "../around/signal.h"
#include "../checker/registry.h"
#include "around/runtime.h"

#include <mutex>
#include <utility>
#include <vector>

namespace weft::model {
namespace {

using detail::scheduler;
using namespace std::chrono_literals;

// The watcher may be missed by schedules beyond the bounds of the depth-first search.
constexpr std::uint64_t lots = 20'000;

constexpr options in_order = {.preemptions = 2, .stale_reads = 0, .timeouts = 0};
constexpr options weakly = {.preemptions = 1, .stale_reads = 1, .timeouts = 0};

/// Blocks the thread of a worker until another task has run.
struct long_step {
  detail::os_mutex mutex;
  detail::os_condition changed;
  bool over = false;  // guarded by mutex

  void wait() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return over; });
  }
  void end() {
    const std::lock_guard lock(mutex);
    over = true;
    changed.notify_all();
  }
};

task<> end_step(long_step& of) {
  of.end();
  co_return;
}

/// What it has spawned lies in a queue of its worker, which does not come to it.
task<> block_with_work(long_step& step, scheduler& on, join_handle<>& spawned) {
  spawned = detail::spawn_task(on, end_step(step), {}, 0);
  step.wait();
  co_return;
}

void run_queued() {
  scheduler runs({.workers = 2});
  long_step step;
  join_handle<> spawned;
  const auto blocked = spawn_in(runs, block_with_work(step, runs, spawned));

  runs.run_until_done(*blocked.state());
  runs.run_until_done(*spawned.state());
}

const registered_model queued_in_order("Rescue", "TaskBehindALongStep_RunsElsewhere", in_order,
                                       run_queued, lots);
const registered_model queued_weakly("Rescue", "TaskBehindALongStep_RunsElsewhereInWeakMemory",
                                     weakly, run_queued);

task<> block(long_step& step) {
  step.wait();
  co_return;
}

// What arrives from outside lies in the inbox.
void run_arrival() {
  scheduler runs({.workers = 2});
  long_step step;
  const auto blocked = spawn_in(runs, block(step));
  const auto arrives = spawn_in(runs, end_step(step));

  runs.run_until_done(*blocked.state());
  runs.run_until_done(*arrives.state());
}

const registered_model arrived_in_order("Rescue", "ArrivalDuringALongStep_RunsElsewhere", in_order,
                                        run_arrival, lots);
const registered_model arrived_weakly("Rescue", "ArrivalDuringALongStep_RunsElsewhereInWeakMemory",
                                      weakly, run_arrival);

task<> sleep_and_end(long_step& step) {
  co_await sleep(1ms);
  step.end();
}

task<> block_with_sleeper(long_step& step, scheduler& on, join_handle<>& spawned) {
  spawned = detail::spawn_task(on, sleep_and_end(step), {}, 0);
  co_await sleep(1us);  // the other one arms its timer here, or on the other worker
  step.wait();
}

const registered_model timer("Rescue", "TimerDuringALongStep_FiresElsewhere",
                             {.preemptions = 2, .stale_reads = 0, .timeouts = 0}, [] {
                               scheduler runs({.workers = 2});
                               long_step step;
                               join_handle<> spawned;
                               const auto blocked =
                                   spawn_in(runs, block_with_sleeper(step, runs, spawned));

                               runs.run_until_done(*blocked.state());
                               runs.run_until_done(*spawned.state());
                             });

task<> wait_and_end(signal& awaited, long_step& step, int& written) {
  const int value = co_await awaited.wait();
  check(value == the_value && written == 1, "not what was written before the wake");
  step.end();
}

task<> wake_and_block(signal& awaited, long_step& step, int& written) {
  written = 1;
  awaited.set(the_value);
  step.wait();
  co_return;
}

// Whom the task in the long step has woken would run next here.
void run_woken() {
  scheduler runs({.workers = 2});
  long_step step;
  signal awaited;
  int written = 0;
  const auto waiter = spawn_in(runs, wait_and_end(awaited, step, written));
  const auto blocked = spawn_in(runs, wake_and_block(awaited, step, written));

  runs.run_until_done(*waiter.state());
  runs.run_until_done(*blocked.state());
}

const registered_model woken_in_order("Rescue", "TaskWokenByALongStep_RunsElsewhere", in_order,
                                      run_woken);
const registered_model woken_weakly("Rescue", "TaskWokenByALongStep_RunsElsewhereInWeakMemory",
                                    weakly, run_woken);

task<> nothing() {
  co_return;
}

task<> wait_and_see(signal& awaited, int& written) {
  const int value = co_await awaited.wait();
  check(value == the_value && written == 1, "not what was written before the wake");
}

/// A worker whose ring others have looked into has a next slot of its own.
task<> wake_beside_others(scheduler& on, signal& awaited, int& written) {
  auto first = detail::spawn_task(on, nothing(), {}, 0);
  auto second = detail::spawn_task(on, nothing(), {}, 0);
  co_await first;
  co_await second;
  written = 1;
  awaited.set(the_value);
}

void run_woken_beside_others() {
  scheduler runs({.workers = 2});
  signal awaited;
  int written = 0;
  const auto waiter = spawn_in(runs, wait_and_see(awaited, written));
  const auto waker = spawn_in(runs, wake_beside_others(runs, awaited, written));

  runs.run_until_done(*waker.state());
  runs.run_until_done(*waiter.state());
}

const registered_model woken_beside_others("NextSlot", "OwnerAgainstOthers_RunsItOnce",
                                           {.preemptions = 1, .stale_reads = 1, .timeouts = 0},
                                           run_woken_beside_others, lots);

/// The ring holds three: `last` lies in the overflow list while `blocking` runs.
task<> spawn_more_than_fit(scheduler& on, task<> blocking, task<> last) {
  std::vector<join_handle<>> spawned;
  for (int i = 0; i < 2; ++i) spawned.push_back(detail::spawn_task(on, nothing(), {}, 0));
  spawned.push_back(detail::spawn_task(on, std::move(blocking), {}, 0));
  spawned.push_back(detail::spawn_task(on, std::move(last), {}, 0));
  for (auto& each : spawned) co_await each;
}

/// Ends one long step, and is one.
task<> wait_end_and_block(signal& awaited, long_step& ended, long_step& own) {
  (void)co_await awaited.wait();
  ended.end();
  own.wait();
}

// Whom it has woken was taken away and keeps the other worker. What did not fit into its ring it
// comes to itself: it does not go to sleep over it, see worker::park().
void run_woken_before_overflow() {
  scheduler runs({.workers = 2});
  signal awaited;
  long_step first;
  long_step second;
  int written = 0;
  const auto waiter = spawn_in(runs, wait_end_and_block(awaited, first, second));
  const auto root = spawn_in(
      runs, spawn_more_than_fit(runs, wake_and_block(awaited, first, written), end_step(second)));

  runs.run_until_done(*root.state());
  runs.run_until_done(*waiter.state());
}

const registered_model woken_before_overflow("Rescue", "OverflowBehindALongStep_IsNotSleptOver",
                                             {.preemptions = 1, .stale_reads = 0, .timeouts = 0},
                                             run_woken_before_overflow, lots);

/// Ends two long steps when its time has come.
struct ending_timer : detail::timer_node {
  ending_timer(clock::duration after, long_step& first_step, long_step& second_step)
      : first(first_step), second(second_step) {
    when = clock::time_point(after);
    fire = [](detail::timer_node& self) noexcept {
      auto& ends = static_cast<ending_timer&>(self);
      ends.first.end();
      ends.second.end();
      ends.end_fire();
    };
  }
  long_step& first;
  long_step& second;
};

// The watcher looks into the poller of a worker that falls asleep just now, and finds there what is
// to wake it up.
const registered_model timer_beside_a_rescue(
    "Rescue", "TimerArmedBesideARescue_IsHeeded",
    {.preemptions = 1, .stale_reads = 0, .timeouts = 0}, [] {
      scheduler runs({.workers = 2});
      long_step step, outside, late;
      ending_timer just_before_the_second_look(2ms, step, outside);
      detail::worker& watcher = runs.worker_at(1);
      watcher.timers().arm(just_before_the_second_look);
      watcher.notify();
      const auto blocked = spawn_on_worker(runs, 0, block(step));
      outside.wait();

      ending_timer due_later(3ms, late, late);
      detail::arm_timer(due_later, *blocked.state());
      late.wait();
      runs.run_until_done(*blocked.state());
      detail::timer_wheel::finish_disarm(due_later);
      detail::timer_wheel::finish_disarm(just_before_the_second_look);
    });

/// A child in a long step elsewhere, and a task here that nobody comes to.
task<> fork_and_block(long_step& step, scheduler& on, join_handle<>& spawned) {
  auto child = fork(block(step));
  spawned = detail::spawn_task(on, end_step(step), {}, 0);
  step.wait();
  co_await child;
}

// The one that takes the child may be the one that has watched: then the third one has to.
const registered_model two_long_steps(
    "Rescue", "WatcherThatFindsWork_IsFollowedByAnother",
    {.preemptions = 1, .stale_reads = 0, .timeouts = 0},
    [] {
      scheduler runs({.workers = 3});
      long_step step;
      join_handle<> spawned;
      const auto parent = spawn_in(runs, fork_and_block(step, runs, spawned));

      runs.run_until_done(*parent.state());
      runs.run_until_done(*spawned.state());
    },
    lots);

}  // namespace
}  // namespace weft::model
