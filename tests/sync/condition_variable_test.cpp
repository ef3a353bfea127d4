#include "every_runtime.h"
#include <weft/runtime/select.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/condition_variable.h>
#include <weft/sync/event.h>
#include <weft/sync/mutex.h>
#include <weft/sync/shared_mutex.h>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

class ConditionVariable : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, ConditionVariable, every_kind(), name_of);

constinit condition_variable made_before_main;

/// What one test is about: a lock, a condition, and a log that the lock protects.
struct stage {
  mutex lock;
  condition_variable changed;
  std::string log;
  bool ready = false;
};

task<> wait_and_note(stage& on, char name) {
  lock_guard guard = co_await on.lock.lock();
  co_await on.changed.wait(guard);
  EXPECT_TRUE(guard.owns_lock());
  EXPECT_TRUE(on.lock.locked());
  on.log += name;
}

task<> wait_until_ready(stage& on, char name) {
  lock_guard guard = co_await on.lock.lock();
  co_await on.changed.wait(guard, [&on] { return on.ready; });
  on.log += name;
}

TEST_P(ConditionVariable, WaitWithoutTheLock_Throws) {
  run([]() -> task<> {
    stage on;
    lock_guard none;
    bool threw = false;
    try {
      co_await on.changed.wait(none);
    } catch (const invalid_state_error&) {
      threw = true;
    }
    EXPECT_TRUE(threw);

    shared_mutex other;
    lock_guard exclusive = co_await other.lock();
    threw = false;
    try {
      co_await on.changed.wait(exclusive);
    } catch (const invalid_state_error&) {
      threw = true;
    }
    EXPECT_TRUE(threw);
  });
}

TEST_P(ConditionVariable, Wait_UnlocksWhileItWaits) {
  run([]() -> task<> {
    stage on;
    auto waiter = co_await spawn_waiting(wait_and_note, std::ref(on), 'a');

    EXPECT_FALSE(on.lock.locked());
    on.changed.notify_one();
    co_await waiter;
    EXPECT_FALSE(on.lock.locked());
    EXPECT_EQ(on.log, "a");
  });
}

TEST_P(ConditionVariable, NotifyOne_WakesAsManyAsAskedInTheirOrder) {
  run([]() -> task<> {
    stage on;
    std::vector<join_handle<>> waiters;
    for (const char name : {'a', 'b', 'c', 'd'}) {
      waiters.push_back(co_await spawn_waiting(wait_and_note, std::ref(on), name));
    }

    on.changed.notify_one();
    co_await waiters[0];
    EXPECT_EQ(on.log, "a");
    on.changed.notify_one(2);
    co_await waiters[1];
    co_await waiters[2];
    EXPECT_EQ(on.log, "abc");
    on.changed.notify_one(100);
    co_await waiters[3];
    on.changed.notify_one();  // nobody waits

    EXPECT_EQ(on.log, "abcd");
  });
}

TEST_P(ConditionVariable, NotifyAll_WakesEverybodyInOrder) {
  run([]() -> task<> {
    stage on;
    std::vector<join_handle<>> waiters;
    for (const char name : {'a', 'b', 'c'}) {
      waiters.push_back(co_await spawn_waiting(wait_and_note, std::ref(on), name));
    }

    on.changed.notify_all();
    for (auto& each : waiters) co_await each;

    EXPECT_EQ(on.log, "abc");
    EXPECT_FALSE(on.changed.has_waiters());
  });
}

TEST_P(ConditionVariable, NotifiedWaiter_WaitsForTheLock) {
  run([]() -> task<> {
    stage on;
    auto waiter = co_await spawn_waiting(wait_and_note, std::ref(on), 'a');
    lock_guard guard = co_await on.lock.lock();

    on.changed.notify_one();
    co_await until_waiting(waiter);
    EXPECT_EQ(on.log, "");
    EXPECT_FALSE(waiter.done());

    guard.unlock();
    co_await waiter;
    EXPECT_EQ(on.log, "a");
  });
}

TEST_P(ConditionVariable, CancelledWait_HasTheLockWhenItThrows) {
  run([]() -> task<> {
    stage on;
    auto waiter = co_await spawn_waiting([&]() -> task<> {
      lock_guard guard = co_await on.lock.lock();
      try {
        co_await on.changed.wait(guard);
      } catch (const cancelled_error&) {
        EXPECT_TRUE(on.lock.locked());
        on.log += "cancelled";
        throw;
      }
    });
    lock_guard guard = co_await on.lock.lock();

    waiter.cancel();
    co_await yield();
    EXPECT_FALSE(waiter.done());  // however long it takes
    EXPECT_EQ(on.log, "");
    waiter.cancel();  // again, while it waits for the lock
    guard.unlock();

    EXPECT_EQ(co_await end_of(waiter), ending::cancelled);
    EXPECT_EQ(on.log, "cancelled");
    EXPECT_FALSE(on.lock.locked());
  });
}

TEST_P(ConditionVariable, CancelledWaitOfAFreeLock_HasItAtOnce) {
  run([]() -> task<> {
    stage on;
    auto waiter = co_await spawn_waiting(wait_and_note, std::ref(on), 'a');

    waiter.cancel();

    EXPECT_EQ(co_await end_of(waiter), ending::cancelled);
    EXPECT_FALSE(on.lock.locked());
    EXPECT_FALSE(on.changed.has_waiters());
  });
}

TEST_P(ConditionVariable, TaskCancelledBeforeItsWait_ThrowsWithTheLock) {
  run([]() -> task<> {
    stage on;
    event go;
    auto waiter = co_await spawn_waiting([&]() -> task<> {
      co_await go.wait();
      lock_guard guard = co_await on.lock.lock();
      try {
        co_await on.changed.wait(guard);
      } catch (const cancelled_error&) {
        EXPECT_TRUE(on.lock.locked());
        throw;
      }
    });

    go.set();
    waiter.cancel();

    EXPECT_EQ(co_await end_of(waiter), ending::cancelled);
    EXPECT_FALSE(on.lock.locked());
  });
}

TEST_P(ConditionVariable, WaiterCancelledAfterItsNotification_ReturnsWithTheLock) {
  run([]() -> task<> {
    stage on;
    bool returned = false;
    auto waiter = co_await spawn_waiting([&]() -> task<> {
      lock_guard guard = co_await on.lock.lock();
      co_await on.changed.wait(guard);
      returned = true;
      EXPECT_TRUE(on.lock.locked());
      EXPECT_EQ(this_task::cancelling(), 2);
      co_await yield();  // the request is delivered here, once
    });
    lock_guard guard = co_await on.lock.lock();

    on.changed.notify_one();
    waiter.cancel();
    waiter.cancel();
    guard.unlock();

    EXPECT_EQ(co_await end_of(waiter), ending::cancelled);
    EXPECT_TRUE(returned);
    EXPECT_FALSE(on.lock.locked());
  });
}

TEST_P(ConditionVariable, WaiterCancelledInTheLine_LeavesTheNotificationToTheNext) {
  run([]() -> task<> {
    stage on;
    auto first = co_await spawn_waiting(wait_and_note, std::ref(on), 'a');
    auto second = co_await spawn_waiting(wait_and_note, std::ref(on), 'b');

    first.cancel();
    on.changed.notify_one();
    co_await second;

    EXPECT_EQ(co_await end_of(first), ending::cancelled);
    EXPECT_EQ(on.log, "b");
  });
}

TEST_P(ConditionVariable, Predicate_IsTestedUntilItHolds) {
  run([]() -> task<> {
    stage on;
    auto waiter = co_await spawn_waiting(wait_until_ready, std::ref(on), 'a');

    on.changed.notify_one();
    co_await until_waiting(waiter);
    EXPECT_FALSE(waiter.done());
    {
      const lock_guard guard = co_await on.lock.lock();
      on.ready = true;
      on.changed.notify_one();
    }
    co_await waiter;

    EXPECT_EQ(on.log, "a");
    EXPECT_FALSE(on.lock.locked());
  });
}

TEST_P(ConditionVariable, PredicateThatHolds_NeedsNoLock) {
  run([]() -> task<> {
    stage on;
    lock_guard none;
    co_await on.changed.wait(none, [] { return true; });
    EXPECT_FALSE(on.lock.locked());
  });
}

TEST_P(ConditionVariable, PredicateThatThrows_ThrowsFromTheWaitWithTheLock) {
  run([]() -> task<> {
    stage on;
    auto waiter = co_await spawn_waiting([&]() -> task<> {
      lock_guard guard = co_await on.lock.lock();
      try {
        co_await on.changed.wait(guard, [&on]() -> bool {
          if (on.ready) throw std::runtime_error("predicate");
          return false;
        });
      } catch (const std::runtime_error&) {
        EXPECT_TRUE(on.lock.locked());
        throw;
      }
    });

    on.ready = true;
    on.changed.notify_all();

    EXPECT_EQ(co_await end_of(waiter), ending::error);
    EXPECT_FALSE(on.lock.locked());
  });
}

TEST_P(ConditionVariable, CancelledPredicateWait_HasTheLockWhenItThrows) {
  run([]() -> task<> {
    stage on;
    auto waiter = co_await spawn_waiting(wait_until_ready, std::ref(on), 'a');
    lock_guard guard = co_await on.lock.lock();

    waiter.cancel();
    guard.unlock();

    EXPECT_EQ(co_await end_of(waiter), ending::cancelled);
    EXPECT_EQ(on.log, "");
    EXPECT_FALSE(on.lock.locked());
  });
}

TEST_P(ConditionVariable, SeveralConditions_ShareALock) {
  run([]() -> task<> {
    stage on;
    condition_variable other;
    auto waiter = co_await spawn_waiting(wait_and_note, std::ref(on), 'a');
    auto second = co_await spawn_waiting([&]() -> task<> {
      lock_guard guard = co_await on.lock.lock();
      co_await other.wait(guard);
      on.log += 'b';
    });

    other.notify_one();
    co_await second;
    EXPECT_EQ(on.log, "b");
    on.changed.notify_one();
    co_await waiter;
    EXPECT_EQ(on.log, "ba");
  });
}

TEST_P(ConditionVariable, LosingWaitOfASelect_HasTheLockAgain) {
  run([]() -> task<> {
    stage on;
    event ready;
    auto selecting = co_await spawn_waiting([&]() -> task<std::size_t> {
      lock_guard guard = co_await on.lock.lock();
      auto first = co_await select(on.changed.wait(guard), ready.wait());
      EXPECT_TRUE(on.lock.locked());
      co_return first.index();
    });

    ready.set();
    const std::size_t winner = co_await selecting;

    EXPECT_EQ(winner, 1u);
    EXPECT_FALSE(on.lock.locked());
    EXPECT_FALSE(on.changed.has_waiters());
  });
}

TEST_P(ConditionVariable, MadeBeforeAnyRuntime_Works) {
  run([]() -> task<> {
    mutex lock;
    auto waiter = co_await spawn_waiting([&]() -> task<> {
      lock_guard guard = co_await lock.lock();
      co_await made_before_main.wait(guard);
    });
    made_before_main.notify_one();
    co_await waiter;
  });
}

TEST_P(ConditionVariable, TimedOutWait_HasTheLockWhenItThrows) {
  run([]() -> task<> {
    stage on;
    auto waiter = co_await spawn_waiting([&]() -> task<bool> {
      lock_guard guard = co_await on.lock.lock();
      bool timed_out = false;
      try {
        co_await wait_for(on.changed.wait(guard), 1ms);
      } catch (const timeout_error&) {
        timed_out = true;
      }
      EXPECT_TRUE(guard.owns_lock());
      on.log += "owner ";
      co_return timed_out;
    });
    {
      const lock_guard guard = co_await on.lock.lock();
      while (on.changed.has_waiters()) co_await sleep(100us);
      for (int i = 0; i < 20; ++i) co_await yield();
      on.log += "other ";
    }

    EXPECT_TRUE(co_await waiter);
    EXPECT_TRUE(on.log == "other owner " || on.log == "owner other ") << on.log;
    EXPECT_FALSE(on.lock.locked());
  });
}

TEST(ConditionVariableInTime, TimedOutWait_HasTheLock) {
  test_runtime rt;

  rt.run([]() -> task<> {
    stage on;
    lock_guard guard = co_await on.lock.lock();
    bool timed_out = false;
    try {
      co_await wait_for(on.changed.wait(guard), 50ms);
    } catch (const timeout_error&) {
      timed_out = true;
    }
    EXPECT_TRUE(timed_out);
    EXPECT_TRUE(on.lock.locked());

    timed_out = false;
    try {
      const deadline limit(50ms);
      co_await on.changed.wait(guard, [] { return false; });
    } catch (const timeout_error&) {
      timed_out = true;
    }
    EXPECT_TRUE(timed_out);
    EXPECT_TRUE(on.lock.locked());
    EXPECT_FALSE(on.changed.has_waiters());
  });

  EXPECT_EQ(rt.clock().elapsed(), 100ms);
}

// A bounded buffer by hand, cancelled at random: what was put is taken once or still there.
TEST(ConditionVariableStress, Cancellations_LoseNoNotification) {
  const std::uint64_t seed = stress_seed();

  run(
      [seed]() -> task<> {
        std::mt19937_64 random(seed);
        for (int round = 0; round < 200; ++round) {
          mutex lock;
          condition_variable room;
          condition_variable filled;
          int items = 0;
          int put = 0;
          int taken = 0;
          std::vector<join_handle<>> tasks;
          for (int i = 0; i < 8; ++i) {
            tasks.push_back(spawn([&]() -> task<> {
              for (int turn = 0; turn < 6; ++turn) {
                lock_guard guard = co_await lock.lock();
                co_await room.wait(guard, [&] { return items < 2; });
                ++items;
                ++put;
                filled.notify_one();
              }
            }));
            tasks.push_back(spawn([&]() -> task<> {
              for (int turn = 0; turn < 6; ++turn) {
                lock_guard guard = co_await lock.lock();
                while (items == 0) co_await filled.wait(guard);
                --items;
                ++taken;
                room.notify_one();
              }
            }));
          }
          const bool all_finish = round % 2 == 0;
          for (auto& each : tasks) {
            if (!all_finish && random() % 3 == 0) each.cancel();
            if (random() % 4 == 0) co_await yield();
          }
          if (!all_finish) {
            co_await yield();
            for (auto& each : tasks) each.cancel();
          }
          for (auto& each : tasks) (void)co_await end_of(each);
          EXPECT_EQ(put, taken + items);
          EXPECT_FALSE(lock.locked());
          EXPECT_FALSE(room.has_waiters() || filled.has_waiters());
        }
      },
      {.workers = 4});
}

}  // namespace
}  // namespace weft::testing
