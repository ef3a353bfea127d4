// A notification against a wait that ends otherwise: it goes to somebody who still waits, and
// everybody has the mutex again when the wait is over.

#include "../../runtime/detail/interrupt_scope.h"
#include "../../runtime/spawn.h"
#include "../../sync/condition_variable.h"
#include "around/expiry.h"
#include "around/outcome.h"
#include "around/scheduler.h"
#include "checker/registry.h"

namespace weft::model {
namespace {

using detail::interrupt_scope;

/// What the tasks of a model wait for.
struct meeting_place {
  mutex shared;
  condition_variable changed;
  bool ready = false;  // guarded by the mutex, like what follows
  int awake = 0;

  /// On a thread that is no worker.
  void make_ready() {
    {
      lock_guard lock = shared.try_lock();
      while (!lock) {
        detail::cpu_relax();
        lock = shared.try_lock();
      }
      ready = true;
    }
    changed.notify_one();
  }
};

/// Who was told tells the next one, so that one notification reaches all.
task<> wait_until_ready(meeting_place& place, outcome& into) {
  lock_guard lock = co_await place.shared.lock();
  try {
    while (!place.ready) co_await place.changed.wait(lock);
    into.is(end::value);
    place.changed.notify_one();
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
  ++place.awake;
}

const registered_model notify_and_wait(
    "ConditionVariable", "NotifyAgainstTwoWaits_ReachesBoth", {.preemptions = 2, .stale_reads = 1},
    [] {
      scheduler runs(2);
      meeting_place place;
      outcome of_first, of_second;
      const auto first = spawn(wait_until_ready(place, of_first));
      const auto second = spawn(wait_until_ready(place, of_second));

      run_threads([&] { runs.work(0); }, [&] { runs.work(1); }, [&] { place.make_ready(); });

      check(place.awake == 2, "not both have been told");
      check(!place.shared.locked(), "nobody has the mutex, and it is locked");
    });

const registered_model notify_and_cancel(
    "ConditionVariable", "NotifyAgainstCancelOfTheFirst_ReachesTheSecond",
    {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs;
      meeting_place place;
      outcome of_first, of_second;
      auto first = spawn(wait_until_ready(place, of_first));
      const auto second = spawn(wait_until_ready(place, of_second));

      run_threads([&] { runs.work(); }, [&] { place.make_ready(); }, [&] { first.cancel(); });

      check(of_second.how == end::value, "the second was not told");
      check(!place.shared.locked(), "nobody has the mutex, and it is locked");
    });

/// As above, for as long as `limit` allows.
task<> wait_in_time(meeting_place& place, expiry& limit, outcome& into) {
  lock_guard lock = co_await place.shared.lock();
  detail::enter_scope(limit.scope);
  try {
    co_await place.changed.wait(lock, [&place] { return place.ready; });
    into.is(end::value);
    place.changed.notify_one();
  } catch (const timeout_error&) {
    into.is(end::timed_out);
  }
  ++place.awake;
  limit.wait_until_over();
  detail::leave_scope(limit.scope);
}

const registered_model notify_and_expiry(
    "ConditionVariable", "NotifyAgainstTimeOutOfTheFirst_ReachesTheSecond",
    {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs;
      meeting_place place;
      interrupt_scope scope;
      expiry limit{scope};
      outcome of_first, of_second;
      const auto first = spawn(wait_in_time(place, limit, of_first));
      const auto second = spawn(wait_until_ready(place, of_second));

      run_threads([&] { runs.work(); }, [&] { place.make_ready(); },
                  [&] { limit.fire(*first.state()); });

      check(of_first.how != end::none && of_second.how == end::value, "the second was not told");
      check(place.awake == 2, "not both have gone on");
      check(!place.shared.locked(), "nobody has the mutex, and it is locked");
    });

}  // namespace
}  // namespace weft::model
