// The wait word of a task: whatever comes together, each suspension ends once, with one outcome; a
// request that was not delivered is still there; and nobody touches a task that is gone.

#include "../../runtime/detail/frame_pool.h"
#include "../../runtime/detail/interrupt_scope.h"
#include "../../runtime/detail/wait_node.h"
#include "../../runtime/spawn.h"
#include "around/expiry.h"
#include "around/outcome.h"
#include "around/scheduler.h"
#include "around/signal.h"
#include "checker/registry.h"

#include <string_view>

namespace weft::model {
namespace {

using detail::atomic;
using detail::interrupt_scope;

/// A request that did not end the wait stays pending; one that came too late is refused.
void expect_consistent(const outcome& seen, const detail::task_state& waiter, int requests) {
  check(detail::cancelling(waiter) == requests, "a request is not counted");
  const bool delivered = seen.how == end::cancelled;
  check(requests > 0 || !delivered, "cancelled by nobody");
  // One exception stands for all requests that were made before it.
  if (!delivered) {
    check(detail::request_pending(waiter) == (requests > 0), "a request is lost");
  } else if (requests == 1) {
    check(!detail::request_pending(waiter), "a request is delivered twice");
  }
}

// ---- Waking

const registered_model wake_once("Task", "WakeByAnotherThread_ResumesOnce", {.preemptions = 3}, [] {
  scheduler runs;
  signal awaited;
  outcome seen;
  const auto waiter = spawn(wait_once(awaited, seen));

  run_threads([&] { runs.work(); }, [&] { awaited.set(the_value); });

  check(seen.how == end::value, "no value");
});

task<> set_signal(signal& which) {
  which.set(the_value);
  co_return;
}

// Woken on the other worker it runs there at once, while await_suspend may still be on its way out.
const registered_model wake_on_worker("Task", "WakeByAnotherWorker_MovesTheTask",
                                      {.preemptions = 3}, [] {
                                        scheduler runs(2);
                                        signal awaited;
                                        outcome seen;
                                        const auto waiter = spawn(wait_once(awaited, seen));
                                        const auto waker = spawn(set_signal(awaited));

                                        run_threads([&] { runs.work(0); }, [&] { runs.work(1); });

                                        check(seen.how == end::value, "no value");
                                      });

task<> wait_twice(signal& first, signal& second, outcome& of_first, outcome& of_second) {
  co_await wait_once(first, of_first);
  co_await wait_once(second, of_second);
}

const registered_model wake_twice("Task", "TwoWaitsInARow_EachHasItsOwnWake", {.preemptions = 2},
                                  [] {
                                    scheduler runs(2);
                                    signal first, second;
                                    outcome of_first, of_second;
                                    const auto waiter =
                                        spawn(wait_twice(first, second, of_first, of_second));
                                    const auto waker = spawn(set_signal(first));

                                    run_threads([&] { runs.work(0); }, [&] { runs.work(1); },
                                                [&] { second.set(the_value); });

                                    check(of_first.how == end::value, "no first value");
                                    check(of_second.how == end::value, "no second value");
                                  });

// ---- Cancelling

const registered_model cancel_alone("Task", "Cancel_EndsTheWait", {.preemptions = 3}, [] {
  scheduler runs;
  signal never;
  outcome seen;
  auto waiter = spawn(wait_once(never, seen));
  bool accepted = false;

  run_threads([&] { runs.work(); }, [&] { accepted = waiter.cancel(); });

  check(accepted, "it cannot have ended before");
  // One that was cancelled before it began never runs.
  check(waiter.cancelled() ? seen.how == end::none : seen.how == end::cancelled, "not cancelled");
});

task<> write_and_wait(int& written, signal& never) {
  written = 1;
  co_await never.wait();
}

const registered_model cancel_and_look("Task", "WhoSeesItCancelled_SeesWhatItDid",
                                       {.preemptions = 2}, [] {
                                         scheduler runs;
                                         signal never;
                                         int written = 0;
                                         auto waiter = spawn(write_and_wait(written, never));

                                         run_threads([&] { runs.work(); }, [&] { waiter.cancel(); },
                                                     [&] {
                                                       if (!waiter.cancelled()) return;
                                                       // 0: it was cancelled before it began.
                                                       check(written <= 1, "not what was written");
                                                     });
                                       });

void cancel_against_wake(unsigned cancellers) {
  scheduler runs;
  signal awaited;
  outcome seen;
  auto waiter = spawn(wait_once(awaited, seen));
  tally accepted;
  const auto cancel = [&] { accepted.add(waiter.cancel() ? 1 : 0); };
  const auto set = [&] { awaited.set(the_value); };

  if (cancellers == 1) {
    run_threads([&] { runs.work(); }, set, cancel);
  } else {
    run_threads([&] { runs.work(); }, set, cancel, cancel);
  }

  check(awaited.is_set(), "the value is gone");
  if (waiter.cancelled()) {
    check(seen.how == end::none, "it has run");
    return;
  }
  check(seen.how != end::none, "it has not run");
  expect_consistent(seen, *waiter.state(), accepted.get());
}

const registered_model cancel_and_wake("Task", "CancelAgainstWake_OneOfThemEndsTheWait",
                                       {.preemptions = 3}, [] { cancel_against_wake(1); });
const registered_model cancels_and_wake("Task", "TwoCancelsAgainstWake_OneOfThemEndsTheWait",
                                        {.preemptions = 2, .stale_reads = 2},
                                        [] { cancel_against_wake(2); });

task<> wait_until_cancelled(signal& first, signal& never, outcome& of_first, outcome& of_second) {
  co_await wait_once(first, of_first);
  if (of_first.how == end::value) co_await wait_once(never, of_second);
}

const registered_model cancel_second_wait(
    "Task", "RequestThatCameTooLate_EndsTheNextWait", {.preemptions = 3}, [] {
      scheduler runs;
      signal first, never;
      outcome of_first, of_second;
      auto waiter = spawn(wait_until_cancelled(first, never, of_first, of_second));

      run_threads([&] { runs.work(); }, [&] { first.set(the_value); }, [&] { waiter.cancel(); });

      if (waiter.cancelled()) return;  // before it began
      check((of_first.how == end::cancelled) != (of_second.how == end::cancelled),
            "not cancelled once");
    });

// A canceller that saw the task wait may come back to a task that has ended and has no owner.
const registered_model cancel_and_drop("Task", "CancelAgainstEnd_TouchesNothingThatIsGone",
                                       {.preemptions = 3}, [] {
                                         scheduler runs;
                                         signal awaited;
                                         outcome seen;
                                         auto waiter = spawn(wait_once(awaited, seen));

                                         run_threads([&] { runs.work(); },
                                                     [&] { awaited.set(the_value); },
                                                     [&] {
                                                       waiter.cancel();
                                                       waiter.detach();
                                                     });
                                       });

// ---- Taking requests back

task<> cancel_and_take_back(detail::task_state& waiter) {
  detail::cancel(waiter);
  detail::uncancel(waiter);
  co_return;
}

// Delivered or withdrawn, but not half of each.
const registered_model take_back(
    "Task", "UncancelAgainstTheWait_LeavesNoRequest", {.preemptions = 2}, [] {
      scheduler runs(2);
      signal awaited;
      outcome seen;
      const auto waiter = spawn(wait_once(awaited, seen));
      const auto other = spawn(cancel_and_take_back(*waiter.state()));

      run_threads([&] { runs.work(0); }, [&] { runs.work(1); }, [&] { awaited.set(the_value); });

      check(detail::cancelling(*waiter.state()) == 0, "still counted");
      check(!detail::request_pending(*waiter.state()), "a request is left");
      check(waiter.cancelled() || seen.how != end::none, "no end");
    });

task<> wait_masked(signal& first, signal& never, outcome& of_first, outcome& of_second) {
  detail::mask_requests(*detail::here.task);
  co_await wait_once(first, of_first);
  detail::unmask_requests(*detail::here.task);
  co_await wait_once(never, of_second);
}

const registered_model cancel_masked(
    "Task", "CancelOfAMaskedWait_ComesAfterIt", {.preemptions = 2}, [] {
      scheduler runs;
      signal first, never;
      outcome of_first, of_second;
      auto waiter = spawn(wait_masked(first, never, of_first, of_second));

      run_threads([&] { runs.work(); }, [&] { first.set(the_value); }, [&] { waiter.cancel(); });

      if (waiter.cancelled()) return;  // before it began
      check(of_first.how == end::value, "the mask was not heeded");
      check(of_second.how == end::cancelled, "not cancelled");
    });

// ---- Scopes that expire

task<> wait_in_scope(expiry& limit, signal& inside, signal& after, outcome& of_inside,
                     outcome& of_after) {
  detail::enter_scope(limit.scope);
  co_await wait_once(inside, of_inside);
  limit.wait_until_over();
  detail::leave_scope(limit.scope);
  co_await wait_once(after, of_after);
}

const registered_model expiry_alone(
    "Task", "Expiry_EndsTheWaitInsideTheScopeOnly", {.preemptions = 3}, [] {
      scheduler runs;
      interrupt_scope scope;
      expiry limit{scope};
      signal never, after;
      outcome of_inside, of_after;
      const auto waiter = spawn(wait_in_scope(limit, never, after, of_inside, of_after));

      run_threads([&] { runs.work(); }, [&] { limit.fire(*waiter.state()); },
                  [&] { after.set(the_value); });

      check(of_inside.how == end::timed_out, "no time-out");
      check(of_after.how == end::value, "a time-out of the past");
    });

const registered_model expiry_and_wake(
    "Task", "ExpiryAgainstWake_OneOfThemEndsTheWait", {.preemptions = 3}, [] {
      scheduler runs;
      interrupt_scope scope;
      expiry limit{scope};
      signal inside, after;
      outcome of_inside, of_after;
      after.set(the_value);
      const auto waiter = spawn(wait_in_scope(limit, inside, after, of_inside, of_after));

      run_threads([&] { runs.work(); }, [&] { limit.fire(*waiter.state()); },
                  [&] { inside.set(the_value); });

      check(of_inside.how == end::value || of_inside.how == end::timed_out, "no end");
      check(of_after.how == end::value, "a time-out of the past");
      check(inside.is_set(), "the value is gone");
    });

const registered_model expiry_and_cancel(
    "Task", "ExpiryAgainstCancel_DeliversTheCancellation", {.preemptions = 2}, [] {
      scheduler runs;
      interrupt_scope scope;
      expiry limit{scope};
      signal never, after;
      outcome of_inside, of_after;
      after.set(the_value);
      auto waiter = spawn(wait_in_scope(limit, never, after, of_inside, of_after));
      bool accepted = false;

      run_threads([&] { runs.work(); }, [&] { limit.fire(*waiter.state()); },
                  [&] { accepted = waiter.cancel(); });

      if (waiter.cancelled()) return;  // before it began
      check(of_inside.how == end::cancelled || of_inside.how == end::timed_out, "no end");
      check(of_after.how != end::timed_out, "a time-out of the past");
      const int delivered = (of_inside.how == end::cancelled) + (of_after.how == end::cancelled);
      check(delivered + detail::request_pending(*waiter.state()) == (accepted ? 1 : 0),
            "a request is lost or delivered twice");
    });

task<> wait_shielded(expiry& limit, signal& inside, signal& never, outcome& of_inside,
                     outcome& of_never) {
  detail::enter_scope(limit.scope);
  interrupt_scope quiet;
  quiet.shields = true;
  detail::enter_scope(quiet);
  co_await wait_once(inside, of_inside);
  detail::leave_scope(quiet);
  co_await wait_once(never, of_never);
  limit.wait_until_over();
  detail::leave_scope(limit.scope);
}

const registered_model expiry_shielded(
    "Task", "ExpiryOutsideOfAShield_ComesAfterIt", {.preemptions = 2}, [] {
      scheduler runs;
      interrupt_scope scope;
      expiry limit{scope};
      signal inside, never;
      outcome of_inside, of_never;
      const auto waiter = spawn(wait_shielded(limit, inside, never, of_inside, of_never));

      run_threads([&] { runs.work(); }, [&] { limit.fire(*waiter.state()); },
                  [&] { inside.set(the_value); });

      check(of_inside.how == end::value, "the shield was not heeded");
      check(of_never.how == end::timed_out, "no time-out");
    });

task<> leave_one_of_two(expiry& inner, expiry& outer, signal& never, outcome& of_inner,
                        outcome& of_outer) {
  detail::enter_scope(outer.scope);
  detail::enter_scope(inner.scope);
  co_await wait_once(never, of_inner);
  inner.wait_until_over();
  detail::leave_scope(inner.scope);
  co_await wait_once(never, of_outer);
  outer.wait_until_over();
  detail::leave_scope(outer.scope);
}

// The level that the task takes away with its inner scope may be that of the outer one.
const registered_model expiry_while_left(
    "Task", "ExpiryWhileAnInnerScopeIsLeft_EndsTheNextWait", {.preemptions = 2, .stale_reads = 1},
    [] {
      scheduler runs;
      interrupt_scope of_inner, of_outer;
      expiry inner{of_inner}, outer{of_outer};
      signal never;
      outcome first, second;
      const auto waiter = spawn(leave_one_of_two(inner, outer, never, first, second));

      run_threads([&] { runs.work(); }, [&] { inner.fire(*waiter.state()); },
                  [&] { outer.fire(*waiter.state()); });

      check(first.how == end::timed_out, "no time-out");
      check(second.how == end::timed_out, "a time-out is lost");
    });

task<> wait_with_request(expiry& limit, signal& never, outcome& of_inside) {
  interrupt_scope shield;
  shield.shields = true;
  detail::enter_scope(shield);
  detail::cancel(*detail::here.task);  // waits behind the shield
  detail::enter_scope(limit.scope);
  co_await wait_once(never, of_inside);
  limit.wait_until_over();
  detail::leave_scope(limit.scope);
  detail::leave_scope(shield);
}

// The task looks closer because of a request that it must not heed, and then the level comes.
const registered_model expiry_with_request(
    "Task", "ExpiryWhileARequestWaits_EndsTheWait", {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs;
      interrupt_scope scope;
      expiry limit{scope};
      signal never;
      outcome of_inside;
      const auto waiter = spawn(wait_with_request(limit, never, of_inside));

      run_threads([&] { runs.work(); }, [&] { limit.fire(*waiter.state()); });

      check(of_inside.how == end::timed_out, "no time-out");
      check(detail::request_pending(*waiter.state()), "the request is lost");
    });

task<> look_in_expired_scope(const int& written, outcome& of_look) {
  interrupt_scope scope;
  expiry limit{scope};
  detail::enter_scope(scope);
  limit.fire(*detail::here.task);
  try {
    this_task::check_cancelled();
  } catch (const timeout_error&) {
    of_look.is(end::timed_out);
  } catch (const cancelled_error&) {
    check(written == 1, "not what was written before the cancel");
    of_look.is(end::cancelled);
  }
  detail::leave_scope(scope);
  co_return;
}

// It comes for the time-out, and meets a request.
const registered_model look_and_cancel("Task", "CancelWhileItLooks_ShowsWhatWasWritten",
                                       {.preemptions = 2, .stale_reads = 1}, [] {
                                         scheduler runs;
                                         int written = 0;
                                         outcome of_look;
                                         auto looker =
                                             spawn(look_in_expired_scope(written, of_look));

                                         run_threads([&] { runs.work(); },
                                                     [&] {
                                                       written = 1;
                                                       looker.cancel();
                                                     });

                                         check(looker.cancelled() || of_look.how != end::none,
                                               "nothing was raised");
                                       });

// ---- Visitors

void visit(const detail::task_state& waiter) {
  const char* const what = detail::waits_for(const_cast<detail::task_state&>(waiter));
  check(what == nullptr || std::string_view(what) == "a signal", "waits for something else");
}

const registered_model visit_and_wake("Task", "VisitAgainstWake_LosesNothing", {.preemptions = 3},
                                      [] {
                                        scheduler runs;
                                        signal awaited;
                                        outcome seen;
                                        const auto waiter = spawn(wait_once(awaited, seen));

                                        run_threads([&] { runs.work(); },
                                                    [&] { awaited.set(the_value); },
                                                    [&] { visit(*waiter.state()); });

                                        check(seen.how == end::value, "no value");
                                      });

const registered_model visit_and_cancel(
    "Task", "VisitAgainstCancel_LosesNothing", {.preemptions = 3}, [] {
      scheduler runs;
      signal never;
      outcome seen;
      auto waiter = spawn(wait_once(never, seen));

      run_threads([&] { runs.work(); }, [&] { check(waiter.cancel(), "it has not ended"); },
                  [&] { visit(*waiter.state()); });

      check(waiter.cancelled() || seen.how == end::cancelled, "not cancelled");
    });

const registered_model condemn_and_wake(
    "Task", "LastResortAgainstWake_OneOfThemEndsTheTask", {.preemptions = 3}, [] {
      scheduler runs;
      signal awaited;
      outcome seen;
      const auto waiter = spawn(wait_once(awaited, seen));
      bool condemned = false;

      run_threads([&] { runs.work(); }, [&] { awaited.set(the_value); },
                  [&] { condemned = detail::condemn(*waiter.state()); });

      check(waiter.cancelled() == condemned, "it has not ended as it was told");
      check(seen.how == (condemned ? end::none : end::value), "it went on");
    });

task<> write(int& into) {
  into = 1;
  co_return;
}

// A walker that finds a task no more has seen what it did.
const registered_model walk_and_end("Task", "WalkAgainstEnd_SeesWhatItDid", {.preemptions = 3}, [] {
  scheduler runs;
  int written = 0;
  const auto writer = spawn(write(written));

  run_threads([&] { runs.work(); },
              [&] {
                if (detail::try_pin(*writer.state(), 0)) {
                  detail::drop_handle(*writer.state());
                } else {
                  check(written == 1, "not what was written");
                }
              });
});

void look_for_task(void* found, detail::task_state& header) {
  if (!detail::try_pin(header, 0)) return;
  *static_cast<bool*>(found) = true;
  detail::drop_handle(header);
}

// ... also if it had to wait for somebody who looks at the waiters.
const registered_model walk_and_lock(
    "Task", "WalkAgainstEndAndWaiter_SeesWhatItDid", {.preemptions = 2}, [] {
      scheduler runs;
      int written = 0;
      const auto writer = spawn(write(written));
      detail::completion_waiter other;

      run_threads(
          [&] { runs.work(); },
          [&] { check(!detail::remove_waiter(*writer.state(), other), "it was not there"); },
          [&] {
            if (detail::try_pin(*writer.state(), 0)) {
              detail::drop_handle(*writer.state());
            } else {
              check(written == 1, "not what was written");
            }
          });
    });

// ... also if nobody else holds it, and its block is free.
const registered_model walk_and_free(
    "Task", "WalkAgainstEndOfADetachedTask_SeesWhatItDid", {.preemptions = 3}, [] {
      scheduler runs;
      int written = 0;
      spawn(write(written)).detach();

      run_threads([&] { runs.work(); },
                  [&] {
                    bool found = false;
                    detail::frame_pool::for_each_block(look_for_task, &found);
                    check(found || written == 1, "not what was written");
                  });
    });

/// A block for task headers, and the word of a task in it.
struct header_block {
  detail::task_state state{};
  static constexpr detail::task_type first{}, second{};

  std::uint32_t begin(const detail::task_type& type) noexcept {
    detail::init_task(state, type, 0, std::coroutine_handle<>(), 0, 0);
    return state.life.load(std::memory_order_relaxed);
  }
  /// Not if somebody has pinned it.
  bool end(std::uint32_t word) noexcept {
    // acq_rel: as a task that ends.
    return state.life.compare_exchange_strong(word, 0, std::memory_order_acq_rel,
                                              std::memory_order_relaxed);
  }
};

// Between the look of a walker and its pin another task gets the block, with the same word.
const registered_model walk_and_reuse("Task", "PinOfTheNextTaskInABlock_SeesItsHeader",
                                      {.preemptions = 3}, [] {
                                        header_block block;
                                        const std::uint32_t word = block.begin(block.first);

                                        run_threads(
                                            [&] {
                                              if (block.end(word)) (void)block.begin(block.second);
                                            },
                                            [&] {
                                              if (!detail::try_pin(block.state, 0)) return;
                                              const detail::task_type* type = block.state.type;
                                              check(type == &block.first || type == &block.second,
                                                    "the header of no task");
                                            });
                                      });

// ---- What few tasks have

struct counted_hook final : detail::stop_hook {
  explicit counted_hook(tally& told) : asked(told) {}
  void request_stop() noexcept override { asked.add(1); }
  tally& asked;
};

task<> change_hooks(tally& asked, bool& told, const int& written) {
  detail::task_state& self = *detail::here.task;
  (void)detail::set_stop_hook(self, new counted_hook(asked));
  told = detail::set_stop_hook(self, new counted_hook(asked));
  check(!told || written == 1, "not what was written before the cancel");
  co_return;
}

// Either the canceller tells a hook, or the task sees the request once its hook is in place.
const registered_model stop_hooks("Task", "CancelAgainstNewStopHook_ReachesOneOfThem",
                                  {.preemptions = 3}, [] {
                                    scheduler runs;
                                    tally asked;
                                    bool told = false;
                                    int written = 0;
                                    auto waiter = spawn(change_hooks(asked, told, written));
                                    bool accepted = false;

                                    run_threads([&] { runs.work(); },
                                                [&] {
                                                  written = 1;
                                                  accepted = waiter.cancel();
                                                });

                                    if (waiter.cancelled()) return;  // before it began
                                    check(!accepted || told || asked.get() == 1, "nobody was told");
                                  });

const registered_model ids("Task", "TwoWhoAskForItsId_GetTheSame", {.preemptions = 3}, [] {
  scheduler runs;
  signal awaited;
  outcome seen;
  const auto waiter = spawn(wait_once(awaited, seen));
  task_id first = 0, second = 0;

  run_threads([&] { first = waiter.id(); }, [&] { second = waiter.id(); });
  awaited.set(the_value);
  runs.work();

  check(first != 0 && first == second, "another id");
});

}  // namespace
}  // namespace weft::model
