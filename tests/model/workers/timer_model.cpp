// Timers against a worker that falls asleep, a task that is cancelled, and others who arm.

#include "../../../runtime/detail/time_limit.h"
#include "../../../runtime/sleep.h"
#include "../around/outcome.h"
#include "../around/signal.h"
#include "../checker/registry.h"
#include "around/runtime.h"

namespace weft::model {
namespace {

using detail::scheduler;
using namespace std::chrono_literals;

constexpr auto a_while = 1ms;
constexpr auto a_tick = 66us;  // of the wheel, rounded up

task<> sleep_once(outcome& into) {
  try {
    co_await sleep(a_while);
    check(time_now() >= a_while, "too early");
    into.is(end::value);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

const registered_model fire_and_park("WorkerTimers", "SleepAgainstPark_EndsInTime",
                                     {.preemptions = 2, .stale_reads = 1, .timeouts = 0}, [] {
                                       scheduler runs({.workers = 1});
                                       outcome seen;
                                       const auto sleeper = spawn_in(runs, sleep_once(seen));

                                       runs.run_until_done(*sleeper.state());

                                       check(seen.how == end::value, "it has not gone on");
                                       check(time_now() <= a_while + a_tick, "too late");
                                     });

// The worker that wakes up by the time, or looks by the way, against who takes the timer back.
const registered_model fire_and_cancel(
    "WorkerTimers", "FireAgainstCancel_OneOfThemEndsTheSleep",
    {.preemptions = 2, .stale_reads = 1, .timeouts = 1}, [] {
      scheduler runs({.workers = 1});
      outcome seen;
      auto sleeper = spawn_in(runs, sleep_once(seen));

      run_threads([&] { runs.run_until_done(*sleeper.state()); }, [&] { sleeper.cancel(); });

      check(sleeper.cancelled() || seen.how != end::none, "no end");
      check(runs.worker_at(0).timers().empty(), "a timer is left");
    });

/// A timer that sets a signal.
struct signal_timer : detail::timer_node {
  explicit signal_timer(signal& which) : fires(which) {
    when = clock::time_point(a_while);
    fire = [](detail::timer_node& self) noexcept {
      static_cast<signal_timer&>(self).fires.set(the_value);
    };
  }
  signal& fires;
};

// Armed on another thread, while the worker may be between its look at the timers and its sleep.
const registered_model arm_and_park("WorkerTimers", "ArmByAnotherThreadAgainstPark_IsHeeded",
                                    {.preemptions = 2, .stale_reads = 1, .timeouts = 0}, [] {
                                      scheduler runs({.workers = 1});
                                      signal awaited;
                                      outcome seen;
                                      signal_timer timer(awaited);
                                      const auto waiter = spawn_in(runs, wait_once(awaited, seen));

                                      run_threads(
                                          [&] { runs.run_until_done(*waiter.state()); },
                                          [&] { detail::arm_timer(timer, *waiter.state()); });

                                      check(seen.how == end::value, "it has not gone on");
                                      check(time_now() <= a_while + a_tick, "too late");
                                    });

// Two workers: one may look after the timers of the other, which sleeps or not.
const registered_model fire_of_two("WorkerTimers", "SleepAmongTwoWorkers_Ends",
                                   {.preemptions = 1, .stale_reads = 1, .timeouts = 0}, [] {
                                     scheduler runs({.workers = 2});
                                     outcome seen;
                                     const auto sleeper = spawn_in(runs, sleep_once(seen));

                                     runs.run_until_done(*sleeper.state());

                                     check(seen.how == end::value, "it has not gone on");
                                   });

}  // namespace
}  // namespace weft::model
