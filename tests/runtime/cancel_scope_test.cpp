#include "cancelled_task.h"
#include "runtimes.h"
#include <weft/runtime/as_result.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/gather.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/event.h>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <type_traits>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

static_assert(std::is_same_v<scope_value_t<task<> (*)(cancel_scope&)>, bool>);
static_assert(std::is_same_v<scope_value_t<task<int> (*)()>, std::optional<int>>);

class CancelScope : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, CancelScope, every_kind(), name_of);

TEST_P(CancelScope, CancelledRegion_RaisesAtEverySuspensionUntilItIsLeft) {
  run([]() -> task<> {
    int raised = 0;
    const bool finished = co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
      scope.cancel();
      for (int i = 0; i < 3; ++i) {
        try {
          co_await sleep(1h);
        } catch (const cancelled_error&) {
          ++raised;
        }
      }
      co_await sleep(1h);
    });
    co_await sleep(1us);  // outside again

    EXPECT_FALSE(finished);
    EXPECT_EQ(raised, 3);
  });
}

TEST(CancelScopeInTime, Deadline_EndsTheRegion) {
  test_runtime rt;
  rt.run([&]() -> task<> {
    cancel_scope scope;
    scope.set_deadline(now() + 50ms);

    const auto value = co_await with_cancel_scope(scope, []() -> task<int> {
      co_await sleep(1h);
      co_return 1;
    });

    EXPECT_FALSE(value.has_value());
    EXPECT_TRUE(scope.cancelled_caught());
    EXPECT_EQ(rt.clock().elapsed(), 50ms);
  });
}

TEST(CancelScopeInTime, DeadlineThatIsMoved_ComesLaterOrNever) {
  test_runtime rt;
  rt.run([&]() -> task<> {
    const bool finished = co_await with_cancel_scope([](cancel_scope& scope) -> task<> {
      scope.set_deadline(now() + 50ms);
      scope.set_deadline(now() + 100ms);
      co_await sleep(80ms);
      scope.set_deadline(clock::time_point::max());
      co_await sleep(80ms);
    });

    EXPECT_TRUE(finished);
    EXPECT_EQ(rt.clock().elapsed(), 160ms);
  });
}

TEST_P(CancelScope, BodyThatEnds_GivesItsValue) {
  run([]() -> task<> {
    static int object = 0;
    const bool nothing = co_await with_cancel_scope([]() -> task<> { co_return; });
    const bool plain = co_await with_cancel_scope([] {});
    const auto number = co_await with_cancel_scope([]() -> task<int> { co_return 3; });
    const auto reference =
        co_await with_cancel_scope([](cancel_scope&) -> task<int&> { co_return object; });
    const auto unique = co_await with_cancel_scope(
        []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(4); });

    EXPECT_TRUE(nothing);
    EXPECT_TRUE(plain);
    EXPECT_EQ(number, 3);
    EXPECT_EQ(&reference->get(), &object);
    EXPECT_EQ(**unique, 4);
  });
}

TEST_P(CancelScope, ValueInSpiteOfTheCancellation_IsGiven) {
  run([]() -> task<> {
    cancel_scope scope;

    const auto value = co_await with_cancel_scope(scope, [](cancel_scope& own) -> task<int> {
      own.cancel();
      co_return 3;
    });

    EXPECT_EQ(value, 3);
    EXPECT_TRUE(scope.cancel_called());
    EXPECT_FALSE(scope.cancelled_caught());
  });
}

TEST_P(CancelScope, ScopeCancelledBefore_StopsTheBodyAtItsFirstSuspension) {
  run([]() -> task<> {
    cancel_scope scope;
    scope.cancel();
    bool began = false;

    const bool finished = co_await with_cancel_scope(scope, [&]() -> task<> {
      began = true;
      co_await yield();
    });

    EXPECT_FALSE(finished);
    EXPECT_TRUE(began);
  });
}

TEST_P(CancelScope, Scope_IsEnteredOnce) {
  run([]() -> task<> {
    cancel_scope scope;
    (void)co_await with_cancel_scope(scope, [] {});

    const auto again = co_await catch_all(with_cancel_scope(scope, [] {}));

    EXPECT_TRUE(again.threw<invalid_state_error>());
  });
}

TEST_P(CancelScope, OtherException_Passes) {
  run([]() -> task<> {
    const auto ended = co_await catch_all(with_cancel_scope([](cancel_scope& scope) -> task<> {
      scope.cancel();
      throw std::runtime_error("body");
      co_return;
    }));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
  });
}

TEST_P(CancelScope, CancellationOfTheTask_IsNotTheScopes) {
  run([]() -> task<> {
    event never;
    auto outside = co_await spawn_waiting([&]() -> task<> {
      (void)co_await with_cancel_scope([&]() -> task<> { co_await never.wait(); });
      ADD_FAILURE() << "the cancellation was swallowed";
    });

    outside.cancel();
    const ending how = co_await ending_of(outside);

    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(CancelScope, CancelledChildOfTheBody_IsNotTheScopesEither) {
  run([]() -> task<> {
    event never;
    auto child = co_await spawn_waiting([&]() -> task<> { co_await never.wait(); });
    child.cancel();

    const auto ended = co_await catch_all(with_cancel_scope([&]() -> task<> { co_await child; }));

    EXPECT_TRUE(ended.threw<cancelled_error>());
  });
}

TEST_P(CancelScope, ChildrenOfTheRegion_EndBeforeIt) {
  run([]() -> task<> {
    int ended = 0;
    const auto hang = [](int& count) -> task<> {
      try {
        co_await sleep(1h);
      } catch (const cancelled_error&) {
        ++count;
        throw;
      }
    };

    const bool finished = co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
      co_await with_task_group([&](task_group& group) -> task<> {
        group.spawn(hang(ended));
        co_await yield();
        co_await gather(hang(ended), [](cancel_scope& own) -> task<> {
          co_await yield();
          own.cancel();
        }(scope));
      });
    });

    EXPECT_FALSE(finished);
    EXPECT_GE(ended, 1);  // one that never began does not count
  });
}

TEST_P(CancelScope, AsResult_DoesNotSwallowIt) {
  run([]() -> task<> {
    const bool finished = co_await with_cancel_scope([](cancel_scope& scope) -> task<> {
      scope.cancel();
      (void)co_await as_result(sleep(1h));
      ADD_FAILURE() << "the cancellation was swallowed";
    });

    EXPECT_FALSE(finished);
  });
}

TEST_P(CancelScope, OutermostOfNestedOnes_TakesTheCancellation) {
  run([]() -> task<> {
    cancel_scope outer, inner;
    const bool finished = co_await with_cancel_scope(outer, [&]() -> task<> {
      (void)co_await with_cancel_scope(inner, [&]() -> task<> {
        inner.cancel();
        outer.cancel();
        co_await sleep(1h);
      });
      ADD_FAILURE() << "the inner scope has taken it";
    });

    EXPECT_FALSE(finished);
    EXPECT_TRUE(outer.cancelled_caught());
    EXPECT_FALSE(inner.cancelled_caught());
  });
}

TEST_P(CancelScope, InnerOne_LeavesTheOuterRegionAlone) {
  run([]() -> task<> {
    bool went_on = false;
    const bool finished = co_await with_cancel_scope([&]() -> task<> {
      const bool inner = co_await with_cancel_scope([](cancel_scope& scope) -> task<> {
        scope.cancel();
        co_await sleep(1h);
      });
      EXPECT_FALSE(inner);
      co_await yield();
      went_on = true;
    });

    EXPECT_TRUE(finished);
    EXPECT_TRUE(went_on);
  });
}

TEST_P(CancelScope, CancelledScopeAroundADeadline_RaisesACancellation) {
  run([]() -> task<> {
    const bool finished = co_await with_cancel_scope([](cancel_scope& scope) -> task<> {
      const deadline limit{0s};
      scope.cancel();
      co_await sleep(1h);
    });

    EXPECT_FALSE(finished);
  });
}

// Whether one exception stands for both, or the scope is cancelled while the other is on its way out.
TEST_P(CancelScope, RequestBeforeTheScope_IsNotTakenForItsOwn) {
  run([]() -> task<> {
    const ending together = co_await ending_of_a_cancelled_task([]() -> task<> {
      (void)co_await with_cancel_scope([](cancel_scope& scope) -> task<> {
        scope.cancel();
        co_await sleep(1h);
      });
    });
    const ending behind_it = co_await ending_of_a_cancelled_task([]() -> task<> {
      (void)co_await with_cancel_scope([](cancel_scope& scope) -> task<> {
        try {
          co_await sleep(1h);
        } catch (const cancelled_error&) {
          scope.cancel();
          throw;
        }
      });
    });

    EXPECT_EQ(together, ending::cancelled);
    EXPECT_EQ(behind_it, ending::cancelled);
  });
}

TEST_P(CancelScope, Shield_KeepsOuterScopesAndDeadlinesOut) {
  run([]() -> task<> {
    bool cleaned = false;
    const bool finished = co_await with_cancel_scope([&](cancel_scope& outer) -> task<> {
      outer.cancel();
      (void)co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
        scope.shield(true);
        co_await sleep(1us);
        cleaned = true;
        scope.shield(false);
        co_await sleep(1h);
        ADD_FAILURE() << "the shield is still up";
      });
      ADD_FAILURE() << "the inner scope has taken it";
    });

    EXPECT_FALSE(finished);
    EXPECT_TRUE(cleaned);
  });
}

TEST_P(CancelScope, Shield_LetsItsOwnScopeBeCancelled) {
  run([]() -> task<> {
    const bool finished = co_await with_cancel_scope([](cancel_scope& scope) -> task<> {
      scope.shield(true);
      scope.cancel();
      co_await sleep(1h);
    });

    EXPECT_FALSE(finished);
  });
}

TEST_P(CancelScope, Shield_KeepsRequestsOutUntilTheRegionIsLeft) {
  run([]() -> task<> {
    event entered, leave;
    bool left = false;
    auto shielded = spawn([&]() -> task<> {
      (void)co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
        scope.shield(true);
        entered.set();
        co_await leave.wait();
        EXPECT_EQ(this_task::cancelling(), 1);
        left = true;
      });
      co_await sleep(1h);
    });
    co_await entered.wait();
    co_await until_waiting(shielded);
    shielded.cancel();
    co_await yield();
    EXPECT_FALSE(shielded.done());

    leave.set();
    const ending how = co_await ending_of(shielded);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_TRUE(left);
  });
}

TEST_P(CancelScope, TaskThatSleepsBehindAShield_IsWokenByItsOwnScopeOnly) {
  run([]() -> task<> {
    cancel_scope outer, inner;
    event never;
    auto sleeper = co_await spawn_waiting([&]() -> task<> {
      (void)co_await with_cancel_scope(outer, [&]() -> task<> {
        (void)co_await with_cancel_scope(inner, [&](cancel_scope& scope) -> task<> {
          scope.shield(true);
          co_await never.wait();
        });
      });
    });

    outer.cancel();
    co_await yield();
    EXPECT_FALSE(sleeper.done());
    inner.cancel();
    co_await sleeper;

    EXPECT_TRUE(inner.cancelled_caught());
    EXPECT_FALSE(outer.cancelled_caught());  // nothing suspended any more
  });
}

TEST(CancelScopeThreads, ForeignThread_CancelsTheRegion) {
  weft::run(
      []() -> task<> {
        cancel_scope scope;
        std::jthread foreign;
        const bool finished = co_await with_cancel_scope(scope, [&]() -> task<> {
          foreign = std::jthread([&scope] { scope.cancel(); });
          co_await sleep(1h);
        });
        EXPECT_FALSE(finished);
      },
      {.workers = 1});
}

// A canceller may be at work while the region ends.
TEST(CancelScopeStress, CancelAgainstTheEndOfTheRegion_NeverReachesWhatFollows) {
  weft::run(
      []() -> task<> {
        for (int round = 0; round < 500; ++round) {
          cancel_scope scope;
          event go;
          auto canceller = spawn([&]() -> task<> {
            co_await go.wait();
            scope.cancel();
          });
          (void)co_await with_cancel_scope(scope, [&](cancel_scope& own) -> task<> {
            if (round % 3 == 0) own.set_deadline(now() + 20us);
            go.set();
            for (int i = 0; i < round % 7; ++i) co_await yield();
          });
          co_await sleep(1us);
          co_await canceller;
        }
      },
      {.workers = 4});
}

}  // namespace
}  // namespace weft::testing
