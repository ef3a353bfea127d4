// The end of a task against those who wait for it, look for it, cancel it and let it go.

#include "../../runtime/detail/handle_observer.h"
#include "../../runtime/shield.h"
#include "../../runtime/spawn.h"
#include "around/outcome.h"
#include "around/scheduler.h"
#include "around/signal.h"
#include "checker/registry.h"

#include <stdexcept>
#include <vector>

namespace weft::model {
namespace {

task<int> give_value() {
  co_return the_value;
}

task<int> fail() {
  throw std::runtime_error("expected");
  co_return 0;
}

template <class Awaited>
task<> join(Awaited awaited, outcome& into) {
  try {
    const int value = co_await std::move(awaited);
    check(value == the_value, "not the value of the child");
    into.is(end::value);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

// ---- Awaiting

// Two workers: the child ends on one while the parent suspends on the other.
const registered_model await_end("Join", "AwaitAgainstEnd_GivesTheValue", {.preemptions = 3}, [] {
  scheduler runs(2);
  outcome seen;
  auto child = spawn(give_value());
  const auto parent = spawn(join(std::move(child), seen));

  run_threads([&] { runs.work(0); }, [&] { runs.work(1); });

  check(seen.how == end::value, "no value");
  check(runs.unretrieved() == 0, "a failure that nobody has seen");
});

task<int> wait_for(signal& awaited) {
  co_return co_await awaited.wait();
}

// The request goes on to the child; who gets there first, the value or the request, decides for both.
const registered_model cancel_await(
    "Join", "CancelOfAnAwait_EndsBothOrNeither", {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs(2);
      signal awaited;
      outcome seen;
      auto child = spawn(wait_for(awaited));
      detail::add_handle(*child.state());
      const join_handle<int> observed(*child.state());
      auto parent = spawn(join(std::move(child), seen));
      bool accepted = false;

      run_threads([&] { runs.work(0); }, [&] { runs.work(1); }, [&] { accepted = parent.cancel(); },
                  [&] { awaited.set(the_value); });

      if (parent.cancelled()) return;  // before it began
      check(seen.how == (observed.cancelled() ? end::cancelled : end::value), "not as the child");
      check(accepted || seen.how == end::value, "cancelled by nobody");
      check(detail::request_pending(*parent.state()) == (accepted && seen.how == end::value),
            "a request is lost, or delivered twice");
    });

// ---- Letting go

const registered_model drop_and_end("Join", "DropAgainstEnd_ReportsAFailureOnce",
                                    {.preemptions = 3}, [] {
                                      scheduler runs;
                                      auto child = spawn(fail());

                                      run_threads([&] { runs.work(); }, [&] { child.detach(); });

                                      check(runs.unretrieved() == 1, "not reported once");
                                    });

const registered_model look_and_end("Join", "LookAgainstEnd_ReportsWhatWasNotSeen",
                                    {.preemptions = 3}, [] {
                                      scheduler runs;
                                      auto child = spawn(fail());
                                      bool seen = false;

                                      run_threads([&] { runs.work(); },
                                                  [&] {
                                                    if (child.done()) {
                                                      seen = child.exception() != nullptr;
                                                      check(seen, "it has not failed");
                                                    }
                                                    child.detach();
                                                  });

                                      check(runs.unretrieved() == (seen ? 0 : 1), "wrong report");
                                    });

// Two owners and the end: one of the three frees the block, after the others.
const registered_model two_drops("Join", "TwoDropsAgainstEnd_FreeItOnce", {.preemptions = 3}, [] {
  scheduler runs;
  auto child = spawn(fail());
  detail::add_handle(*child.state());
  join_handle<int> second(*child.state());

  run_threads([&] { runs.work(); }, [&] { child.detach(); }, [&] { second.detach(); });

  check(runs.unretrieved() == 1, "not reported once");
});

// ---- Callbacks and observers

const registered_model callbacks_and_end(
    "Join", "CallbacksAgainstEnd_RunOnceEachInOrder", {.preemptions = 3}, [] {
      scheduler runs;
      std::vector<int> called;
      auto child = spawn(give_value());

      run_threads([&] { runs.work(); },
                  [&] {
                    child.add_done_callback([&called] { called.push_back(1); });
                    child.add_done_callback([&called] { called.push_back(2); });
                  });
      if (called.size() < 2) runs.work();  // came too late

      check(called == std::vector{1, 2}, "not once, in order");
    });

const registered_model thread_and_end(
    "Join", "ThreadThatWaits_SeesTheValue", {.preemptions = 3}, [] {
      scheduler runs;
      auto child = spawn(give_value());

      run_threads([&] { runs.work(); }, [&] { check(child.get() == the_value, "not the value"); });
    });

task<> join_shielded(join_handle<int>& child, outcome& into) {
  try {
    const int value = co_await shield(child);
    check(value == the_value, "not the value of the child");
    into.is(end::value);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

const registered_model cancel_shielded(
    "Join", "CancelOfAShieldedAwait_LeavesTheChild", {.preemptions = 2}, [] {
      scheduler runs(2);
      outcome seen;
      auto child = spawn(give_value());
      auto parent = spawn(join_shielded(child, seen));
      bool accepted = false;

      run_threads([&] { runs.work(0); }, [&] { runs.work(1); },
                  [&] { accepted = parent.cancel(); });

      check(child.result() == the_value, "the child was cancelled");
      if (parent.cancelled()) return;  // before it began
      check(seen.how != end::none, "no end");
      check(accepted || seen.how == end::value, "cancelled by nobody");
      check(detail::request_pending(*parent.state()) == (accepted && seen.how == end::value),
            "a request is lost, or delivered twice");
    });

// An observer may be taken back at any time; afterwards nobody touches it.
struct observer_owner {
  int told = 0;  // plain: stop() orders it
};

const registered_model observer_and_end(
    "Join", "ObserverTakenBackAgainstEnd_IsNotTouchedAgain", {.preemptions = 3}, [] {
      scheduler runs;
      observer_owner owner;
      auto child = spawn(give_value());

      run_threads([&] { runs.work(); },
                  [&] {
                    detail::handle_observer observer(child.state());
                    observer.start(&owner, [](detail::completion_waiter& self,
                                              detail::task_state& task) noexcept {
                      auto& seen = static_cast<detail::handle_observer&>(self);
                      check(detail::done(task), "told before the end");
                      ++static_cast<observer_owner*>(seen.owner)->told;
                      seen.end_call();
                    });
                    observer.stop();
                    check(owner.told <= 1, "told twice");
                    owner.told = 0;
                  });
    });

}  // namespace
}  // namespace weft::model
