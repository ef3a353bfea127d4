// The end of a runtime against tasks that end, go on, or are in a long step.

#include "../../../runtime/task_group.h"
#include "../around/outcome.h"
#include "../around/signal.h"
#include "../checker/registry.h"
#include "around/runtime.h"

#include <stdexcept>

namespace weft::model {
namespace {

using detail::scheduler;
using namespace std::chrono_literals;

task<> nothing() {
  co_return;
}

// It ends by itself or by the shutdown, and then there is nothing left.
void shut_down(unsigned workers) {
  scheduler runs({.workers = workers});
  signal awaited;
  outcome seen;
  const auto waiter = spawn_in(runs, wait_once(awaited, seen));
  // The only worker works for those who wait.
  if (workers == 1) runs.run_until_done(*spawn_in(runs, nothing()).state());

  run_threads([&] { awaited.set(the_value); },
              [&] {
                check(runs.shutdown(1h), "not in time");
                // Before anybody asks the handle, and sees the end by that.
                check(seen.how != end::timed_out, "there was no limit");
              });

  check(waiter.done(), "it has not ended");
  check(waiter.cancelled() || seen.how != end::none, "no end");
  expect_no_wake_up_lost();
}

const registered_model shutdown_alone("Shutdown", "ShutdownAgainstWake_AwaitsTheTask",
                                      {.preemptions = 2, .stale_reads = 1, .timeouts = 0},
                                      [] { shut_down(1); });
const registered_model shutdown_of_two("Shutdown", "ShutdownOfTwoWorkersAgainstWake_AwaitsTheTask",
                                       {.preemptions = 1, .stale_reads = 0, .timeouts = 0},
                                       [] { shut_down(2); });

// The one worker's loop may run on the thread of run() or on that of shutdown(), in either order.
const registered_model shutdown_meets_run(
    "Shutdown", "ShutdownAgainstRun_OneIsTheWorkerAtATime",
    {.preemptions = 2, .stale_reads = 1, .timeouts = 0}, [] {
      scheduler runs({.workers = 1});
      signal never;
      outcome seen;
      const auto main = spawn_in(runs, wait_once(never, seen));

      run_threads(
          [&] {
            try {
              runs.run_until_done(*main.state());
            } catch (const std::logic_error&) {  // the other one has the loop
            }
          },
          [&] { check(runs.shutdown(1h), "not in time"); });

      check(main.done(), "it has not ended");
      check(main.cancelled() || seen.how == end::cancelled, "not cancelled");
      expect_no_wake_up_lost();
    });

// The one that begins while the tasks of the other end must not keep their end from it.
const registered_model two_shutdowns("Shutdown", "ShutdownAgainstShutdown_BothReturn",
                                     {.preemptions = 2, .stale_reads = 0, .timeouts = 0}, [] {
                                       scheduler runs({.workers = 1});
                                       signal never;
                                       outcome seen;
                                       const auto task = spawn_in(runs, wait_once(never, seen));
                                       const auto shut_down = [&] {
                                         check(runs.shutdown(1h), "not in time");
                                         check(task.done(), "it has not ended");
                                       };

                                       run_threads(shut_down, shut_down);
                                     });

// The last end of a round may be counted by the other one, when nobody runs the loop.
const registered_model shutdown_after_run(
    "Shutdown", "ShutdownAfterRunAgainstShutdown_MissesNoEnd",
    {.preemptions = 2, .stale_reads = 1, .timeouts = 0}, [] {
      scheduler runs({.workers = 1});
      const auto main = spawn_in(runs, nothing());
      const auto shut_down = [&] { check(runs.shutdown(1h), "not in time"); };

      run_threads(
          [&] {
            try {
              runs.run_until_done(*main.state());
            } catch (const std::logic_error&) {  // the other one has the loop
            }
            shut_down();
          },
          shut_down);

      expect_no_wake_up_lost();
    });

task<> wait_for(signal& never) {
  (void)co_await never.wait();
}

task<> await_group(signal& never, outcome& into) {
  try {
    const auto body = [&](task_group& group) { group.spawn(wait_for(never)); };
    co_await with_task_group(body);
    into.is(end::value);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

// A child is told before its owner, and may have ended by then.
const registered_model shutdown_of_group("Shutdown", "EndOfAChildAgainstShutdown_CancelsItsOwner",
                                         {.preemptions = 2, .stale_reads = 1, .timeouts = 0}, [] {
                                           scheduler runs({.workers = 1});
                                           signal never;
                                           outcome seen;
                                           const auto owner =
                                               spawn_in(runs, await_group(never, seen));

                                           run_threads(
                                               [&] {
                                                 try {
                                                   runs.run_until_done(*owner.state());
                                                 } catch (const std::logic_error&) {
                                                 }
                                               },
                                               [&] { check(runs.shutdown(1h), "not in time"); });

                                           check(owner.cancelled() || seen.how == end::cancelled,
                                                 "it takes the work of its child for done");
                                         });

// Ctrl-C while the worker sleeps, or is about to.
const registered_model interrupt("Shutdown", "InterruptAgainstPark_CancelsTheMainTask",
                                 {.preemptions = 2, .stale_reads = 2, .timeouts = 0}, [] {
                                   scheduler runs({.workers = 1});
                                   signal never;
                                   outcome seen;
                                   const auto main = spawn_in(runs, wait_once(never, seen));
                                   runs.set_interruptible(main.state());

                                   run_threads([&] { runs.run_until_done(*main.state()); },
                                               [&] { runs.request_interrupt(); });
                                   runs.set_interruptible(nullptr);

                                   check(main.cancelled() || seen.how == end::cancelled,
                                         "not cancelled");
                                   expect_no_wake_up_lost();
                                 });

}  // namespace
}  // namespace weft::model
