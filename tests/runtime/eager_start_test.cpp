#include "runtimes.h"
#include <weft/runtime/context_var.h>
#include <weft/runtime/fork.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/to_thread.h>
#include <weft/sync/event.h>

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <utility>

namespace weft::testing {
namespace {

constexpr spawn_options eager{.eager_start = true};

class EagerStart : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, EagerStart, every_kind(), name_of);

task<> append(std::string& log, char name) {
  log += name;
  co_return;
}
task<> append_around_a_wait(std::string& log, event& gate) {
  log += '1';
  co_await gate.wait();
  log += '2';
}

TEST_P(EagerStart, TaskThatNeverSuspends_IsDoneWhenTheCallReturns) {
  run([]() -> task<> {
    std::string log;

    auto child = spawn(append(log, 'a'), eager);

    EXPECT_TRUE(child.done());
    EXPECT_EQ(log, "a");
    co_await child;
  });
}

TEST_P(EagerStart, TaskThatSuspends_GoesOnLaterLikeAnyOther) {
  run([]() -> task<> {
    std::string log;
    event gate;

    auto child = spawn(append_around_a_wait(log, gate), eager);

    EXPECT_FALSE(child.done());
    EXPECT_EQ(log, "1");
    gate.set();
    co_await child;
    EXPECT_EQ(log, "12");
  });
}

TEST_P(EagerStart, Failure_IsThatOfTheTaskNotOfTheCall) {
  run([]() -> task<> {
    const auto fail = []() -> task<> {
      throw std::runtime_error("failed");
      co_return;
    };

    auto child = spawn(eager, fail);

    EXPECT_TRUE(child.done());
    EXPECT_THROW(child.result(), std::runtime_error);
    co_return;
  });
}

TEST_P(EagerStart, CurrentTaskAndContext_AreThoseOfTheTaskAndThenAgainOfTheCaller) {
  run([]() -> task<> {
    static context_var<int> number(0);
    auto outer_token = number.set(1);
    std::string inner_name;
    int inherited = 0;
    const auto inside = [&]() -> task<> {
      inner_name = this_task::name();
      inherited = number.get();
      number.set(2);
      co_return;
    };

    auto child = spawn({.name = "inside", .eager_start = true}, inside);

    EXPECT_EQ(inner_name, "inside");
    EXPECT_EQ(inherited, 1);
    EXPECT_EQ(number.get(), 1);
    EXPECT_NE(this_task::name(), "inside");
    co_await child;
    number.reset(std::move(outer_token));
  });
}

TEST_P(EagerStart, CancelOfATaskThatHasEnded_HasNoEffect) {
  run([]() -> task<> {
    std::string log;
    auto child = spawn(append(log, 'a'), eager);

    EXPECT_FALSE(child.cancel());

    co_await child;
    EXPECT_FALSE(child.cancelled());
  });
}

TEST_P(EagerStart, CancelOfATaskThatHasSuspended_StopsIt) {
  run([]() -> task<> {
    std::string log;
    event never;
    auto child = spawn(append_around_a_wait(log, never), eager);

    EXPECT_TRUE(child.cancel());

    EXPECT_THROW(co_await child, cancelled_error);
    EXPECT_EQ(log, "1");
  });
}

TEST_P(EagerStart, ChildThatFailsInTheSpawnOfItsGroup_DoesNotAbortTheCall) {
  run([]() -> task<> {
    bool call_returned = false, body_went_on = false;
    const auto fail = []() -> task<> {
      throw std::runtime_error("failed");
      co_return;
    };
    const auto body = [&](task_group& group) -> task<> {
      (void)group.spawn(eager, fail);
      call_returned = true;
      co_await yield();
      body_went_on = true;
    };

    EXPECT_THROW(co_await with_task_group(body), exception_group);

    EXPECT_TRUE(call_returned);
    EXPECT_FALSE(body_went_on);
  });
}

TEST_P(EagerStart, ForkOfTheCaller_IsStillItsOwn) {
  run([]() -> task<> {
    const auto number = [](int n) -> task<int> { co_return n; };
    auto first = fork(number(1));
    auto child = spawn(
        [](const auto& make) -> task<int> {
          auto inner = fork(make(2));
          co_return co_await inner;
        },
        number);
    auto eager_child = spawn(eager, [&]() -> task<int> {
      auto inner = fork(number(3));
      co_return co_await inner;
    });

    EXPECT_EQ(co_await first, 1);
    EXPECT_EQ(co_await child, 2);
    EXPECT_EQ(co_await eager_child, 3);
  });
}

task<int> count_down(int levels) {
  if (levels == 0) co_return 0;
  co_return 1 + co_await spawn(count_down(levels - 1), eager);
}

TEST_P(EagerStart, VeryDeepNesting_DoesNotUseUpTheStack) {
  run([]() -> task<> { EXPECT_EQ(co_await count_down(20'000), 20'000); });
}

TEST_P(EagerStart, SpawnFromAnotherThread_IsQueued) {
  run([]() -> task<> {
    std::string log;
    runtime& here = runtime::current();
    auto child = co_await to_thread([&] { return here.spawn(append(log, 'a'), eager); });
    co_await child;
    EXPECT_EQ(log, "a");
  });
}

// Each child is resumed elsewhere as soon as it waits, maybe before the spawn has returned.
TEST_P(EagerStart, ChildrenThatAreWokenAtOnce_AllEnd) {
  run([]() -> task<> {
    constexpr int count = 2'000;
    std::atomic<int> ended{0};
    const auto wait_a_moment = [](std::atomic<int>& counter) -> task<> {
      co_await yield();
      counter.fetch_add(1, std::memory_order_relaxed);
    };
    co_await with_task_group([&](task_group& group) -> task<> {
      for (int i = 0; i < count; ++i) (void)group.spawn(eager, wait_a_moment, std::ref(ended));
      co_return;
    });
    EXPECT_EQ(ended, count);
  });
}

}  // namespace
}  // namespace weft::testing
