// Several children of one task that end, fail and are cancelled on two workers: the parent goes on
// once, after all of them, and sees what they did.

#include "../../runtime/gather.h"
#include "../../runtime/spawn.h"
#include "around/outcome.h"
#include "around/scheduler.h"
#include "around/signal.h"
#include "checker/registry.h"

#include <stdexcept>

namespace weft::model {
namespace {

/// What a child has done, watched for races.
struct child_record {
  int ended = 0;
};

task<int> wait_for(signal& awaited, child_record& record) {
  const int value = co_await awaited.wait();
  ++record.ended;
  co_return value;
}

task<int> wait_and_fail(signal& awaited) {
  co_await awaited.wait();
  throw std::runtime_error("expected");
}

/// A child that it wakes goes on where this runs.
task<> set_signal(signal& which) {
  which.set(the_value);
  co_return;
}

struct two_children {
  signal of_first, of_second;
  child_record first, second;
};

task<> gather_both(two_children& all, outcome& into) {
  try {
    const auto values =
        co_await gather(wait_for(all.of_first, all.first), wait_for(all.of_second, all.second));
    check(std::get<0>(values) == the_value && std::get<1>(values) == the_value, "not the values");
    check(all.first.ended + all.second.ended == 2, "a child goes on");
    into.is(end::value);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

const registered_model both_end("Gather", "EndAgainstEnd_WakesTheParentOnce",
                                {.preemptions = 2, .stale_reads = 1}, [] {
                                  scheduler runs(2);
                                  two_children all;
                                  outcome seen;
                                  const auto parent = spawn(gather_both(all, seen));
                                  const auto waker = spawn(set_signal(all.of_first));

                                  run_threads([&] { runs.work(0); }, [&] { runs.work(1); },
                                              [&] { all.of_second.set(the_value); });

                                  check(seen.how == end::value, "no value");
                                });

const registered_model both_end_cancelled(
    "Gather", "EndAgainstCancel_GivesValuesOrCancelsAll", {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs(2);
      two_children all;
      outcome seen;
      all.of_second.set(the_value);
      auto parent = spawn(gather_both(all, seen));
      const auto waker = spawn(set_signal(all.of_first));

      run_threads([&] { runs.work(0); }, [&] { runs.work(1); }, [&] { parent.cancel(); });

      check(parent.cancelled() || seen.how != end::none, "no end");
    });

task<> gather_failing(two_children& all, outcome& into) {
  try {
    (void)co_await gather(wait_and_fail(all.of_first), wait_for(all.of_second, all.second));
    into.is(end::value);
  } catch (const std::runtime_error&) {
    into.is(end::failed);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

// The sibling is cancelled while it ends by itself.
const registered_model failure_and_end("Gather", "FailureAgainstEnd_EndsTheSibling",
                                       {.preemptions = 2, .stale_reads = 1}, [] {
                                         scheduler runs(2);
                                         two_children all;
                                         outcome seen;
                                         const auto parent = spawn(gather_failing(all, seen));
                                         const auto waker = spawn(set_signal(all.of_first));

                                         run_threads([&] { runs.work(0); }, [&] { runs.work(1); },
                                                     [&] { all.of_second.set(the_value); });

                                         check(seen.how == end::failed, "not failed");
                                         check(runs.unretrieved() == 0, "the failure was seen");
                                       });

task<> gather_two_failing(two_children& all, outcome& into) {
  try {
    (void)co_await gather(wait_and_fail(all.of_first), wait_and_fail(all.of_second));
    into.is(end::value);
  } catch (const std::runtime_error&) {
    into.is(end::failed);
  }
}

const registered_model two_failures("Gather", "TwoFailures_OneIsRethrown",
                                    {.preemptions = 2, .stale_reads = 1}, [] {
                                      scheduler runs(2);
                                      two_children all;
                                      outcome seen;
                                      const auto parent = spawn(gather_two_failing(all, seen));
                                      const auto waker = spawn(set_signal(all.of_first));

                                      run_threads([&] { runs.work(0); }, [&] { runs.work(1); },
                                                  [&] { all.of_second.set(the_value); });

                                      check(seen.how == end::failed, "not failed");
                                      check(runs.unretrieved() == 0, "both were seen");
                                    });

// The children run elsewhere while the parent still starts them.
const registered_model both_end_elsewhere("Gather", "EndAgainstStart_WakesTheParentOnce",
                                          {.preemptions = 2, .stale_reads = 1}, [] {
                                            scheduler runs(2, placing::next_worker);
                                            two_children all;
                                            outcome seen;
                                            all.of_first.set(the_value);
                                            all.of_second.set(the_value);
                                            const auto parent = spawn(gather_both(all, seen));

                                            run_threads([&] { runs.work(0); },
                                                        [&] { runs.work(1); });

                                            check(seen.how == end::value, "no value");
                                          });

task<int> fail_observed(detail::task_state*& self) {
  self = detail::here.task;
  detail::add_handle(*self);
  throw std::runtime_error("expected");
  co_return 0;
}

task<> gather_failing_observed(two_children& all, detail::task_state*& failing, outcome& into) {
  try {
    (void)co_await gather(fail_observed(failing), wait_for(all.of_second, all.second));
    into.is(end::value);
  } catch (const std::runtime_error&) {
    into.is(end::failed);
  }
}

const registered_model failure_elsewhere(
    "Gather", "FailureAgainstStart_EndsTheSiblingAlone", {.preemptions = 2, .stale_reads = 2}, [] {
      scheduler runs(2, placing::next_worker);
      two_children all;  // the second one waits until it is cancelled
      outcome seen;
      detail::task_state* failing = nullptr;
      const auto parent = spawn(gather_failing_observed(all, failing, seen));

      run_threads([&] { runs.work(0); }, [&] { runs.work(1); });

      check(seen.how == end::failed, "not failed");
      check(runs.unretrieved() == 0, "the failure was seen");
      check(detail::cancelling(*failing) == 0, "who has failed was asked to end");
      detail::drop_handle(*failing);
    });

const registered_model cancel_elsewhere("Gather",
                                        "CancelAgainstStartAndEnd_CancelsAllOrComesTooLate",
                                        {.preemptions = 2, .stale_reads = 1}, [] {
                                          scheduler runs(2, placing::next_worker);
                                          two_children all;
                                          outcome seen;
                                          all.of_first.set(the_value);
                                          all.of_second.set(the_value);
                                          auto parent = spawn(gather_both(all, seen));
                                          bool accepted = false;

                                          run_threads([&] { runs.work(0); }, [&] { runs.work(1); },
                                                      [&] { accepted = parent.cancel(); });

                                          check(parent.cancelled() || seen.how != end::none,
                                                "no end");
                                          check(accepted || seen.how == end::value,
                                                "cancelled by nobody");
                                        });

// ---- Tasks that run already

struct two_handles {
  join_handle<int> first, second;
};

task<> gather_handles(two_handles& all, outcome& into) {
  try {
    const auto values = co_await gather(all.first, all.second);
    check(std::get<0>(values) == the_value && std::get<1>(values) == the_value, "not the values");
    into.is(end::value);
  } catch (const std::runtime_error&) {
    into.is(end::failed);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

const registered_model handles_end("Gather", "EndAgainstEndOfRunningTasks_WakesTheParentOnce",
                                   {.preemptions = 2, .stale_reads = 1}, [] {
                                     scheduler runs(2);
                                     two_children all;
                                     outcome seen;
                                     two_handles handles{
                                         spawn(wait_for(all.of_first, all.first)),
                                         spawn(wait_for(all.of_second, all.second))};
                                     const auto parent = spawn(gather_handles(handles, seen));

                                     run_threads([&] { runs.work(0); }, [&] { runs.work(1); },
                                                 [&] {
                                                   all.of_first.set(the_value);
                                                   all.of_second.set(the_value);
                                                 });

                                     check(seen.how == end::value, "no value");
                                   });

const registered_model handles_cancelled(
    "Gather", "EndAgainstCancelOfRunningTasks_EndsAll", {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs;
      two_children all;
      outcome seen;
      two_handles handles{spawn(wait_for(all.of_first, all.first)),
                          spawn(wait_for(all.of_second, all.second))};
      auto parent = spawn(gather_handles(handles, seen));
      all.of_second.set(the_value);

      run_threads([&] { runs.work(); }, [&] { parent.cancel(); },
                  [&] { all.of_first.set(the_value); });

      // One that never began leaves them alone.
      check(handles.first.done() && handles.second.done(), "a task has not ended");
      check(parent.cancelled() || seen.how != end::none, "no end");
    });

task<> gather_handles_and_wait(two_handles& all, signal& after, outcome& into, outcome& of_after) {
  co_await gather_handles(all, into);
  co_await wait_once(after, of_after);
}

// The first failure is rethrown at once; the end of the other one wakes nobody any more.
const registered_model handles_fail("Gather", "TwoFailuresOfRunningTasks_WakeTheParentOnce",
                                    {.preemptions = 2, .stale_reads = 0}, [] {
                                      scheduler runs(2);
                                      two_children all;
                                      signal after;
                                      outcome seen, of_after;
                                      two_handles handles{spawn(wait_and_fail(all.of_first)),
                                                          spawn(wait_and_fail(all.of_second))};
                                      const auto parent = spawn(
                                          gather_handles_and_wait(handles, after, seen, of_after));

                                      run_threads([&] { runs.work(0); }, [&] { runs.work(1); },
                                                  [&] {
                                                    all.of_first.set(the_value);
                                                    all.of_second.set(the_value);
                                                    after.set(the_value);
                                                  });

                                      check(seen.how == end::failed, "not failed");
                                      check(of_after.how == end::value, "a later wait was ended");
                                    });

task<> gather_until_all_ended(two_handles& all, outcome& into) {
  co_await gather_handles(all, into);
  if (into.how == end::cancelled)
    check(all.first.done() && all.second.done(), "a task goes on after the cancellation");
}

// Cancelled, it waits for all, also for the sibling of one that fails at that moment.
const registered_model handles_fail_and_cancel(
    "Gather", "FailureAgainstCancelOfRunningTasks_WaitsForAll",
    {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs;
      two_children all;  // the second one waits until it is cancelled
      outcome seen;
      two_handles handles{spawn(wait_and_fail(all.of_first)),
                          spawn(wait_for(all.of_second, all.second))};
      auto parent = spawn(gather_until_all_ended(handles, seen));

      run_threads([&] { runs.work(); }, [&] { all.of_first.set(the_value); },
                  [&] {
                    parent.cancel();
                    handles.second.cancel();  // whom nobody else ends when the parent never began
                  });

      check(parent.cancelled() || seen.how != end::none, "no end");
    });

}  // namespace
}  // namespace weft::model
