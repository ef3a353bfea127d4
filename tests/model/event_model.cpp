// An event: whoever it lets pass sees what happened before, and may destroy it.

#include "../../runtime/spawn.h"
#include "../../sync/event.h"
#include "around/outcome.h"
#include "around/scheduler.h"
#include "checker/registry.h"

#include <memory>

namespace weft::model {
namespace {

task<> pass(std::unique_ptr<event> gate, int& written, outcome& into) {
  try {
    co_await gate->wait();
    check(written == 1, "not what was written before");
    into.is(end::value);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

const registered_model set_and_wait("Event", "SetAgainstWait_LetsItsOwnerPass", {.preemptions = 3},
                                    [] {
                                      scheduler runs;
                                      int written = 0;
                                      outcome seen;
                                      auto owned = std::make_unique<event>();
                                      event& gate = *owned;
                                      const auto waiter =
                                          spawn(pass(std::move(owned), written, seen));

                                      run_threads([&] { runs.work(); },
                                                  [&] {
                                                    written = 1;
                                                    gate.set();
                                                  });

                                      check(seen.how == end::value, "it has not passed");
                                    });

task<> pass_named(event& gate, outcome& into) {
  try {
    co_await gate.wait();
    into.is(end::value);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

const registered_model set_and_cancel(
    "Event", "SetAgainstCancel_EndsTheWait", {.preemptions = 2, .stale_reads = 2}, [] {
      scheduler runs;
      event gate;
      outcome seen;
      auto waiter = spawn(pass_named(gate, seen));

      run_threads([&] { runs.work(); }, [&] { gate.set(); }, [&] { waiter.cancel(); });

      check(waiter.cancelled() || seen.how != end::none, "no end");
      check(gate.is_set() && !gate.has_waiters(), "not as set");
    });

}  // namespace
}  // namespace weft::model
