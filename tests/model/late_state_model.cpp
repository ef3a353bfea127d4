// The shared state that is made by the first who asks: made once, seen whole by all who ask, and
// closed if anybody closes it. Its plain fields are watched for races.

#include "../../sync/detail/late_state.h"
#include "checker/registry.h"

#include <memory>
#include <stdexcept>

namespace weft::model {
namespace {

struct watched_state {
  explicit watched_state(unsigned number) : value(number) {}
  void close() noexcept { closed.add(1); }
  unsigned value;
  tally closed;
};

using late_state = detail::late_state<watched_state>;

const registered_model asked_by_two("LateState", "TwoWhoAsk_GetTheSameState", {.preemptions = 3},
                                    [] {
                                      late_state late;
                                      unsigned made = 0;  // plain: one maker at a time
                                      const auto ask = [&] {
                                        const auto& state = late.get([&] {
                                          return std::make_shared<watched_state>(++made);
                                        });
                                        check(state->value == 1, "another state");
                                      };

                                      run_threads(ask, ask);

                                      check(made == 1, "made more than once");
                                    });

const registered_model closed_meanwhile(
    "LateState", "CloseAgainstWhoAsks_ReachesTheState", {.preemptions = 3}, [] {
      late_state late;
      const auto make = [] { return std::make_shared<watched_state>(1u); };

      run_threads([&] { (void)late.get(make); }, [&] { late.close(); });

      check(late.get(make)->closed.get() == 1, "the state is open, or closed twice");
    });

const registered_model maker_fails("LateState", "MakerThatFails_LeavesItsTraceToTheNext",
                                   {.preemptions = 3}, [] {
                                     late_state late;
                                     unsigned tried = 0;  // plain, as above
                                     const auto ask = [&] {
                                       try {
                                         (void)late.get([&] {
                                           if (++tried == 1) throw std::runtime_error("expected");
                                           return std::make_shared<watched_state>(1u);
                                         });
                                       } catch (const std::runtime_error&) {  // once
                                       }
                                     };

                                     run_threads(ask, ask);

                                     check(tried == 2, "the next one has not tried");
                                   });

}  // namespace
}  // namespace weft::model
