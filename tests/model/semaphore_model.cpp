// Permits on their way from who gives them back to who waits: none is lost or doubled, whoever
// cancels or closes meanwhile, and what one holder wrote is seen by the next.

#include "../../runtime/spawn.h"
#include "../../sync/semaphore.h"
#include "around/outcome.h"
#include "around/scheduler.h"
#include "checker/registry.h"

namespace weft::model {
namespace {

/// Takes permits, touches what they guard, and gives them back.
task<> hold_once(semaphore& from, std::ptrdiff_t count, int& guarded, outcome& into) {
  try {
    const permit held = co_await from.acquire(count);
    check(held.count() == count, "not the permits that were asked for");
    ++guarded;
    into.is(end::value);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

/// Takes a permit and keeps it.
task<> leave_with_permit(semaphore& from, outcome& into) {
  try {
    permit taken = co_await from.acquire();
    taken.forget();
    into.is(end::value);
  } catch (const invalid_state_error&) {
    into.is(end::closed);
  }
}

const registered_model handover("Semaphore", "OnePermitForTwo_GuardsWhatTheyShare",
                                {.preemptions = 2}, [] {
                                  scheduler runs(2);
                                  semaphore permits(1);
                                  int guarded = 0;
                                  outcome of_first, of_second;
                                  const auto first =
                                      spawn(hold_once(permits, 1, guarded, of_first));
                                  const auto second =
                                      spawn(hold_once(permits, 1, guarded, of_second));

                                  run_threads([&] { runs.work(0); }, [&] { runs.work(1); });

                                  check(guarded == 2, "not both have had it");
                                  check(permits.available() == 1, "a permit is lost or doubled");
                                });

const registered_model release_and_cancel(
    "Semaphore", "ReleaseAgainstCancel_LosesNoPermit", {.preemptions = 2, .stale_reads = 2}, [] {
      scheduler runs;
      semaphore permits(0);
      int guarded = 0;
      outcome seen;
      auto waiter = spawn(hold_once(permits, 1, guarded, seen));

      run_threads([&] { runs.work(); }, [&] { permits.release(); }, [&] { waiter.cancel(); });

      check(waiter.cancelled() || seen.how != end::none, "no end");
      check(permits.available() == 1, "a permit is lost or doubled");
    });

// The permit was on its way to the one that is cancelled: then it goes on to the next.
const registered_model release_and_cancel_of_first(
    "Semaphore", "ReleaseAgainstCancelOfTheFirst_ServesTheSecond",
    {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs;
      semaphore permits(0);
      int guarded = 0;
      outcome of_first, of_second;
      auto first = spawn(hold_once(permits, 1, guarded, of_first));
      const auto second = spawn(hold_once(permits, 1, guarded, of_second));

      run_threads([&] { runs.work(); }, [&] { permits.release(); }, [&] { first.cancel(); });

      check(of_second.how == end::value, "the second has got nothing");
      check(permits.available() == 1, "a permit is lost or doubled");
    });

// Whoever waits for much holds up those behind it, until it gives up.
const registered_model cancel_of_wide("Semaphore", "CancelOfAWideWish_LetsTheNextIn",
                                      {.preemptions = 2, .stale_reads = 1}, [] {
                                        scheduler runs(2);
                                        semaphore permits(1);
                                        int guarded = 0;
                                        outcome of_wide, of_narrow;
                                        auto wide = spawn(hold_once(permits, 2, guarded, of_wide));
                                        const auto narrow =
                                            spawn(hold_once(permits, 1, guarded, of_narrow));

                                        run_threads([&] { runs.work(0); }, [&] { runs.work(1); },
                                                    [&] { wide.cancel(); });

                                        check(of_wide.how != end::value, "there are not so many");
                                        check(of_narrow.how == end::value, "held up for ever");
                                        check(permits.available() == 1, "a permit is lost");
                                      });

// One permit for two: who does not get it is told.
const registered_model close_and_release(
    "Semaphore", "CloseAgainstRelease_EndsBothWaits", {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs;
      semaphore permits(0);
      outcome of_first, of_second;
      const auto first = spawn(leave_with_permit(permits, of_first));
      const auto second = spawn(leave_with_permit(permits, of_second));

      run_threads([&] { runs.work(); }, [&] { permits.release(); }, [&] { permits.close(); });

      const int served = (of_first.how == end::value) + (of_second.how == end::value);
      const int told = (of_first.how == end::closed) + (of_second.how == end::closed);
      check(served + told == 2, "no end");
      check(permits.available() == 1 - served, "a permit is lost or doubled");
    });

}  // namespace
}  // namespace weft::model
