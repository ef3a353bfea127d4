#include "cancelled_task.h"
#include "runtimes.h"
#include <weft/runtime/cancel.h>
#include <weft/runtime/gather.h>
#include <weft/runtime/shield.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/event.h>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

class WaitFor : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, WaitFor, every_kind(), name_of);
class Timeout : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Timeout, every_kind(), name_of);
class Deadline : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Deadline, every_kind(), name_of);

constexpr auto wake_at = &weft::sleep_until;

task<> wait_on(event& gate) {
  co_await gate.wait();
}
task<int> value_after(clock::duration d) {
  co_await sleep(d);
  co_return 7;
}
task<int> swallow_and_return(event& never) {
  try {
    co_await never.wait();
  } catch (const cancelled_error&) {  // swallowed on purpose
  }
  co_return 7;
}
task<> sleep_an_hour() {
  co_await sleep(1h);
}

// ---- wait_for -----------------------------------------------------------------------------------

TEST_P(WaitFor, Value_InTimeIsGiven) {
  run([]() -> task<> {
    const int got = co_await wait_for(value_after(100us), 1h);

    EXPECT_EQ(got, 7);
    EXPECT_EQ(take_ledger().timers, 0);  // disarmed
  });
}

TEST_P(WaitFor, Failure_InTimeIsRethrown) {
  run([]() -> task<> {
    const auto fail = []() -> task<> {
      co_await yield();
      throw std::runtime_error("own");
    };

    const auto ended = co_await catch_all(wait_for(fail(), 1h));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
    EXPECT_FALSE(ended.threw<timeout_error>());
  });
}

TEST(WaitForInTime, Expiry_CancelsTheInnerWait) {
  test_runtime rt;
  event never;

  rt.run([&]() -> task<> {
    const auto ended = co_await catch_all(wait_for(never.wait(), 50ms));
    EXPECT_TRUE(ended.threw<timeout_error>());
  });

  EXPECT_EQ(rt.clock().elapsed(), 50ms);  // exactly: nobody slept
  EXPECT_FALSE(never.has_waiters());
}

TEST(WaitForInTime, Limit_CountsFromTheAwait) {
  test_runtime rt;
  event never;

  const auto ended = rt.run([&]() -> task<outcome<void>> {
    auto limited = wait_for(never.wait(), 50ms);
    co_await sleep(1h);
    co_return co_await catch_all(std::move(limited));
  });

  EXPECT_TRUE(ended.threw<timeout_error>());
  EXPECT_EQ(rt.clock().elapsed(), 1h + 50ms);
}

TEST(WaitForInTime, LimitMadeOutsideOfTheRuntime_CountsOnItsClock) {
  test_runtime rt;
  event never;

  const auto ended = rt.run(catch_all(wait_for(never.wait(), 50ms)));

  EXPECT_TRUE(ended.threw<timeout_error>());
  EXPECT_EQ(rt.clock().elapsed(), 50ms);
}

TEST_P(WaitFor, Expiry_NeverComesEarly) {
  run([]() -> task<> {
    const auto begin = now();

    const auto ended = co_await catch_all(wait_for(sleep_an_hour(), 1ms));

    EXPECT_TRUE(ended.threw<timeout_error>());
    EXPECT_GE(now() - begin, 1ms);
  });
}

TEST(WaitForInTime, Expiry_WaitsForTheCleanUpOfTheInner) {
  test_runtime rt;
  bool cleaned = false;

  rt.run([&]() -> task<> {
    const auto cleanup = [&]() -> task<> {
      co_await sleep(30ms);
      cleaned = true;
    };
    const auto ended = co_await catch_all(wait_for(try_finally(sleep_an_hour, cleanup), 10ms));
    EXPECT_TRUE(ended.threw<timeout_error>());
  });

  EXPECT_TRUE(cleaned);
  EXPECT_EQ(rt.clock().elapsed(), 40ms);
}

TEST_P(WaitFor, CleanUpOfTheInner_HasEndedWhenTheTimeOutIsThrown) {
  run([]() -> task<> {
    bool cleaned = false;
    const auto cleanup = [&]() -> task<> {
      for (int i = 0; i < 50; ++i) co_await yield();
      cleaned = true;
    };

    const auto ended = co_await catch_all(wait_for(try_finally(sleep_an_hour, cleanup), 100us));

    EXPECT_TRUE(ended.threw<timeout_error>());
    EXPECT_TRUE(cleaned);
  });
}

TEST_P(WaitFor, FailureOfTheCleanUp_ComesOutInsteadOfTheTimeOut) {
  run([]() -> task<> {
    const auto fail = []() -> task<> {
      throw std::logic_error("clean-up");
      co_return;
    };

    const auto ended = co_await catch_all(wait_for(try_finally(sleep_an_hour, fail), 100us));

    EXPECT_TRUE(ended.threw<std::logic_error>());
  });
}

TEST_P(WaitFor, ValueInSpiteOfTheCancellation_IsGiven) {
  run([]() -> task<> {
    event never;

    const int got = co_await wait_for(swallow_and_return(never), 100us);

    EXPECT_EQ(got, 7);
    EXPECT_EQ(this_task::cancelling(), 0);
  });
}

TEST_P(WaitFor, EndlessLimit_IsAPlainAwait) {
  run([]() -> task<> {
    const int of_clock = co_await wait_for(value_after(100us), clock::duration::max());
    const int of_hours = co_await wait_for(value_after(100us), std::chrono::hours::max());

    EXPECT_EQ(of_clock, 7);
    EXPECT_EQ(of_hours, 7);
  });
}

TEST(WaitForInTime, ResultAndExpiryInEitherOrder_AreDecidedOnce) {
  for (const bool limit_first : {false, true}) {
    test_runtime rt;
    rt.run([&]() -> task<> {
      event gate;
      auto opening = spawn([&]() -> task<> {
        co_await sleep(limit_first ? 10ms + 1ns : 10ms);
        gate.set();
      });
      co_await yield();

      const auto ended = co_await catch_all(wait_for(gate.wait(), 10ms));

      EXPECT_TRUE(ended.threw<timeout_error>() || (ended.ok() && !limit_first));
      EXPECT_EQ(this_task::cancelling(), 0);
      co_await yield();  // nothing is left that could interrupt
      co_await opening;
    });
  }
}

TEST_P(WaitFor, LimitOfZero_NeverStartsATask) {
  run([]() -> task<> {
    bool ran = false;
    const auto note = [&]() -> task<> {
      ran = true;
      co_return;
    };

    const auto at_zero = co_await catch_all(wait_for(note(), 0s));
    const auto below = co_await catch_all(wait_for(note(), -1s));

    EXPECT_TRUE(at_zero.threw<timeout_error>());
    EXPECT_TRUE(below.threw<timeout_error>());
    EXPECT_FALSE(ran);
  });
}

TEST_P(WaitFor, LimitOfZero_GivesWhatIsThere) {
  run([]() -> task<> {
    auto finished = spawn(value_after(0s));
    (void)co_await finished;

    const int got = co_await wait_for(finished, 0s);

    EXPECT_EQ(got, 7);
  });
}

TEST_P(WaitFor, LimitOfZero_CancelsAndAwaitsARunningTask) {
  run([]() -> task<> {
    event never;
    auto running = co_await spawn_waiting(wait_on, std::ref(never));

    bool timed_out = false;
    try {
      co_await wait_for(running, 0s);
    } catch (const timeout_error&) {
      timed_out = true;
    }

    EXPECT_TRUE(timed_out);
    EXPECT_TRUE(running.cancelled());
  });
}

TEST_P(WaitFor, CancelledCaller_CancelsTheInnerAndWaitsForIt) {
  run([]() -> task<> {
    event never;
    auto inner = co_await spawn_waiting(wait_on, std::ref(never));
    auto outer = co_await spawn_waiting([&]() -> task<> { co_await wait_for(inner, 1h); });

    outer.cancel();
    const ending how = co_await ending_of(outer);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_TRUE(inner.cancelled());
  });
}

TEST_P(WaitFor, RequestAfterTheEndOfTheInner_IsNeitherLostNorAheadOfTheValue) {
  run([]() -> task<> {
    for (int round = 0; round < 200; ++round) {
      event gate, never;
      bool got = false;
      auto caller = co_await spawn_waiting([&]() -> task<> {
        co_await wait_for(gate.wait(), 1h);
        got = true;
        co_await never.wait();
      });

      gate.set();
      if (round % 2 == 1) co_await yield();
      caller.cancel();
      const ending how = co_await ending_of(caller);

      EXPECT_TRUE(got);
      EXPECT_EQ(how, ending::cancelled);
    }
  });
}

TEST(WaitForInTime, CallerCancelledAsTheInnerFinishes_GetsTheValueAndKeepsTheRequest) {
  test_runtime rt;

  rt.run([]() -> task<> {
    event gate;
    bool got = false;
    auto caller = co_await spawn_waiting([&]() -> task<> {
      co_await wait_for(gate.wait(), 1h);
      got = true;
      co_await yield();
      ADD_FAILURE() << "the request was lost";
    });

    gate.set();
    caller.cancel();
    const ending how = co_await ending_of(caller);

    EXPECT_TRUE(got);
    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(WaitFor, ShieldedTask_IsNotTouchedByTheTimeOut) {
  run([]() -> task<> {
    event gate;
    auto work = co_await spawn_waiting(wait_on, std::ref(gate));

    const auto ended = co_await catch_all(wait_for(shield(work), 100us));

    EXPECT_TRUE(ended.threw<timeout_error>());
    EXPECT_FALSE(work.done());
    gate.set();
    co_await work;
  });
}

TEST(WaitForInTime, InnerOfNestedLimits_ExpiresFirstAndTheOuterGoesOn) {
  test_runtime rt;

  rt.run([]() -> task<> {
    const auto body = []() -> task<int> {
      const auto inner = co_await catch_all(wait_for(sleep_an_hour(), 10ms));
      EXPECT_TRUE(inner.threw<timeout_error>());
      co_await sleep(5ms);
      co_return 7;
    };

    const int got = co_await wait_for(body(), 20ms);

    EXPECT_EQ(got, 7);
  });
}

TEST_P(WaitFor, ManyLimitsOnOneTask_LeaveNothingOnIt) {
  run([]() -> task<> {
    event gate;
    auto work = co_await spawn_waiting(wait_on, std::ref(gate));
    for (int i = 0; i < 30; ++i) {
      const auto ended = co_await catch_all(wait_for(shield(work), 1us));
      EXPECT_TRUE(ended.threw<timeout_error>());
    }
    EXPECT_EQ(take_ledger().timers, 0);

    gate.set();
    co_await work;
  });
}

// Expiry and completion meet on several workers: one of them wins, nothing comes afterwards.
TEST_P(WaitFor, ExpiryAgainstCompletion_IsDecidedOnce) {
  run([]() -> task<> {
    for (int round = 0; round < 200; ++round) {
      event gate;
      auto opening = spawn([&gate]() -> task<> {
        co_await sleep(100us);
        gate.set();
      });
      const auto ended = co_await catch_all(wait_for(gate.wait(), 100us));
      EXPECT_TRUE(ended.ok() || ended.threw<timeout_error>());
      EXPECT_EQ(this_task::cancelling(), 0);
      co_await yield();  // not interrupted by a late timer
      co_await opening;
    }
  });
}

// ---- timeout ------------------------------------------------------------------------------------

TEST(TimeoutInTime, Expiry_CancelsTheBodyAndIsATimeoutError) {
  test_runtime rt;

  rt.run([]() -> task<> {
    bool cancelled = false;
    const auto body = [&]() -> task<> {
      try {
        co_await sleep(1h);
      } catch (const cancelled_error&) {
        cancelled = true;
        throw;
      }
    };

    const auto ended = co_await catch_all(timeout(50ms, body));

    EXPECT_TRUE(ended.threw<timeout_error>());
    EXPECT_TRUE(cancelled);
  });

  EXPECT_EQ(rt.clock().elapsed(), 50ms);
}

TEST(TimeoutInTime, LimitMadeOutsideOfTheRuntime_CountsOnItsClock) {
  test_runtime rt;

  const auto ended = rt.run(catch_all(timeout(50ms, sleep_an_hour)));

  EXPECT_TRUE(ended.threw<timeout_error>());
  EXPECT_EQ(rt.clock().elapsed(), 50ms);
}

TEST_P(Timeout, BodyInTime_GivesItsValue) {
  run([]() -> task<> {
    timeout_scope scope;
    const auto body = []() -> task<int> { co_return co_await value_after(100us); };

    const int got = co_await timeout(scope, 1h, body);

    EXPECT_EQ(got, 7);
    EXPECT_FALSE(scope.expired());
    EXPECT_EQ(take_ledger().timers, 0);
  });
}

TEST_P(Timeout, ExpiredScope_SaysSo) {
  run([]() -> task<> {
    timeout_scope scope;

    const auto ended = co_await catch_all(timeout(scope, 100us, sleep_an_hour));

    EXPECT_TRUE(ended.threw<timeout_error>());
    EXPECT_TRUE(scope.expired());
    EXPECT_EQ(this_task::cancelling(), 0);
    co_await yield();  // the task is not left being cancelled
  });
}

TEST_P(Timeout, LimitOfZero_ExpiresAtTheFirstSuspension) {
  run([]() -> task<> {
    bool began = false;
    const auto body = [&]() -> task<> {
      began = true;
      co_await yield();
      ADD_FAILURE() << "yielded";
    };

    const auto ended = co_await catch_all(timeout(0s, body));

    EXPECT_TRUE(began);
    EXPECT_TRUE(ended.threw<timeout_error>());
  });
}

TEST_P(Timeout, BodyThatNeverSuspends_IsNotInterrupted) {
  run([]() -> task<> {
    const int got = co_await timeout_at(now() - 1h, []() -> task<int> { co_return 7; });

    EXPECT_EQ(got, 7);
    EXPECT_EQ(this_task::cancelling(), 0);
    co_await yield();  // withdrawn with the scope
  });
}

TEST_P(Timeout, OtherException_PassesThoughTheScopeHasExpired) {
  run([]() -> task<> {
    timeout_scope scope;
    const auto body = []() -> task<> {
      try {
        co_await sleep(1h);
      } catch (const cancelled_error&) {
        throw std::runtime_error("own");
      }
    };

    const auto ended = co_await catch_all(timeout(scope, 100us, body));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
    EXPECT_FALSE(ended.threw<timeout_error>());
    EXPECT_TRUE(scope.expired());
    EXPECT_EQ(this_task::cancelling(), 0);
  });
}

TEST_P(Timeout, BodyThatSwallowsTheCancellation_EndsNormally) {
  run([]() -> task<> {
    timeout_scope scope;
    event never;
    const auto body = [&]() -> task<int> { co_return co_await swallow_and_return(never); };

    const int got = co_await timeout(scope, 100us, body);

    EXPECT_EQ(got, 7);
    EXPECT_TRUE(scope.expired());
    EXPECT_EQ(this_task::cancelling(), 0);
  });
}

TEST(TimeoutInTime, NestedScopesExpiringTogether_ConvertOnlyTheOutermost) {
  test_runtime rt;

  rt.run([]() -> task<> {
    timeout_scope outer;
    timeout_scope inner;
    bool inner_converted = true;
    const auto when = now() + 10ms;
    const auto body = [&]() -> task<> {
      try {
        co_await timeout_at(inner, when, sleep_an_hour);
      } catch (const cancelled_error&) {
        inner_converted = false;
        throw;
      }
    };

    const auto ended = co_await catch_all(timeout_at(outer, when, body));

    EXPECT_TRUE(ended.threw<timeout_error>());
    EXPECT_FALSE(inner_converted);
    EXPECT_TRUE(inner.expired());
    EXPECT_TRUE(outer.expired());
    EXPECT_EQ(this_task::cancelling(), 0);
  });
}

// A limit behind a shield has no request of its own to count.
TEST(TimeoutInTime, NestedScopesExpiringTogetherBehindAShield_ConvertOnlyTheOutermost) {
  test_runtime rt;

  rt.run([]() -> task<> {
    const cancel_shield shield;
    bool inner_converted = false;
    const auto when = now() + 10ms;
    const auto body = [&]() -> task<> {
      try {
        co_await timeout_at(when, sleep_an_hour);
      } catch (const timeout_error&) {
        inner_converted = true;
      }
    };

    const auto together = co_await catch_all(timeout_at(when, body));
    const auto behind_an_expired_one = co_await catch_all(timeout(10ms, [&]() -> task<> {
      try {
        co_await sleep(1h);
      } catch (const cancelled_error&) {  // handled
      }
      co_await timeout(10ms, sleep_an_hour);
    }));

    EXPECT_TRUE(together.threw<timeout_error>());
    EXPECT_FALSE(inner_converted);
    EXPECT_TRUE(behind_an_expired_one.threw<timeout_error>());
  });
}

TEST(TimeoutInTime, InnerExpiry_IsHandledInsideAndTheOuterMayExpireLater) {
  test_runtime rt;

  rt.run([]() -> task<> {
    bool inner_expired = false;
    const auto body = [&]() -> task<> {
      try {
        co_await timeout(10ms, sleep_an_hour);
      } catch (const timeout_error&) {
        inner_expired = true;
      }
      co_await sleep(1h);
    };

    const auto ended = co_await catch_all(timeout(30ms, body));

    EXPECT_TRUE(inner_expired);
    EXPECT_TRUE(ended.threw<timeout_error>());
  });

  EXPECT_EQ(rt.clock().elapsed(), 30ms);
}

TEST_P(Timeout, InnerTimeOutHandledInside_LeavesTheOuterScopeAlone) {
  run([]() -> task<> {
    timeout_scope outer;
    const auto body = []() -> task<int> {
      const auto inner = co_await catch_all(timeout(100us, sleep_an_hour));
      EXPECT_TRUE(inner.threw<timeout_error>());
      co_await sleep(100us);
      co_return 7;
    };

    const int got = co_await timeout(outer, 1h, body);

    EXPECT_EQ(got, 7);
    EXPECT_FALSE(outer.expired());
    EXPECT_EQ(take_ledger().timers, 0);
  });
}

TEST_P(Timeout, CancellationFromOutside_IsNeverConverted) {
  run([]() -> task<> {
    timeout_scope scope;
    auto child =
        co_await spawn_waiting([&]() -> task<> { co_await timeout(scope, 1h, sleep_an_hour); });

    child.cancel();
    const ending how = co_await ending_of(child);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_FALSE(scope.expired());
  });
}

TEST(TimeoutInTime, CancellationAndExpiryTogether_AreACancellation) {
  test_runtime rt;

  rt.run([]() -> task<> {
    const auto when = now() + 10ms;
    join_handle<> child;
    auto canceller = spawn([&]() -> task<> {
      co_await wake_at(when);
      child.cancel();
    });
    child = spawn([&]() -> task<> { co_await timeout_at(when, sleep_an_hour); });

    const ending how = co_await ending_of(child);
    co_await canceller;

    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(Timeout, ScopeOfATaskThatHandledACancellation_StillWorks) {
  run([]() -> task<> {
    event never;
    auto child = co_await spawn_waiting([&]() -> task<bool> {
      try {
        co_await never.wait();
      } catch (const cancelled_error&) {  // handled, the counter stays at one
      }
      const auto ended = co_await catch_all(timeout(100us, sleep_an_hour));
      EXPECT_EQ(this_task::cancelling(), 1);
      co_return ended.threw<timeout_error>();
    });

    child.cancel();
    const bool converted = co_await child;

    EXPECT_TRUE(converted);
  });
}

// The limit is over at the first suspension, as is the request: one exception stands for both.
TEST_P(Timeout, RequestBeforeTheScope_IsNotTakenForItsExpiry) {
  run([]() -> task<> {
    const ending of_a_scope = co_await ending_of_a_cancelled_task(
        []() -> task<> { co_await timeout(0ms, []() -> task<> { co_await sleep(1h); }); });
    const ending of_a_wait = co_await ending_of_a_cancelled_task([]() -> task<> {
      event never;
      co_await wait_for(never.wait(), 0ms);
    });

    EXPECT_EQ(of_a_scope, ending::cancelled);
    EXPECT_EQ(of_a_wait, ending::cancelled);
  });
}

// As if it had come a moment later, in the scope: handled is what was taken back.
TEST_P(Timeout, RequestBeforeTheScopeThatWasHandledInside_LeavesItsExpiryAlone) {
  run([]() -> task<> {
    bool timed_out = false;
    const ending how = co_await ending_of_a_cancelled_task([&]() -> task<> {
      const auto body = []() -> task<> {
        try {
          co_await yield();
        } catch (const cancelled_error&) {
          this_task::uncancel();
        }
        co_await sleep(1h);
      };
      try {
        co_await timeout(1ms, body);
      } catch (const timeout_error&) {
        timed_out = true;
      }
    });

    EXPECT_EQ(how, ending::value);
    EXPECT_TRUE(timed_out);
  });
}

// The limit passes while the cancellation is on its way out.
TEST_P(Timeout, ExpiryBehindARequestFromBeforeTheScope_DoesNotReplaceIt) {
  run([]() -> task<> {
    const ending how = co_await ending_of_a_cancelled_task([]() -> task<> {
      co_await timeout(1h, [](timeout_scope& scope) -> task<> {
        try {
          co_await sleep(1h);
        } catch (const cancelled_error&) {
          EXPECT_TRUE(scope.reschedule(now()));
          throw;
        }
      });
    });

    EXPECT_EQ(how, ending::cancelled);
  });
}

// ... or while the children that it has cancelled clean up.
TEST(WaitForInTime, ExpiryWhileTheInnerEndsOfARequestFromBefore_DoesNotReplaceIt) {
  test_runtime rt;

  rt.run([]() -> task<> {
    const auto slow_to_end = []() -> task<> {
      co_await try_finally(sleep_an_hour, []() -> task<> { co_await sleep(20ms); });
    };
    auto running = co_await spawn_waiting(slow_to_end);
    const ending of_a_task = co_await ending_of_a_cancelled_task(
        [&]() -> task<> { co_await wait_for(std::move(running), 10ms); });
    const ending of_a_group = co_await ending_of_a_cancelled_task([&]() -> task<> {
      const auto body = [&](task_group& group) {
        group.spawn(slow_to_end(), {.eager_start = true});
      };
      co_await wait_for(with_task_group(body), 10ms);
    });

    EXPECT_EQ(of_a_task, ending::cancelled);
    EXPECT_EQ(of_a_group, ending::cancelled);
  });
}

TEST(TimeoutInTime, Reschedule_MovesTheLimit) {
  test_runtime rt;

  rt.run([]() -> task<> {
    const auto begin = now();
    const auto body = [&](timeout_scope& scope) -> task<> {
      co_await sleep(5ms);
      EXPECT_TRUE(scope.reschedule(begin + 30ms));
      EXPECT_EQ(scope.when(), begin + 30ms);
      co_await sleep(1h);
    };

    const auto ended = co_await catch_all(timeout(10ms, body));

    EXPECT_TRUE(ended.threw<timeout_error>());
  });

  EXPECT_EQ(rt.clock().elapsed(), 30ms);
}

TEST(TimeoutInTime, LimitThatIsTakenAway_NeverComes) {
  test_runtime rt;

  rt.run([]() -> task<> {
    const auto body = [](timeout_scope& scope) -> task<int> {
      scope.reschedule(clock::time_point::max());
      co_return co_await value_after(1h);
    };

    const int got = co_await timeout(10ms, body);

    EXPECT_EQ(got, 7);
  });
}

TEST(TimeoutInTime, ScopeWithoutALimit_MayGetOneLater) {
  test_runtime rt;

  rt.run([]() -> task<> {
    timeout_scope scope;
    const auto body = [&]() -> task<> {
      co_await sleep(1h);
      EXPECT_FALSE(scope.expired());
      EXPECT_TRUE(scope.reschedule(now() + 10ms));
      co_await sleep(1h);
    };

    const auto ended = co_await catch_all(timeout_at(scope, clock::time_point::max(), body));

    EXPECT_TRUE(ended.threw<timeout_error>());
  });

  EXPECT_EQ(rt.clock().elapsed(), 1h + 10ms);
}

TEST_P(Timeout, Reschedule_OutsideOfTheBodyIsRefused) {
  run([]() -> task<> {
    timeout_scope scope;
    EXPECT_FALSE(scope.reschedule(now() + 1h));

    const auto ended = co_await catch_all(timeout(scope, 100us, sleep_an_hour));

    EXPECT_TRUE(ended.threw<timeout_error>());
    EXPECT_FALSE(scope.reschedule(now() + 1h));
  });
}

TEST_P(Timeout, ExpiredScope_IsNotUsedAgain) {
  run([]() -> task<> {
    timeout_scope scope;
    (void)co_await catch_all(timeout(scope, 100us, sleep_an_hour));

    const auto again = co_await catch_all(timeout(scope, 1h, []() -> task<> { co_return; }));

    EXPECT_TRUE(again.threw<invalid_state_error>());
  });
}

TEST_P(Timeout, ScopeThatIsActive_IsNotEnteredAgain) {
  run([]() -> task<> {
    timeout_scope scope;
    bool refused = false;
    const auto body = [&]() -> task<> {
      const auto inside = [] { ADD_FAILURE() << "entered twice"; };
      try {
        co_await timeout(scope, 1h, inside);
      } catch (const invalid_state_error&) {
        refused = true;
      }
      co_await yield();
    };

    const auto ended = co_await catch_all(timeout(scope, 1h, body));

    EXPECT_TRUE(refused);
    EXPECT_TRUE(ended.ok());  // the active one goes on as if nothing had happened
    EXPECT_EQ(take_ledger().timers, 0);
  });
}

TEST_P(Timeout, PlainFunction_IsABodyToo) {
  run([]() -> task<> {
    bool ran = false;

    co_await timeout(1h, [&] { ran = true; });

    EXPECT_TRUE(ran);
  });
}

// The limit ends with the scope: a timer that fires at that moment must not hit the code behind it.
TEST_P(Timeout, LimitThatPassesAsTheBodyEnds_NeverReachesTheCodeBehind) {
  run([]() -> task<> {
    for (int round = 0; round < 300; ++round) {
      const auto body = []() -> task<> { co_await sleep(70us); };
      const auto ended = co_await catch_all(timeout(70us, body));
      EXPECT_TRUE(ended.ok() || ended.threw<timeout_error>());
      EXPECT_EQ(this_task::cancelling(), 0);
      co_await yield();
    }
  });
}

TEST(TimeoutInTime, TimeoutAroundATaskGroup_AwaitsItsChildren) {
  test_runtime rt;
  int cancelled = 0;

  rt.run([&]() -> task<> {
    const auto child = [&]() -> task<> {
      try {
        co_await sleep(1h);
      } catch (const cancelled_error&) {
        ++cancelled;
        throw;
      }
    };
    const auto group = [&](task_group& g) -> task<> {
      g.spawn(child());
      g.spawn(child());
      co_await sleep(1h);
    };
    const auto body = [&]() -> task<> { co_await with_task_group(group); };

    const auto ended = co_await catch_all(timeout(10ms, body));

    EXPECT_TRUE(ended.threw<timeout_error>());
  });

  EXPECT_EQ(cancelled, 2);
}

TEST(TimeoutInTime, FailureInTheGroupThatATimeoutEnds_ComesOutInstead) {
  test_runtime rt;

  rt.run([]() -> task<> {
    timeout_scope scope;
    const auto child = []() -> task<> {
      try {
        co_await sleep(1h);
      } catch (const cancelled_error&) {
        throw std::logic_error("clean-up");
      }
    };
    const auto group = [&](task_group& g) -> task<> {
      g.spawn(child());
      co_await sleep(1h);
    };
    const auto body = [&]() -> task<> { co_await with_task_group(group); };

    const auto ended = co_await catch_all(timeout(scope, 10ms, body));

    EXPECT_TRUE(ended.threw<exception_group>());
    EXPECT_TRUE(scope.expired());
    EXPECT_EQ(this_task::cancelling(), 0);
    co_await yield();  // the task is not left being cancelled
  });

  EXPECT_EQ(rt.clock().elapsed(), 10ms);
}

TEST(TimeoutStress, NestedLimitsOfOneMoment_AreOneTimeOut) {
  weft::run(
      []() -> task<> {
        for (int round = 0; round < 300; ++round) {
          const auto when = now() + 100us;
          const auto inner = [&]() -> task<> { co_await timeout_at(when, sleep_an_hour); };

          const auto ended = co_await catch_all(timeout_at(when, inner));

          EXPECT_TRUE(ended.threw<timeout_error>());
          EXPECT_EQ(this_task::cancelling(), 0);
          co_await yield();  // the task is not left being cancelled
        }
      },
      {.workers = 4});
}

// The limit fires on any worker while the body moves it away.
TEST(TimeoutStress, RescheduleThatSucceeds_KeepsTheOldLimitFromComing) {
  std::mt19937_64 random(stress_seed());
  weft::run(
      [&]() -> task<> {
        int moved_in_time = 0;
        for (int round = 0; round < 500; ++round) {
          const auto turns = random() % 20;
          const auto body = [&](timeout_scope& scope) -> task<bool> {
            for (std::uint64_t i = 0; i < turns; ++i) co_await yield();
            if (!scope.reschedule(clock::time_point::max())) co_return false;
            co_await sleep(150us);  // beyond the old limit
            co_return true;
          };

          const auto ended =
              co_await catch_all(timeout(std::chrono::microseconds(random() % 80), body));

          EXPECT_TRUE(ended.ok() || ended.threw<timeout_error>());
          EXPECT_EQ(this_task::cancelling(), 0);
          moved_in_time += ended.ok() ? 1 : 0;
        }
        EXPECT_GT(moved_in_time, 0);
      },
      {.workers = 4});
}

// ---- deadline -----------------------------------------------------------------------------------

TEST(DeadlineInTime, Expiry_InterruptsThePendingAwait) {
  test_runtime rt;

  rt.run([]() -> task<> {
    bool timed_out = false;
    try {
      const deadline limit{50ms};
      co_await sleep(1h);
    } catch (const timeout_error&) {
      timed_out = true;
    }
    EXPECT_TRUE(timed_out);
    co_await yield();  // the code behind it goes on
  });

  EXPECT_EQ(rt.clock().elapsed(), 50ms);
}

TEST_P(Deadline, EveryLaterAwaitInTheBlock_RaisesToo) {
  run([]() -> task<> {
    int raised = 0;
    {
      const deadline limit{100us};
      for (int i = 0; i < 3; ++i) {
        try {
          co_await sleep(1h);
        } catch (const timeout_error&) {
          ++raised;
        }
      }
      EXPECT_TRUE(limit.expired());
    }
    co_await sleep(100us);

    EXPECT_EQ(raised, 3);
    EXPECT_EQ(this_task::cancelling(), 0);
  });
}

TEST_P(Deadline, BlockInTime_IsUnaffected) {
  run([]() -> task<> {
    {
      const deadline limit{1h};
      co_await sleep(100us);
      EXPECT_FALSE(limit.expired());
    }
    EXPECT_EQ(take_ledger().timers, 0);
    co_await yield();
  });
}

TEST_P(Deadline, DeadlineThatIsOver_RaisesAtTheFirstSuspension) {
  run([]() -> task<> {
    bool reached = false;
    bool timed_out = false;
    try {
      const deadline limit{0s};
      reached = true;
      co_await yield();
    } catch (const timeout_error&) {
      timed_out = true;
    }

    EXPECT_TRUE(reached);
    EXPECT_TRUE(timed_out);
  });
}

TEST(DeadlineInTime, NearestOfNestedOnes_Wins) {
  test_runtime rt;

  rt.run([]() -> task<> {
    const auto begin = now();
    bool inner_timed_out = false;
    bool outer_timed_out = false;
    try {
      const deadline outer{30ms};
      try {
        const deadline inner{10ms};
        co_await sleep(1h);
      } catch (const timeout_error&) {
        inner_timed_out = true;
        EXPECT_EQ(now() - begin, 10ms);
      }
      co_await sleep(1h);
    } catch (const timeout_error&) {
      outer_timed_out = true;
    }

    EXPECT_TRUE(inner_timed_out);
    EXPECT_TRUE(outer_timed_out);
    EXPECT_EQ(now() - begin, 30ms);
  });
}

TEST(DeadlineInTime, ExpiredOuterDeadline_StaysRaisedWhenTheInnerIsLeft) {
  test_runtime rt;

  rt.run([]() -> task<> {
    int raised = 0;
    {
      const deadline outer{10ms};
      {
        const deadline inner{20ms};
        try {
          co_await sleep(1h);
        } catch (const timeout_error&) {
          ++raised;
        }
      }
      try {
        co_await yield();
      } catch (const timeout_error&) {
        ++raised;
      }
    }
    co_await yield();

    EXPECT_EQ(raised, 2);
  });
}

TEST(DeadlineInTime, Extend_MovesIt) {
  test_runtime rt;

  rt.run([]() -> task<> {
    bool timed_out = false;
    try {
      deadline limit{10ms};
      co_await sleep(5ms);
      EXPECT_TRUE(limit.extend(20ms));
      co_await sleep(1h);
    } catch (const timeout_error&) {
      timed_out = true;
    }
    EXPECT_TRUE(timed_out);
  });

  EXPECT_EQ(rt.clock().elapsed(), 25ms);
}

TEST_P(Deadline, ExtendOfAnExpiredOne_IsRefused) {
  run([]() -> task<> {
    deadline limit{100us};
    try {
      co_await sleep(1h);
    } catch (const timeout_error&) {  // expected
    }

    EXPECT_FALSE(limit.extend(1h));
  });
}

TEST_P(Deadline, CancellationFromOutside_StaysACancellation) {
  run([]() -> task<> {
    auto child = co_await spawn_waiting([]() -> task<> {
      const deadline limit{1h};
      co_await sleep(2h);
    });

    child.cancel();
    const ending how = co_await ending_of(child);

    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(Deadline, ExpiryDuringAGather_CancelsAndAwaitsTheChildren) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};
    const auto child = [&cancelled]() -> task<> {
      try {
        co_await sleep(1h);
      } catch (const cancelled_error&) {
        ++cancelled;
        throw;
      }
    };
    bool timed_out = false;
    try {
      const deadline limit{2ms};
      (void)co_await gather(child(), child());
    } catch (const timeout_error&) {
      timed_out = true;
    }

    EXPECT_TRUE(timed_out);
    EXPECT_LE(cancelled.load(), 2);
  });
}

TEST_P(Deadline, ExpiryDuringAJoin_CancelsTheTask) {
  run([]() -> task<> {
    event never;
    auto inner = co_await spawn_waiting(wait_on, std::ref(never));
    bool timed_out = false;
    try {
      const deadline limit{100us};
      co_await inner;
    } catch (const timeout_error&) {
      timed_out = true;
    }

    EXPECT_TRUE(timed_out);
    EXPECT_TRUE(inner.cancelled());
  });
}

/// A task whose deadline expires while it waits for `wait(work)`, and that is cancelled afterwards,
/// while `work` still cleans up. Empty: `work` had not begun yet when the deadline expired.
template <class Wait>
task<std::optional<ending>> request_behind_an_expiry(Wait wait, std::chrono::microseconds after) {
  event never;
  event clean_up;
  std::atomic<bool> cleaning{false};
  const auto work = [&]() -> task<> {
    try {
      co_await never.wait();
    } catch (const cancelled_error&) {
      cleaning = true;
    }
    const cancel_shield shield;
    co_await clean_up.wait();
    throw cancelled_error();
  };
  auto waiting = spawn([&]() -> task<> {
    const deadline limit{after};
    co_await wait(work);
  });
  while (!cleaning && !waiting.done()) co_await sleep(20us);
  if (!cleaning) co_return std::nullopt;
  co_await until_waiters(2);

  waiting.cancel();
  clean_up.set();
  co_return co_await ending_of(waiting);
}

template <class Wait>
task<ending> ending_of_a_request_behind_an_expiry(Wait wait) {
  for (auto after = 100us;; after *= 2) {
    const auto ended = co_await request_behind_an_expiry(wait, after);
    if (ended) co_return *ended;
  }
}

TEST_P(Deadline, RequestBehindAnExpiryDuringAGather_IsACancellation) {
  run([]() -> task<> {
    const ending how = co_await ending_of_a_request_behind_an_expiry(
        [](auto& work) -> task<> { (void)co_await gather(work(), yield()); });

    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(Deadline, RequestBehindAnExpiryDuringAGatherOfHandles_IsACancellation) {
  run([]() -> task<> {
    const ending how = co_await ending_of_a_request_behind_an_expiry([](auto& work) -> task<> {
      auto running = spawn(work());
      (void)co_await gather(running);
    });

    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(Deadline, RequestBehindAnExpiryDuringAJoin_IsACancellation) {
  run([]() -> task<> {
    const ending how = co_await ending_of_a_request_behind_an_expiry([](auto& work) -> task<> {
      auto running = spawn(work());
      co_await running;
    });

    EXPECT_EQ(how, ending::cancelled);
  });
}

// The awaited task was asked to stop on behalf of the deadline, and returns without having seen it.
TEST(DeadlineInTime, ExpiryThatTheAwaitedTaskNeverSees_InventsNoRequest) {
  test_runtime rt;

  rt.run([]() -> task<> {
    auto work = spawn([]() -> task<int> {
      const cancel_shield shield;
      co_await sleep(20ms);
      co_return 7;
    });
    {
      const deadline limit{10ms};
      const int value = co_await work;
      EXPECT_EQ(value, 7);
      const auto next = co_await catch_all(sleep(1h));
      EXPECT_TRUE(next.threw<timeout_error>());
    }

    this_task::check_cancelled();
    co_await yield();
  });
}

TEST(DeadlineOutside, Deadline_OutsideOfATaskThrows) {
  EXPECT_THROW(const deadline limit{1h}, invalid_state_error);
}

}  // namespace
}  // namespace weft::testing
