// Tasks that wait for others without owning them: wait(), shared tasks, and a value that is made
// once.

#include "../../runtime/share.h"
#include "../../runtime/spawn.h"
#include "../../runtime/wait.h"
#include "../../sync/once.h"
#include "around/clock.h"
#include "around/outcome.h"
#include "around/scheduler.h"
#include "around/signal.h"
#include "checker/registry.h"

#include <vector>

namespace weft::model {
namespace {

task<int> wait_for(signal& awaited) {
  const int value = co_await awaited.wait();
  co_return value;
}

// ---- wait()

using handles = std::vector<join_handle<int>>;

/// Afterwards it waits once more: a second wake would end that.
task<> wait_for_first(handles& tasks, signal& after, outcome& into, outcome& of_after) {
  try {
    const wait_result found = co_await wait(tasks, return_when::first_completed);
    check(!found.done.empty(), "none is done");
    check(tasks[found.done.front()].result() == the_value, "not its value");
    into.is(end::value);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
  co_await wait_once(after, of_after);
}

handles spawn_two(signal& first, signal& second) {
  handles both;
  both.push_back(spawn(wait_for(first)));
  both.push_back(spawn(wait_for(second)));
  return both;
}

const registered_model wait_and_ends("Wait", "EndAgainstEnd_WakesOnce",
                                     {.preemptions = 2, .stale_reads = 1}, [] {
                                       scheduler runs(2);
                                       signal first, second, after;
                                       outcome seen, of_after;
                                       handles both = spawn_two(first, second);
                                       const auto waiter =
                                           spawn(wait_for_first(both, after, seen, of_after));

                                       run_threads([&] { runs.work(0); }, [&] { runs.work(1); },
                                                   [&] {
                                                     first.set(the_value);
                                                     second.set(the_value);
                                                     after.set(the_value);
                                                   });

                                       check(seen.how == end::value, "no value");
                                       check(of_after.how == end::value, "a later wait was ended");
                                     });

task<> wait_for_all(handles& tasks, signal& after, outcome& into, outcome& of_after) {
  const wait_result found = co_await wait(tasks, return_when::all_completed, 2 * tick);
  for (const std::size_t each : found.done)
    check(tasks[each].result() == the_value, "not its value");
  into.is(found.pending.empty() ? end::value : end::timed_out);
  co_await wait_once(after, of_after);
}

const registered_model wait_and_limit("Wait", "EndAgainstTimeOut_WakesOnce",
                                      {.preemptions = 2, .stale_reads = 1}, [] {
                                        timers wheel;
                                        scheduler runs;
                                        signal first, after;
                                        outcome seen, of_after;
                                        handles tasks;
                                        tasks.push_back(spawn(wait_for(first)));
                                        const auto waiter =
                                            spawn(wait_for_all(tasks, after, seen, of_after));

                                        run_threads([&] { runs.work(); },
                                                    [&] {
                                                      first.set(the_value);
                                                      after.set(the_value);
                                                    },
                                                    [&] { wheel.expire(4); });

                                        check(seen.how != end::none, "no end");
                                        check(of_after.how == end::value, "a later wait was ended");
                                      });

const registered_model wait_and_cancel(
    "Wait", "EndAgainstCancel_LeavesTheTask", {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs;
      signal first, after;
      outcome seen, of_after;
      handles tasks;
      tasks.push_back(spawn(wait_for(first)));
      auto waiter = spawn(wait_for_first(tasks, after, seen, of_after));

      run_threads([&] { runs.work(); },
                  [&] {
                    first.set(the_value);
                    after.set(the_value);
                  },
                  [&] { waiter.cancel(); });

      check(tasks[0].result() == the_value, "it was cancelled as well");
      check(waiter.cancelled() || (seen.how != end::none && of_after.how != end::none), "no end");
    });

// ---- share()

task<> await_shared(shared_task<int> work, outcome& into) {
  try {
    const int value = co_await work;
    check(value == the_value, "not the value of the task");
    into.is(end::value);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

task<int> begin_and_wait(signal& begun, signal& awaited) {
  begun.set(the_value);
  const int value = co_await awaited.wait();
  co_return value;
}

// Of two that give up, the last one takes the task along; neither waits for ever.
const registered_model two_give_up(
    "Share", "TwoCancels_TheLastEndsTheTask", {.preemptions = 2, .stale_reads = 0}, [] {
      scheduler runs;
      signal begun, never;
      outcome of_first, of_second;
      shared_task<int> work = share(begin_and_wait(begun, never));
      auto first = spawn(await_shared(work, of_first));
      auto second = spawn(await_shared(work, of_second));
      const auto cancel = [&](join_handle<>& waiter) {
        while (!begun.is_set()) detail::cpu_relax();
        waiter.cancel();
      };

      run_threads([&] { runs.work(); }, [&] { cancel(first); }, [&] { cancel(second); });

      check(first.cancelled() || of_first.how == end::cancelled, "not cancelled");
      check(second.cancelled() || of_second.how == end::cancelled, "not cancelled");
    });

// ---- once_cell

task<> make_once(once_cell<int>& cell, int& made, outcome& into) {
  const auto make = [&made] { return ++made; };
  const int& value = co_await cell.get_or_init(make);
  check(value == 1, "another value");
  into.is(end::value);
}

const registered_model make_and_look("OnceCell", "TwoWhoAskAndOneWhoLooks_SeeOneValue",
                                     {.preemptions = 2, .stale_reads = 1}, [] {
                                       scheduler runs(2);
                                       once_cell<int> cell;
                                       int made = 0;  // plain: one maker at a time
                                       outcome of_first, of_second;
                                       const auto first = spawn(make_once(cell, made, of_first));
                                       const auto second = spawn(make_once(cell, made, of_second));

                                       run_threads([&] { runs.work(0); }, [&] { runs.work(1); },
                                                   [&] {
                                                     if (const int* there = cell.get())
                                                       check(*there == 1, "another value");
                                                   });

                                       check(made == 1, "made more than once");
                                     });

}  // namespace
}  // namespace weft::model
