// One thread sleeps, others wake it: no wake-up is lost, kept twice, or touches a parker that is
// gone.

#include "../../runtime/detail/parker.h"
#include "checker/registry.h"

#include <chrono>
#include <memory>

namespace weft::model {
namespace {

using detail::parker;

std::chrono::steady_clock::time_point in_a_second() {
  return std::chrono::steady_clock::now() + std::chrono::seconds(1);
}

const registered_model wake("Parker", "UnparkAgainstPark_WakesItWithWhatWasWritten",
                            {.preemptions = 3}, [] {
                              parker place;
                              int written = 0;

                              run_threads(
                                  [&] {
                                    place.park();
                                    check(written == 1, "not what was written before");
                                  },
                                  [&] {
                                    written = 1;
                                    place.unpark();
                                  });
                            });

const registered_model wake_once("Parker", "UnparkAgainstTimeOut_IsTakenOnce", {.preemptions = 3},
                                 [] {
                                   parker place;
                                   int written = 0;

                                   run_threads(
                                       [&] {
                                         if (!place.park_until(in_a_second())) place.park();
                                         check(written == 1, "not what was written before");
                                         check(!place.park_until(in_a_second()), "kept twice");
                                       },
                                       [&] {
                                         written = 1;
                                         place.unpark();
                                       });
                                 });

const registered_model wake_by_two("Parker", "TwoUnparksAgainstPark_WakeItOnceOrTwice",
                                   {.preemptions = 3}, [] {
                                     parker place;
                                     const auto unpark = [&] { place.unpark(); };

                                     run_threads([&] { place.park(); }, unpark, unpark);
                                   });

// The one who is woken may be the last to need the parker.
const registered_model destroy("Parker", "UnparkAgainstItsOwner_TouchesNothingThatIsGone",
                               {.preemptions = 3}, [] {
                                 auto owned = std::make_unique<parker>();
                                 parker& place = *owned;

                                 run_threads(
                                     [&] {
                                       owned->park();
                                       owned.reset();
                                     },
                                     [&] { place.unpark(); });
                               });

}  // namespace
}  // namespace weft::model
