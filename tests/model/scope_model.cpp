// Regions of a task that others end: cancel scopes and deadlines, against their timers and against
// the task that leaves. Nobody reaches the task, or the scope, once it was left.

#include "../../runtime/cancel_scope.h"
#include "../../runtime/spawn.h"
#include "../../runtime/timeout.h"
#include "around/clock.h"
#include "around/outcome.h"
#include "around/scheduler.h"
#include "around/signal.h"
#include "checker/registry.h"

namespace weft::model {
namespace {

constexpr clock::duration two_ticks = 2 * tick;

task<> wait_in_scope(cancel_scope& scope, signal& inside, signal& after, outcome& of_inside,
                     outcome& of_after) {
  {
    cancel_scope::visit visit(scope);
    co_await wait_once(inside, of_inside);
  }
  co_await wait_once(after, of_after);
}

// Before the visit, in it, or after it; then the task may be gone.
const registered_model cancel_and_visit(
    "CancelScope", "CancelAgainstVisit_EndsWhatIsInsideOnly", {.preemptions = 2, .stale_reads = 2},
    [] {
      scheduler runs;
      cancel_scope scope;
      signal inside, after;
      outcome of_inside, of_after;
      after.set(the_value);
      spawn(wait_in_scope(scope, inside, after, of_inside, of_after)).detach();

      run_threads([&] { runs.work(); }, [&] { inside.set(the_value); }, [&] { scope.cancel(); });

      check(of_inside.how != end::none, "no end");
      check(of_after.how == end::value, "it was left, and ends a later wait");
    });

const registered_model cancel_waits(
    "CancelScope", "CancelAgainstEntry_IsHeeded", {.preemptions = 3}, [] {
      scheduler runs;
      cancel_scope scope;
      signal never, after;
      outcome of_inside, of_after;
      after.set(the_value);
      const auto waiter = spawn(wait_in_scope(scope, never, after, of_inside, of_after));

      run_threads([&] { runs.work(); }, [&] { scope.cancel(); });

      check(of_inside.how == end::cancelled, "not cancelled");
      check(of_after.how == end::value, "it was left, and ends a later wait");
    });

task<> look_into_scope(const cancel_scope& scope, const int& written) {
  check(!scope.cancel_called() || written == 1, "not what was written before the cancel");
  co_return;
}

const registered_model cancel_and_look("CancelScope", "WhoSeesACancel_SeesWhatWasWrittenBefore",
                                       {.preemptions = 2}, [] {
                                         scheduler runs;
                                         cancel_scope scope;
                                         int written = 0;
                                         const auto looker = spawn(look_into_scope(scope, written));

                                         run_threads([&] { runs.work(); },
                                                     [&] {
                                                       written = 1;
                                                       scope.cancel();
                                                     });
                                       });

task<> own_scope(std::unique_ptr<cancel_scope> scope, signal& inside, outcome& of_inside) {
  {
    cancel_scope::visit visit(*scope);
    co_await wait_once(inside, of_inside);
  }
}

// The deadline comes, is moved by another thread, or the visit ends.
const registered_model deadline_and_visit(
    "CancelScope", "DeadlineAgainstItsChangeAndVisit_TouchesNothingThatIsGone",
    {.preemptions = 2, .stale_reads = 1}, [] {
      timers wheel;
      scheduler runs;
      auto owned = std::make_unique<cancel_scope>();
      cancel_scope& scope = *owned;
      signal inside;
      outcome of_inside;
      scope.set_deadline(clock::time_point(two_ticks));
      const auto waiter = spawn(own_scope(std::move(owned), inside, of_inside));

      run_threads([&] { runs.work(); }, [&] { inside.set(the_value); }, [&] { wheel.expire(4); });

      check(of_inside.how != end::none, "no end");
    });

// ---- deadline

task<> wait_until_deadline(signal& inside, signal& after, outcome& of_inside, outcome& of_after) {
  {
    const deadline limit(clock::time_point() + two_ticks);
    co_await wait_once(inside, of_inside);
  }
  co_await wait_once(after, of_after);
}

const registered_model expiry_and_leave(
    "Deadline", "ExpiryAgainstTheEndOfTheBlock_EndsWhatIsInsideOnly",
    {.preemptions = 2, .stale_reads = 1}, [] {
      timers wheel;
      scheduler runs;
      signal inside, after;
      outcome of_inside, of_after;
      after.set(the_value);
      const auto waiter = spawn(wait_until_deadline(inside, after, of_inside, of_after));

      run_threads([&] { runs.work(); }, [&] { inside.set(the_value); }, [&] { wheel.expire(4); });

      check(of_inside.how == end::value || of_inside.how == end::timed_out, "no end");
      check(of_after.how == end::value, "a time-out of the past");
    });

// ---- wait_for and timeout: a request that is taken back

task<> wait_limited(signal& inside, signal& after, outcome& of_inside, outcome& of_after) {
  try {
    const int value = co_await weft::wait_for(inside.wait(), two_ticks);
    check(value == the_value, "not the value that was set");
    of_inside.is(end::value);
  } catch (const timeout_error&) {
    of_inside.is(end::timed_out);
  } catch (const cancelled_error&) {
    of_inside.is(end::cancelled);
  }
  co_await wait_once(after, of_after);
}

const registered_model limit_and_value(
    "WaitFor", "ExpiryAgainstTheValue_IsTakenBack", {.preemptions = 2, .stale_reads = 1}, [] {
      timers wheel;
      scheduler runs;
      signal inside, after;
      outcome of_inside, of_after;
      after.set(the_value);
      const auto waiter = spawn(wait_limited(inside, after, of_inside, of_after));

      run_threads([&] { runs.work(); }, [&] { inside.set(the_value); }, [&] { wheel.expire(4); });

      check(of_inside.how == end::value || of_inside.how == end::timed_out, "no end");
      check(of_after.how == end::value, "a time-out of the past");
      check(detail::cancelling(*waiter.state()) == 0, "a request is left");
    });

const registered_model limit_and_cancel(
    "WaitFor", "ExpiryAgainstCancel_LosesNoRequest", {.preemptions = 2, .stale_reads = 1}, [] {
      timers wheel;
      scheduler runs;
      signal never, after;
      outcome of_inside, of_after;
      after.set(the_value);
      bool accepted = false;
      auto waiter = spawn(wait_limited(never, after, of_inside, of_after));

      run_threads([&] { runs.work(); }, [&] { accepted = waiter.cancel(); },
                  [&] { wheel.expire(4); });

      if (waiter.cancelled()) return;  // before it began
      check(of_inside.how == end::cancelled || of_inside.how == end::timed_out, "no end");
      check(detail::cancelling(*waiter.state()) == (accepted ? 1 : 0),
            "a request is lost, or too many are left");
      check(accepted || of_inside.how == end::timed_out, "cancelled by nobody");
      check(
          !accepted || of_inside.how == end::cancelled || detail::request_pending(*waiter.state()),
          "a cancellation was taken for the time-out");
    });

}  // namespace
}  // namespace weft::model
