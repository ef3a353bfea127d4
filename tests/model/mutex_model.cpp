// The lock of tasks: one owner at a time, handed over in line, whoever gives up meanwhile.

#include "../../runtime/spawn.h"
#include "../../sync/mutex.h"
#include "around/lock_once.h"
#include "around/outcome.h"
#include "around/scheduler.h"
#include "checker/registry.h"

namespace weft::model {
namespace {

void touch_if_free(mutex& wanted, int& guarded) {
  if (const lock_guard lock = wanted.try_lock()) ++guarded;
}

// Free, contended and handed over; somebody who does not wait tries as well.
const registered_model exclusion("Mutex", "TwoTasksAndAThread_ExcludeEachOther",
                                 {.preemptions = 2, .stale_reads = 1}, [] {
                                   scheduler runs(2);
                                   mutex shared;
                                   int guarded = 0;
                                   outcome of_first, of_second;
                                   const auto first = spawn(lock_once(shared, guarded, of_first));
                                   const auto second = spawn(lock_once(shared, guarded, of_second));

                                   run_threads([&] { runs.work(0); }, [&] { runs.work(1); },
                                               [&] { touch_if_free(shared, guarded); });

                                   check(of_first.how == end::value && of_second.how == end::value,
                                         "not both have had it");
                                   check(!shared.locked(), "nobody has it, and it is locked");
                                 });

const registered_model handover("Mutex", "TwoTasks_SeeWhatTheOtherWrote", {.preemptions = 3}, [] {
  scheduler runs(2);
  mutex shared;
  int guarded = 0;
  outcome of_first, of_second;
  const auto first = spawn(lock_once(shared, guarded, of_first));
  const auto second = spawn(lock_once(shared, guarded, of_second));

  run_threads([&] { runs.work(0); }, [&] { runs.work(1); });

  check(guarded == 2, "not both have had it");
  check(!shared.locked(), "nobody has it, and it is locked");
});

const registered_model unlock_and_cancel(
    "Mutex", "UnlockAgainstCancel_HandsOverOrFrees", {.preemptions = 2, .stale_reads = 2}, [] {
      scheduler runs;
      mutex shared;
      int guarded = 0;
      outcome seen;
      lock_guard held = shared.try_lock();
      auto waiter = spawn(lock_once(shared, guarded, seen));

      run_threads([&] { runs.work(); },
                  [&] {
                    ++guarded;
                    held.unlock();
                  },
                  [&] { waiter.cancel(); });

      check(waiter.cancelled() || seen.how != end::none, "no end");
      check(guarded == (seen.how == end::value ? 2 : 1), "not in turn");
      check(!shared.locked(), "nobody has it, and it is locked");
    });

// The heir gives up just when it inherits: then the next in line does.
const registered_model cancel_of_first("Mutex", "UnlockAgainstCancelOfTheFirst_ServesTheSecond",
                                       {.preemptions = 2, .stale_reads = 1}, [] {
                                         scheduler runs;
                                         mutex shared;
                                         int guarded = 0;
                                         outcome of_first, of_second;
                                         lock_guard held = shared.try_lock();
                                         auto first = spawn(lock_once(shared, guarded, of_first));
                                         const auto second =
                                             spawn(lock_once(shared, guarded, of_second));

                                         run_threads([&] { runs.work(); }, [&] { held.unlock(); },
                                                     [&] { first.cancel(); });

                                         check(of_second.how == end::value,
                                               "the second has not got it");
                                         check(!shared.locked(), "nobody has it, and it is locked");
                                       });

}  // namespace
}  // namespace weft::model
