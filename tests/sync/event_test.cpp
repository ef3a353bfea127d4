#include "every_runtime.h"
#include <weft/runtime/select.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/event.h>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

class Event : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Event, every_kind(), name_of);

constinit event made_before_main;

task<> note_when_set(event& awaited, std::atomic<int>& woken) {
  co_await awaited.wait();
  ++woken;
}

TEST_P(Event, Set_WakesEverybodyWhoWaits) {
  run([]() -> task<> {
    event ready;
    std::atomic<int> woken = 0;
    std::vector<join_handle<>> waiters;
    for (int i = 0; i < 5; ++i) {
      waiters.push_back(co_await spawn_waiting(note_when_set, std::ref(ready), std::ref(woken)));
    }
    EXPECT_TRUE(ready.has_waiters());

    ready.set();
    for (auto& each : waiters) co_await each;

    EXPECT_EQ(woken, 5);
    EXPECT_FALSE(ready.has_waiters());
    EXPECT_TRUE(ready.is_set());
  });
}

TEST_P(Event, SetEvent_LetsPassUntilItIsCleared) {
  run([]() -> task<> {
    event ready;
    std::atomic<int> woken = 0;
    ready.set();
    co_await ready.wait();
    co_await ready.wait();

    ready.clear();
    auto waiter = co_await spawn_waiting(note_when_set, std::ref(ready), std::ref(woken));

    EXPECT_FALSE(waiter.done());
    EXPECT_FALSE(ready.is_set());
    ready.set();
    co_await waiter;
  });
}

TEST_P(Event, SetAndClear_WakesAllWhoWaited) {
  run([]() -> task<> {
    event ready;
    std::atomic<int> woken = 0;
    auto first = co_await spawn_waiting(note_when_set, std::ref(ready), std::ref(woken));
    auto second = co_await spawn_waiting(note_when_set, std::ref(ready), std::ref(woken));

    ready.set();
    ready.clear();
    co_await first;
    co_await second;

    EXPECT_EQ(woken, 2);
    EXPECT_FALSE(ready.is_set());
  });
}

TEST_P(Event, CancelledWaiter_LeavesNothingBehind) {
  run([]() -> task<> {
    event never;
    std::atomic<int> woken = 0;
    auto waiter = co_await spawn_waiting(note_when_set, std::ref(never), std::ref(woken));

    waiter.cancel();

    EXPECT_EQ(co_await end_of(waiter), ending::cancelled);
    EXPECT_FALSE(never.has_waiters());
  });
}

TEST_P(Event, WaiterCancelledAfterSet_HasPassed) {
  run([]() -> task<> {
    event ready;
    std::atomic<int> woken = 0;
    auto waiter = co_await spawn_waiting(note_when_set, std::ref(ready), std::ref(woken));

    ready.set();
    waiter.cancel();

    EXPECT_EQ(co_await end_of(waiter), ending::value);
    EXPECT_EQ(woken, 1);
  });
}

TEST_P(Event, MadeBeforeAnyRuntime_Works) {
  made_before_main.clear();
  run([]() -> task<> {
    std::atomic<int> woken = 0;
    auto waiter =
        co_await spawn_waiting(note_when_set, std::ref(made_before_main), std::ref(woken));
    made_before_main.set();
    co_await waiter;
  });
}

// Who has seen the event set may destroy it at once, whatever set() still has to do.
TEST_P(Event, DestroyedByWhoSawItSet_IsNotTouchedAnyMore) {
  run([]() -> task<> {
    for (int i = 0; i < 500; ++i) {
      auto ready = std::make_unique<event>();
      auto setter = spawn([&target = *ready]() -> task<> {
        target.set();
        co_return;
      });
      if (i % 2 == 0) {
        co_await ready->wait();
      } else {
        while (!ready->is_set()) co_await yield();
      }
      ready.reset();
      co_await setter;
    }
  });
}

TEST_P(Event, ManyWaitsInASelect_OnlyOneWins) {
  run([]() -> task<> {
    event first;
    event second;
    auto selecting = co_await spawn_waiting([&]() -> task<std::size_t> {
      auto which = co_await select(first.wait(), second.wait());
      co_return which.index();
    });

    second.set();
    const std::size_t winner = co_await selecting;

    EXPECT_EQ(winner, 1u);
    EXPECT_FALSE(first.has_waiters());
  });
}

TEST(EventInTime, TimedOutWait_LeavesNothingBehind) {
  test_runtime rt;

  rt.run([]() -> task<> {
    event never;
    bool timed_out = false;
    try {
      co_await wait_for(never.wait(), 50ms);
    } catch (const timeout_error&) {
      timed_out = true;
    }
    EXPECT_TRUE(timed_out);
    EXPECT_FALSE(never.has_waiters());
  });

  EXPECT_EQ(rt.clock().elapsed(), 50ms);
}

}  // namespace
}  // namespace weft::testing
