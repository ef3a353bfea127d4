#include "runtimes.h"
#include <weft/runtime/runtime.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/test_runtime.h>
#include <weft/runtime/timeout.h>
#include <weft/runtime/to_thread.h>
#include <weft/sync/event.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

// ---- Virtual time ------------------------------------------------------------------------------

TEST(TestRuntime, Sleep_TakesExactlyItsTime) {
  test_runtime rt;

  rt.run([]() -> task<> { co_await sleep(123'456'789ns); });

  EXPECT_EQ(rt.clock().elapsed(), 123'456'789ns);
}

TEST(TestRuntime, Time_StandsStillWhileTasksRun) {
  test_runtime rt;

  rt.run([]() -> task<> {
    const clock::time_point begin = now();
    for (int i = 0; i < 1000; ++i) co_await yield();
    EXPECT_EQ(now(), begin);
  });

  EXPECT_EQ(rt.clock().elapsed(), 0ns);
}

TEST(TestRuntime, Years_TakeNoRealTime) {
  test_runtime rt;
  const auto begin = std::chrono::steady_clock::now();

  rt.run([]() -> task<> {
    for (int day = 0; day < 3650; ++day) co_await sleep(24h);
  });

  EXPECT_EQ(rt.clock().elapsed(), 3650 * 24h);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 24h);
}

TEST(TestRuntime, Timers_FireInTheOrderOfTheirTimes) {
  test_runtime rt;
  std::vector<int> order;

  rt.run([&]() -> task<> {
    std::vector<join_handle<>> sleepers;
    for (const int at : {5, 1, 4, 2, 3}) {
      sleepers.push_back(spawn([](std::vector<int>& log, int when) -> task<> {
        co_await sleep(std::chrono::nanoseconds(when));  // far below a tick of the wheel
        log.push_back(when);
      }(order, at)));
    }
    for (auto& each : sleepers) co_await each;
  });

  EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4, 5}));
  EXPECT_EQ(rt.clock().elapsed(), 5ns);
}

TEST(TestRuntime, Clock_IsTheOneThatTasksSee) {
  test_runtime rt;

  rt.run([&]() -> task<> {
    co_await sleep(10ms);
    EXPECT_EQ(now(), rt.clock().now());
    EXPECT_EQ(runtime::current().now(), rt.clock().now());
  });

  EXPECT_NE(now(), rt.clock().now());  // outside it is the kernel's
}

TEST(TestRuntime, TimeGoesOn_FromRunToRun) {
  test_runtime rt;

  rt.run([]() -> task<> { co_await sleep(1s); });
  rt.run([]() -> task<> { co_await sleep(2s); });

  EXPECT_EQ(rt.clock().elapsed(), 3s);
}

TEST(TestRuntime, TwoRuntimes_HaveTheirOwnTimes) {
  test_runtime one;
  test_runtime two;

  one.run([]() -> task<> { co_await sleep(1s); });
  two.run([]() -> task<> { co_await sleep(1h); });

  EXPECT_EQ(one.clock().elapsed(), 1s);
  EXPECT_EQ(two.clock().elapsed(), 1h);
}

TEST(TestRuntime, BlockingCall_HoldsTheTime) {
  test_runtime rt;

  rt.run([]() -> task<> {
    std::atomic<bool> slept{false};
    auto sleeper = co_await spawn_waiting([&]() -> task<> {
      co_await sleep(1h);
      slept = true;
    });

    const bool seen = co_await to_thread([&] {
      for (int i = 0; i < 1000; ++i) std::this_thread::yield();
      return slept.load();
    });

    EXPECT_FALSE(seen);
    co_await sleeper;
  });

  EXPECT_EQ(rt.clock().elapsed(), 1h);
}

// ---- run ---------------------------------------------------------------------------------------

TEST(TestRuntime, Run_GivesTheValueOrTheException) {
  test_runtime rt;

  const std::unique_ptr<int> value =
      rt.run([]() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); });
  const auto fail = []() -> task<> {
    co_await yield();
    throw std::runtime_error("main");
  };

  EXPECT_EQ(*value, 7);
  EXPECT_THROW(rt.run(fail), std::runtime_error);
}

TEST(TestRuntime, WhatIsLeft_IsCancelledAndAwaited) {
  test_runtime rt;
  bool cleaned = false;

  rt.run([&]() -> task<> {
    auto leftover = co_await spawn_waiting([&]() -> task<> {
      try {
        co_await sleep(1h);
      } catch (const cancelled_error&) {
        cleaned = true;
      }
    });
    leftover.detach();
  });

  EXPECT_TRUE(cleaned);
  EXPECT_EQ(rt.clock().elapsed(), 0ns);
}

TEST(TestRuntime, WhatIsLeftOfAFailedMain_IsCancelledToo) {
  test_runtime rt;
  bool cleaned = false;
  const auto failing = [&]() -> task<> {
    auto leftover = co_await spawn_waiting([&]() -> task<> {
      try {
        co_await sleep(1h);
      } catch (const cancelled_error&) {
        cleaned = true;
      }
    });
    leftover.detach();
    throw std::runtime_error("main");
  };

  EXPECT_THROW(rt.run(failing), std::runtime_error);

  EXPECT_TRUE(cleaned);
}

TEST(TestRuntime, Options_ExceptForTheWorkersCount) {
  static std::string told;
  told.clear();
  test_runtime rt({.workers = 4, .exception_handler = [](const exception_context& context) {
                     told = context.message;
                   }});

  rt.run([]() -> task<> {
    auto child = spawn([]() -> task<> {
      throw std::runtime_error("child");
      co_return;
    });
    while (!child.done()) co_await yield();
  });

  EXPECT_THAT(told, HasSubstr("never retrieved"));
}

TEST(TestRuntime, Everything_RunsOnTheThreadThatCallsRun) {
  test_runtime rt;
  const auto caller = std::this_thread::get_id();

  rt.run([&]() -> task<> {
    co_await sleep(1s);
    EXPECT_EQ(std::this_thread::get_id(), caller);
  });
}

TEST(TestRuntime, Inner_IsTheRuntimeOfTheTasks) {
  test_runtime rt;

  runtime* const seen = rt.run([]() -> task<runtime*> { co_return &runtime::current(); });

  EXPECT_EQ(seen, &rt.inner());
}

TEST(TestRuntime, CallsFromOtherThreads_AreServedInVirtualTimeToo) {
  test_runtime rt;
  event called;
  std::thread caller;

  rt.run([&]() -> task<> {
    co_await to_thread([&] {  // holds the time until the call is there
      caller = std::thread([&] { rt.inner().call_soon([&] { called.set(); }); });
      caller.join();
    });
    co_await called.wait();
  });

  EXPECT_TRUE(called.is_set());
}

// ---- Deadlock ----------------------------------------------------------------------------------

TEST(TestRuntimeDeadlock, NothingThatCanEverRun_IsAnErrorThatNamesTheTasks) {
  test_runtime rt;
  event never;
  std::string what;
  const auto wait = [&]() -> task<> { co_await never.wait(); };

  try {
    rt.run([&]() -> task<> {
      auto first = spawn(wait(), {.name = "first"});
      auto second = spawn(wait(), {.name = "second"});
      co_await first;
      co_await second;
    });
  } catch (const deadlock_error& error) {
    what = error.what();
  }

  EXPECT_THAT(what, AllOf(HasSubstr("deadlock"), HasSubstr("main"), HasSubstr("first"),
                          HasSubstr("second")));
  EXPECT_FALSE(never.has_waiters());  // they were cancelled
}

TEST(TestRuntimeDeadlock, PendingTimer_IsNone) {
  test_runtime rt;
  event gate;

  rt.run([&]() -> task<> {
    auto opener = spawn([&]() -> task<> {
      co_await sleep(24h);
      gate.set();
    });
    co_await gate.wait();
    co_await opener;
  });

  EXPECT_EQ(rt.clock().elapsed(), 24h);
}

TEST(TestRuntimeDeadlock, RuntimeAfterOne_IsUsable) {
  test_runtime rt;
  event never;
  EXPECT_THROW(rt.run([&]() -> task<> { co_await never.wait(); }), deadlock_error);

  const int value = rt.run([]() -> task<int> {
    co_await sleep(1s);
    co_return 7;
  });

  EXPECT_EQ(value, 7);
}

TEST(TestRuntimeDeadlock, CleanUpThatWaitsForEver_EndsToo) {
  test_runtime rt;
  rt.inner().set_exception_handler([](const exception_context&) {});
  event never;

  EXPECT_THROW(rt.run([&]() -> task<> {
    try {
      co_await never.wait();
    } catch (const cancelled_error&) {  // waits again, for nothing
    }
    co_await never.wait();
  }),
               deadlock_error);
}

}  // namespace
}  // namespace weft::testing
