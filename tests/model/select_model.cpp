// Several waits of one task of which one commits: no permit and no item is taken by a loser.

#include "../../runtime/select.h"
#include "../../runtime/spawn.h"
#include "../../sync/channel.h"
#include "../../sync/semaphore.h"
#include "around/outcome.h"
#include "around/scheduler.h"
#include "around/signal.h"
#include "checker/registry.h"

namespace weft::model {
namespace {

struct two_sources {
  semaphore permits{0};
  channel<int> items{1};
};

/// Which arm has won; closed: the item.
task<> select_one(two_sources& from, outcome& into) {
  try {
    auto won = co_await select(from.permits.acquire(), from.items.recv());
    if (won.index() == 0) {
      std::get<0>(won).forget();
      into.is(end::value);
    } else {
      check(std::get<1>(won) == the_value, "not the item that was sent");
      into.is(end::closed);
    }
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

void expect_one_taken(two_sources& from, const outcome& seen) {
  check(from.permits.available() == (seen.how == end::value ? 0 : 1), "a permit is lost");
  check(from.items.size() == (seen.how == end::closed ? 0U : 1U), "an item is lost");
}

const registered_model two_leaves(
    "Select", "PermitAgainstItem_OneIsTaken", {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs;
      two_sources from;
      outcome seen;
      const auto chooser = spawn(select_one(from, seen));

      run_threads([&] { runs.work(); }, [&] { from.permits.release(); },
                  [&] { check(from.items.try_send(the_value), "there is room"); });

      check(seen.how != end::none, "no end");
      expect_one_taken(from, seen);
    });

const registered_model leaf_and_cancel(
    "Select", "PermitAgainstCancel_IsTakenOrLeft", {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs;
      two_sources from;
      outcome seen;
      auto chooser = spawn(select_one(from, seen));

      run_threads([&] { runs.work(); }, [&] { from.permits.release(); }, [&] { chooser.cancel(); });

      check(chooser.cancelled() || seen.how != end::none, "no end");
      check(from.permits.available() == (seen.how == end::value ? 0 : 1), "a permit is lost");
    });

// Two that meet in a channel without a buffer, each in a select of its own.
task<> select_send(channel<int>& into, semaphore& other, outcome& of_send) {
  auto won = co_await select(into.send(the_value), other.acquire());
  if (won.index() == 1) std::get<1>(won).forget();
  of_send.is(won.index() == 0 ? end::value : end::closed);
}
task<> select_recv(channel<int>& from, semaphore& other, outcome& of_recv) {
  auto won = co_await select(from.recv(), other.acquire());
  if (won.index() == 1) std::get<1>(won).forget();
  of_recv.is(won.index() == 0 ? end::value : end::closed);
}

const registered_model two_selects(
    "Select", "TwoThatMeet_BothOrNeither", {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs(2);
      channel<int> between(0);
      semaphore ways_out(0);
      outcome of_send, of_recv;
      const auto sender = spawn(select_send(between, ways_out, of_send));
      const auto receiver = spawn(select_recv(between, ways_out, of_recv));

      run_threads([&] { runs.work(0); }, [&] { runs.work(1); }, [&] { ways_out.release(2); });

      check(of_send.how == of_recv.how && of_send.how != end::none, "one has met nobody");
    });

// ---- Children

task<int> wait_for(signal& awaited) {
  const int value = co_await awaited.wait();
  co_return value;
}

task<> set_signal(signal& which) {
  which.set(the_value);
  co_return;
}

task<> select_child(signal& first, signal& second, outcome& into) {
  try {
    const auto won = co_await select(wait_for(first), wait_for(second));
    into.is(won.index() == 0 ? end::value : end::closed);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

// Woken on the other worker, one child ends there while the other ends here.
const registered_model two_children("Select", "ChildAgainstChild_OneWinsAndBothHaveEnded",
                                    {.preemptions = 2, .stale_reads = 1}, [] {
                                      scheduler runs(2);
                                      signal first, second;
                                      outcome seen;
                                      const auto chooser = spawn(select_child(first, second, seen));
                                      const auto waker = spawn(set_signal(first));

                                      run_threads([&] { runs.work(0); }, [&] { runs.work(1); },
                                                  [&] { second.set(the_value); });

                                      check(seen.how == end::value || seen.how == end::closed,
                                            "no end");
                                    });

const registered_model child_and_cancel(
    "Select", "ChildAgainstCancel_EndsAll", {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs(2);
      signal first, never;
      outcome seen;
      auto chooser = spawn(select_child(first, never, seen));
      const auto waker = spawn(set_signal(first));

      run_threads([&] { runs.work(0); }, [&] { runs.work(1); }, [&] { chooser.cancel(); });

      check(chooser.cancelled() || seen.how != end::none, "no end");
    });

// Both end elsewhere, while the parent still starts them.
const registered_model children_elsewhere(
    "Select", "EndOfChildrenAgainstStart_WakesOnce", {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs(2, placing::next_worker);
      signal first, second;
      outcome seen;
      first.set(the_value);
      second.set(the_value);
      const auto chooser = spawn(select_child(first, second, seen));

      run_threads([&] { runs.work(0); }, [&] { runs.work(1); });

      check(seen.how == end::value || seen.how == end::closed, "no end");
    });

// The last resort of a shutdown destroys the parent while a child ends elsewhere.
const registered_model destroyed("Select",
                                 "DestructionAgainstTheEndOfAChild_TouchesNothingThatIsGone",
                                 {.preemptions = 2, .stale_reads = 1}, [] {
                                   scheduler runs(2);
                                   signal first, never;
                                   outcome seen;
                                   const auto chooser = spawn(select_child(first, never, seen));
                                   const auto waker = spawn(set_signal(first));
                                   bool condemned = false;

                                   run_threads([&] { runs.work(0); }, [&] { runs.work(1); },
                                               [&] {
                                                 condemned = detail::condemn(*chooser.state());
                                                 never.set(the_value);
                                               });

                                   check(chooser.cancelled() == condemned,
                                         "it has not ended as it was told");
                                 });

}  // namespace
}  // namespace weft::model
