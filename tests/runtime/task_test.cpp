#include "allocations.h"
#include "runtimes.h"
#include <weft/runtime/sleep.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/event.h>
#include <weft/sync/mutex.h>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

class Task : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Task, every_kind(), name_of);

task<int> value_of_seven() {
  co_return 7;
}
task<int> seven_after_a_yield() {
  co_await yield();
  co_return 7;
}
task<> set_flag(bool& flag) {
  flag = true;
  co_return;
}

// ---- Values -------------------------------------------------------------------------------------

TEST_P(Task, Await_GivesTheValue) {
  run([]() -> task<> {
    const int at_once = co_await value_of_seven();
    const int later = co_await seven_after_a_yield();

    EXPECT_EQ(at_once, 7);
    EXPECT_EQ(later, 7);
  });
}

TEST_P(Task, WhatConvertsToTheReference_MayBeReturned) {
  run([]() -> task<> {
    static int object = 0;
    const auto wrapped = []() -> task<int&> { co_return std::ref(object); };

    int& got = co_await wrapped();

    EXPECT_EQ(&got, &object);
  });
}

TEST_P(Task, Await_GivesTheVeryReference) {
  run([]() -> task<> {
    int target = 1;
    const auto refer = [](int& to) -> task<int&> {
      co_await yield();
      co_return to;
    };

    int& got = co_await refer(target);

    EXPECT_EQ(&got, &target);
  });
}

TEST_P(Task, Await_MovesAMoveOnlyValue) {
  run([]() -> task<> {
    const auto make = []() -> task<std::unique_ptr<int>> {
      co_await yield();
      co_return std::make_unique<int>(7);
    };

    const std::unique_ptr<int> got = co_await make();

    EXPECT_EQ(*got, 7);
  });
}

TEST_P(Task, Await_OfANamedTaskGivesItsValue) {
  run([]() -> task<> {
    task<int> named = seven_after_a_yield();

    const int got = co_await named;

    EXPECT_EQ(got, 7);
  });
}

TEST_P(Task, Value_MayBeATaskItself) {
  run([]() -> task<> {
    const auto make = []() -> task<task<int>> { co_return seven_after_a_yield(); };

    task<int> inner = co_await make();
    const int got = co_await std::move(inner);

    EXPECT_EQ(got, 7);
  });
}

TEST_P(Task, Value_IsConvertedByTheReturn) {
  run([]() -> task<> {
    const auto text = []() -> task<std::string> { co_return "seven"; };

    const std::string got = co_await text();

    EXPECT_EQ(got, "seven");
  });
}

// ---- One run ------------------------------------------------------------------------------------

TEST_P(Task, Call_RunsNothingOfTheBody) {
  run([]() -> task<> {
    bool ran = false;

    task<> lazy = set_flag(ran);
    co_await yield();

    EXPECT_FALSE(ran);
    co_await std::move(lazy);
    EXPECT_TRUE(ran);
  });
}

TEST_P(Task, Task_ThatIsNeverAwaitedNeverRuns) {
  run([]() -> task<> {
    bool ran = false;
    auto token = std::make_shared<int>();
    const std::weak_ptr<int> watched = token;

    {
      const task<> dropped = [](std::shared_ptr<int>, bool& flag) -> task<> {
        co_await set_flag(flag);
      }(std::move(token), ran);
      EXPECT_FALSE(watched.expired());
    }

    EXPECT_FALSE(ran);
    EXPECT_TRUE(watched.expired());  // its parameters died with it
    co_return;
  });
}

TEST_P(Task, SecondAwait_Throws) {
  run([]() -> task<> {
    task<int> once = value_of_seven();
    (void)co_await once;

    bool refused = false;
    try {
      (void)co_await once;
    } catch (const invalid_state_error&) {
      refused = true;
    }

    EXPECT_TRUE(refused);
  });
}

TEST_P(Task, Await_OfAMovedFromTaskThrows) {
  run([]() -> task<> {
    task<int> from = value_of_seven();
    const task<int> to = std::move(from);

    bool refused = false;
    try {
      (void)co_await from;  // NOLINT(bugprone-use-after-move): what is tested
    } catch (const invalid_state_error&) {
      refused = true;
    }

    EXPECT_TRUE(refused);
  });
}

TEST_P(Task, Assignment_DestroysTheOldTaskUnrun) {
  run([]() -> task<> {
    bool first = false;
    bool second = false;
    task<> either = set_flag(first);

    either = set_flag(second);
    co_await std::move(either);

    EXPECT_FALSE(first);
    EXPECT_TRUE(second);
  });
}

// ---- Where it runs ------------------------------------------------------------------------------

TEST_P(Task, Await_RunsInsideTheAwaitingTask) {
  run([]() -> task<> {
    const auto own_id = []() -> task<task_id> {
      co_await yield();
      co_return this_task::id();
    };

    const task_id inside = co_await own_id();

    EXPECT_EQ(inside, this_task::id());
  });
}

TEST(TaskOrder, Await_StartsTheChildBeforeAnybodyElse) {
  test_runtime rt;

  rt.run([]() -> task<> {
    std::string order;
    auto other = spawn([&]() -> task<> {
      order += "other";
      co_return;
    });
    const auto child = [&]() -> task<> {
      order += "child ";
      co_return;
    };

    co_await child();
    co_await other;

    EXPECT_EQ(order, "child other");
  });
}

TEST_P(Task, Locals_AreGoneWhenTheAwaiterGoesOn) {
  run([]() -> task<> {
    auto token = std::make_shared<int>();
    const auto hold = [](const std::shared_ptr<int>& kept) -> task<> {
      const std::shared_ptr<int> local = kept;
      co_await yield();
    };
    task<> holder = hold(token);

    co_await holder;

    EXPECT_EQ(token.use_count(), 1);
  });
}

TEST_P(Task, Parameters_LiveAsLongAsTheTask) {
  run([]() -> task<> {
    auto token = std::make_shared<int>();
    const auto keep = [](std::shared_ptr<int>) -> task<> { co_await yield(); };
    {
      task<> keeper = keep(token);
      co_await keeper;
      EXPECT_EQ(token.use_count(), 2);
    }
    EXPECT_EQ(token.use_count(), 1);
  });
}

// ---- Exceptions ---------------------------------------------------------------------------------

TEST_P(Task, Exception_TravelsThroughEveryFrame) {
  run([]() -> task<> {
    const auto innermost = []() -> task<> {
      co_await yield();
      throw std::runtime_error("deep");
    };
    const auto middle = [&]() -> task<> { co_await innermost(); };
    const auto outer = [&]() -> task<> { co_await middle(); };

    std::string what;
    try {
      co_await outer();
    } catch (const std::runtime_error& error) {
      what = error.what();
    }

    EXPECT_EQ(what, "deep");
  });
}

TEST_P(Task, Exception_BeforeTheFirstSuspensionReachesTheAwaiter) {
  run([]() -> task<> {
    const auto fail = [](bool really) -> task<int> {
      if (really) throw std::runtime_error("at once");
      co_return 1;
    };

    const auto ended = co_await catch_all(fail(true));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
  });
}

TEST_P(Task, Exception_DestroysTheLocalsOnTheWay) {
  run([]() -> task<> {
    auto token = std::make_shared<int>();
    const auto fail = [](const std::shared_ptr<int>& kept) -> task<> {
      const std::shared_ptr<int> local = kept;
      co_await yield();
      throw std::runtime_error("with locals");
    };

    const auto ended = co_await catch_all(fail(token));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
    EXPECT_EQ(token.use_count(), 1);
  });
}

struct throws_when_copied {
  throws_when_copied() = default;
  throws_when_copied(const throws_when_copied&) { throw std::runtime_error("copy"); }
  throws_when_copied& operator=(const throws_when_copied&) = default;
  ~throws_when_copied() = default;
};

TEST_P(Task, Exception_OfACopiedParameterLeavesNoFrame) {
  run([]() -> task<> {
    const auto never_starts = [](throws_when_copied) -> task<> { co_return; };
    const throws_when_copied original;

    bool threw = false;
    try {
      co_await never_starts(original);
    } catch (const std::runtime_error&) {
      threw = true;
    }

    EXPECT_TRUE(threw);
  });
}

TEST_P(Task, Exception_OfTheReturnedValueReachesTheAwaiter) {
  run([]() -> task<> {
    const auto give = []() -> task<throws_when_copied> {
      const throws_when_copied value;
      co_return value;
    };

    bool threw = false;
    try {
      (void)co_await give();
    } catch (const std::runtime_error&) {
      threw = true;
    }

    EXPECT_TRUE(threw);
  });
}

TEST_P(Task, Exception_ThatIsNoStdExceptionTravelsToo) {
  run([]() -> task<> {
    const auto fail = []() -> task<> {
      co_await yield();
      throw 7;
    };

    int got = 0;
    try {
      co_await fail();
    } catch (int thrown) {
      got = thrown;
    }

    EXPECT_EQ(got, 7);
  });
}

// ---- Cost ---------------------------------------------------------------------------------------

/// Calls of operator new while body() runs; the second time, when pools and caches are warm.
template <class F>
task<std::size_t> allocations_of(F body) {
  co_await body();
  const std::size_t before = allocations();
  co_await body();
  co_return allocations() - before;
}

TEST(Cost, Await_AllocatesNothingBesideTheFrame) {
  test_runtime rt;

  const auto made = rt.run(allocations_of([]() -> task<> {
    for (int i = 0; i < 100; ++i) (void)co_await seven_after_a_yield();
  }));

  EXPECT_EQ(made, 0u);
}

TEST(Cost, Await_TakesOneFrame) {
  test_runtime rt;

  rt.run([]() -> task<> {
    const auto frames = []() -> task<std::int64_t> { co_return take_ledger().frames; };
    const std::int64_t before = take_ledger().frames;

    const std::int64_t inside = co_await frames();

    EXPECT_EQ(inside - before, 1);
  });
}

TEST(Cost, Spawn_TakesOneFrame) {
  test_runtime rt;

  rt.run([]() -> task<> {
    const auto idle = []() -> task<> { co_await yield(); };
    const std::int64_t before = take_ledger().frames;

    auto spawned = spawn(idle());
    co_await yield();
    const std::int64_t during = take_ledger().frames;
    co_await spawned;

    EXPECT_EQ(during - before, 1);
  });
}

TEST(Cost, Spawn_AllocatesNothingBesideTheFrame) {
  test_runtime rt;

  const auto made = rt.run(allocations_of([]() -> task<> {
    for (int i = 0; i < 100; ++i) {
      auto spawned = spawn(seven_after_a_yield());
      (void)co_await spawned;
    }
  }));

  EXPECT_EQ(made, 0u);
}

TEST(Cost, Sleep_AllocatesNothing) {
  test_runtime rt;

  const auto made = rt.run(allocations_of([]() -> task<> {
    for (int i = 0; i < 100; ++i) co_await sleep(1ms);
  }));

  EXPECT_EQ(made, 0u);
}

TEST(Cost, Sleep_TakesNoFrame) {
  test_runtime rt;

  rt.run([]() -> task<> {
    std::int64_t during = 0;
    const std::int64_t before = take_ledger().frames;
    auto looking = spawn([](std::int64_t& seen) -> task<> {
      seen = take_ledger().frames;
      co_return;
    }(during));

    co_await sleep(1ms);
    co_await looking;

    EXPECT_EQ(during - before, 1);  // the looking task's own
  });
}

TEST(Cost, WaitFor_AllocatesNothing) {
  test_runtime rt;

  const auto made = rt.run(allocations_of([]() -> task<> {
    for (int i = 0; i < 100; ++i) co_await wait_for(sleep(1ms), 1s);
  }));

  EXPECT_EQ(made, 0u);
}

TEST(Cost, Deadline_AllocatesNothing) {
  test_runtime rt;

  const auto made = rt.run(allocations_of([]() -> task<> {
    for (int i = 0; i < 100; ++i) {
      const deadline limit{1s};
      co_await sleep(1ms);
    }
  }));

  EXPECT_EQ(made, 0u);
}

TEST(Cost, Lock_AllocatesNothing) {
  test_runtime rt;

  const auto made = rt.run(allocations_of([]() -> task<> {
    mutex shared;
    auto rival = spawn([](mutex& lock) -> task<> {
      for (int i = 0; i < 100; ++i) {
        const lock_guard guard = co_await lock.lock();
        co_await yield();
      }
    }(shared));
    for (int i = 0; i < 100; ++i) {
      const lock_guard guard = co_await shared.lock();
      co_await yield();
    }
    co_await rival;
  }));

  EXPECT_EQ(made, 0u);
}

TEST(Cost, Cancel_AllocatesNothing) {
  test_runtime rt;

  rt.run([]() -> task<> {
    event never;
    auto waiting = co_await spawn_waiting([&]() -> task<> { co_await never.wait(); });

    const std::size_t before = allocations();
    waiting.cancel();
    const std::size_t made = allocations() - before;

    EXPECT_EQ(made, 0u);
    EXPECT_EQ(co_await ending_of(waiting), ending::cancelled);
  });
}

TEST(Cost, Frames_AreReusedNotPiledUp) {
  test_runtime rt;

  rt.run([]() -> task<> {
    const std::int64_t before = take_ledger().bytes;
    for (int i = 0; i < 10'000; ++i) (void)co_await seven_after_a_yield();

    EXPECT_EQ(take_ledger().bytes, before);
  });
}

}  // namespace
}  // namespace weft::testing
