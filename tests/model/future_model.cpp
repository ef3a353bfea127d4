// A promise against those who wait for it, give up, or cancel: of all ends one is seen by all, and
// whoever lets go last frees the state after the others have done with it.

#include "../../runtime/future.h"
#include "../../runtime/spawn.h"
#include "around/outcome.h"
#include "around/scheduler.h"
#include "checker/registry.h"

#include <memory>
#include <stdexcept>

namespace weft::model {
namespace {

using value_type = std::unique_ptr<int>;  // watched for races

/// The outcomes that need an exception keep it for ever: it is made before the model begins.
void make_shared_exceptions() {
  static bool made = false;
  if (std::exchange(made, true)) return;
  const execution::host_memory outside;
  promise<> cancelled;
  cancelled.get_future().cancel();
  (void)promise<>().get_future();
}

task<> await_future(future<value_type> awaited, outcome& into) {
  try {
    const value_type value = co_await std::move(awaited);
    check(*value == the_value, "not the value that was set");
    into.is(end::value);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  } catch (const broken_promise&) {
    into.is(end::closed);
  }
}

// Who awaits lets go of the future as soon as it is woken.
const registered_model set_and_await("Future", "SetAgainstAwait_GivesTheValue", {.preemptions = 3},
                                     [] {
                                       make_shared_exceptions();
                                       scheduler runs;
                                       outcome seen;
                                       promise<value_type> source;
                                       const auto waiter =
                                           spawn(await_future(source.get_future(), seen));

                                       run_threads(
                                           [&] { runs.work(); },
                                           [given = std::move(source)]() mutable {
                                             given.set_value(std::make_unique<int>(the_value));
                                           });

                                       check(seen.how == end::value, "no value");
                                     });

const registered_model set_and_cancel_task(
    "Future", "SetAgainstCancelOfTheWaiter_LosesNothing", {.preemptions = 2}, [] {
      make_shared_exceptions();
      scheduler runs;
      outcome seen;
      promise<value_type> source;
      auto waiter = spawn(await_future(source.get_future(), seen));

      run_threads([&] { runs.work(); }, [&] { source.set_value(std::make_unique<int>(the_value)); },
                  [&] { waiter.cancel(); });

      check(source.done(), "it was set");
      check(waiter.cancelled() || seen.how != end::none, "no end");
    });

task<> await_shared(shared_future<value_type> awaited, outcome& into) {
  try {
    const value_type& value = co_await awaited;
    check(*value == the_value, "not the value that was set");
    into.is(end::value);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

const registered_model set_and_cancel(
    "Future", "SetAgainstCancelOfTheFuture_OneIsSeen", {.preemptions = 2}, [] {
      make_shared_exceptions();
      promise<value_type> source;
      future<value_type> target = source.get_future();
      bool set = false, cancelled = false;

      run_threads([&] { set = source.try_set_value(std::make_unique<int>(the_value)); },
                  [&] { cancelled = target.cancel(); },
                  [&] {
                    if (!target.done() || target.cancelled()) return;
                    check(*target.result() == the_value, "not the value that was set");
                  });

      check(set != cancelled, "not one of them");
      check(target.cancelled() == cancelled, "not as it was told");
    });

const registered_model two_waiters(
    "Future", "SetAgainstTwoAwaits_BothSeeTheValue", {.preemptions = 2, .stale_reads = 1}, [] {
      make_shared_exceptions();
      scheduler runs(2);
      outcome of_first, of_second;
      promise<value_type> source;
      shared_future<value_type> target = source.get_future().share();
      const auto first = spawn(await_shared(target, of_first));
      const auto second = spawn(await_shared(std::move(target), of_second));

      run_threads([&] { runs.work(0); }, [&] { runs.work(1); },
                  [&] { source.set_value(std::make_unique<int>(the_value)); });

      check(of_first.how == end::value && of_second.how == end::value, "not both have it");
    });

const registered_model drop_and_await(
    "Future", "DropAgainstAwait_BreaksThePromise", {.preemptions = 3}, [] {
      make_shared_exceptions();
      scheduler runs;
      outcome seen;
      promise<value_type> source;
      const auto waiter = spawn(await_future(source.get_future(), seen));

      run_threads([&] { runs.work(); },
                  [given = std::move(source)] { /* dropped with the thread */ });

      check(seen.how == end::closed, "not told");
      check(runs.unretrieved() == 0, "a broken promise is no failure");
    });

const registered_model drop_both("Future", "DropOfTheFutureAgainstSet_FreesTheValueOnce",
                                 {.preemptions = 3}, [] {
                                   make_shared_exceptions();
                                   promise<value_type> source;
                                   future<value_type> target = source.get_future();

                                   run_threads(
                                       [given = std::move(source)]() mutable {
                                         (void)given.try_set_value(
                                             std::make_unique<int>(the_value));
                                       },
                                       [dropped = std::move(target)]() mutable {
                                         const future<value_type> gone(std::move(dropped));
                                       });
                                 });

// Who sees the end may let go of both sides, while the one who has made it is on its way out.
const registered_model drop_when_done(
    "Future", "DropOfBothSidesAgainstSet_WaitsForItsEnd", {.preemptions = 3}, [] {
      make_shared_exceptions();
      auto source = std::make_unique<promise<value_type>>();
      future<value_type> target = source->get_future();

      run_threads([given = source.get()] { given->set_value(std::make_unique<int>(the_value)); },
                  [&] {
                    while (!target.done()) detail::cpu_relax();
                    source.reset();
                    target = {};
                  });
    });

/// Refuses to be made of a negative number, half-way.
struct picky {
  explicit(false) picky(int from) : value(from) {
    if (from < 0) throw std::invalid_argument("expected");
  }
  int value;
};

// Who could not make the value leaves the state, and its memory, to the next.
const registered_model failing_set("Future", "SetThatThrowsAgainstSet_LeavesItToTheOther",
                                   {.preemptions = 3}, [] {
                                     make_shared_exceptions();
                                     promise<picky> source;
                                     future<picky> target = source.get_future();
                                     bool set = false;

                                     run_threads(
                                         [&] {
                                           try {
                                             (void)source.try_set_value(-1);
                                           } catch (const std::invalid_argument&) {  // as expected
                                           }
                                         },
                                         [&] {
                                           while (!set) {
                                             set = source.try_set_value(the_value);
                                             if (!set) detail::cpu_relax();
                                           }
                                         });

                                     check(set && target.result().value == the_value,
                                           "not the value that was set");
                                   });

// Threads outside of a runtime: one blocks, one is called back.
const registered_model thread_and_callback(
    "Future", "SetAgainstThreadAndCallback_TellsBoth", {.preemptions = 2}, [] {
      make_shared_exceptions();
      promise<value_type> source;
      shared_future<value_type> target = source.get_future().share();
      tally called;

      run_threads([&] { source.set_value(std::make_unique<int>(the_value)); },
                  [&] { check(*target.get() == the_value, "not the value that was set"); },
                  [&] { target.add_done_callback([&called] { called.add(1); }); });

      check(called.get() == 1, "not called once");
    });

}  // namespace
}  // namespace weft::model
