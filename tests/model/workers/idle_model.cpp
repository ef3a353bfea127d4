// Two workers that fall asleep, are woken and search, against those who bring work and those who
// end it all: the production scheduler, worker and queues.

#include "../../../runtime/fork.h"
#include "../around/outcome.h"
#include "../around/signal.h"
#include "../checker/registry.h"
#include "around/runtime.h"

namespace weft::model {
namespace {

using detail::scheduler;

task<> run_once(outcome& into) {
  into.is(end::value);
  co_return;
}

// The wake-up, the run, and the end of the runtime.
void push_and_park() {
  scheduler runs({.workers = 2});
  outcome seen;
  const auto work = spawn_in(runs, run_once(seen));

  runs.run_until_done(*work.state());

  check(seen.how == end::value, "it has not run");
  expect_no_wake_up_lost();
}

const registered_model push_and_park_in_order("Workers", "PushAgainstPark_WakesOne",
                                              {.preemptions = 2, .stale_reads = 0, .timeouts = 0},
                                              push_and_park);
const registered_model push_and_park_weakly("Workers", "PushAgainstPark_WakesOneInWeakMemory",
                                            {.preemptions = 1, .stale_reads = 1, .timeouts = 0},
                                            push_and_park);

const registered_model push_and_park_alone("Workers", "PushAgainstParkOfTheOnlyOne_WakesIt",
                                           {.preemptions = 2, .stale_reads = 2, .timeouts = 0}, [] {
                                             scheduler runs({.workers = 1});
                                             signal awaited;
                                             outcome seen;
                                             const auto work =
                                                 spawn_in(runs, wait_once(awaited, seen));

                                             run_threads(
                                                 [&] { runs.run_until_done(*work.state()); },
                                                 [&] { awaited.set(the_value); });

                                             check(seen.how == end::value, "it has not gone on");
                                             expect_no_wake_up_lost();
                                           });

task<> set_signal(signal& which) {
  which.set(the_value);
  co_return;
}

// A task that may not move is woken on another worker than its own.
void wake_pinned() {
  scheduler runs({.workers = 2});
  signal awaited;
  outcome seen;
  const auto waiter = spawn_on_worker(runs, 0, wait_once(awaited, seen));
  const auto waker = spawn_on_worker(runs, 1, set_signal(awaited));

  runs.run_until_done(*waiter.state());
  runs.run_until_done(*waker.state());

  check(seen.how == end::value, "it has not gone on");
  expect_no_wake_up_lost();
}

const registered_model wake_pinned_in_order("Workers", "WakeOfAPinnedTask_WakesItsWorker",
                                            {.preemptions = 2, .stale_reads = 0, .timeouts = 0},
                                            wake_pinned);
const registered_model wake_pinned_weakly("Workers", "WakeOfAPinnedTask_WakesItsWorkerInWeakMemory",
                                          {.preemptions = 1, .stale_reads = 1, .timeouts = 0},
                                          wake_pinned);

// Who pushed may still be at it when the runtime ends.
const registered_model push_and_end("Workers",
                                    "PushAgainstTheEndOfTheRuntime_TouchesNothingThatIsGone",
                                    {.preemptions = 2, .stale_reads = 1, .timeouts = 0}, [] {
                                      signal awaited;
                                      outcome seen;
                                      auto runs = std::make_unique<scheduler>(
                                          detail::scheduler_options{.workers = 1});
                                      const auto work = spawn_in(*runs, wait_once(awaited, seen));

                                      run_threads([&] { awaited.set(the_value); },
                                                  [&] {
                                                    runs->run_until_done(*work.state());
                                                    runs.reset();
                                                  });

                                      check(seen.how == end::value, "it has not gone on");
                                      expect_no_wake_up_lost();
                                    });

// ---- Searching

task<int> give_value() {
  co_return the_value;
}

task<> fork_once(outcome& into) {
  auto child = fork(give_value());
  const int value = co_await child;
  check(value == the_value, "not the value of the child");
  into.is(end::value);
}

// A worker is woken to search; the child runs there, or here, once.
void fork_and_park() {
  scheduler runs({.workers = 2});
  outcome seen;
  const auto parent = spawn_in(runs, fork_once(seen));

  runs.run_until_done(*parent.state());

  check(seen.how == end::value, "no value");
  expect_no_wake_up_lost();
}

const registered_model fork_and_park_in_order("Workers", "ForkAgainstPark_RunsTheChildOnce",
                                              {.preemptions = 2, .stale_reads = 0, .timeouts = 0},
                                              fork_and_park);
const registered_model fork_and_park_weakly("Workers",
                                            "ForkAgainstPark_RunsTheChildOnceInWeakMemory",
                                            {.preemptions = 1, .stale_reads = 1, .timeouts = 0},
                                            fork_and_park);

}  // namespace
}  // namespace weft::model
