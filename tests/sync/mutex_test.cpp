#include "every_runtime.h"
#include <weft/runtime/select.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/event.h>
#include <weft/sync/mutex.h>

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

class Mutex : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Mutex, every_kind(), name_of);

constinit mutex made_before_main;

task<> append_locked(mutex& shared, std::string& log, char name) {
  const lock_guard guard = co_await shared.lock();
  log += name;
}

TEST_P(Mutex, Lock_AdmitsOneTaskAtATime) {
  run([]() -> task<> {
    mutex shared;
    int inside = 0;
    int most = 0;
    std::vector<join_handle<>> tasks;
    for (int i = 0; i < 50; ++i) {
      tasks.push_back(spawn([&]() -> task<> {
        const lock_guard guard = co_await shared.lock();
        most = std::max(most, ++inside);
        co_await yield();
        --inside;
      }));
    }
    for (auto& each : tasks) co_await each;

    EXPECT_EQ(most, 1);
    EXPECT_FALSE(shared.locked());
  });
}

TEST_P(Mutex, Unlock_HandsTheLockToTheOldestWaiter) {
  run([]() -> task<> {
    mutex shared;
    std::string order;
    lock_guard guard = co_await shared.lock();
    std::vector<join_handle<>> waiters;
    for (const char name : {'a', 'b', 'c'}) {
      waiters.push_back(
          co_await spawn_waiting(append_locked, std::ref(shared), std::ref(order), name));
    }

    guard.unlock();
    for (auto& each : waiters) co_await each;

    EXPECT_EQ(order, "abc");
  });
}

TEST_P(Mutex, Newcomer_QueuesBehindTheWaiterThatWasChosen) {
  run([]() -> task<> {
    mutex shared;
    event go;
    lock_guard guard = co_await shared.lock();
    auto waiter = co_await spawn_waiting([&]() -> task<> {
      const lock_guard own = co_await shared.lock();
      co_await go.wait();
    });

    guard.unlock();
    lock_guard barged = shared.try_lock();

    EXPECT_FALSE(barged);
    EXPECT_TRUE(shared.locked());
    go.set();
    co_await waiter;
  });
}

TEST_P(Mutex, CancelledWaiter_IsSkipped) {
  run([]() -> task<> {
    mutex shared;
    std::string order;
    lock_guard guard = co_await shared.lock();
    auto first = co_await spawn_waiting(append_locked, std::ref(shared), std::ref(order), 'a');
    auto second = co_await spawn_waiting(append_locked, std::ref(shared), std::ref(order), 'b');

    first.cancel();
    EXPECT_EQ(co_await end_of(first), ending::cancelled);
    guard.unlock();
    co_await second;

    EXPECT_EQ(order, "b");
    EXPECT_FALSE(shared.locked());
  });
}

TEST_P(Mutex, WaiterCancelledAfterItsGrant_HasTheLockAndPassesItOn) {
  run([]() -> task<> {
    mutex shared;
    bool had_it = false;
    std::string order;
    lock_guard guard = co_await shared.lock();
    auto chosen = co_await spawn_waiting([&]() -> task<> {
      const lock_guard own = co_await shared.lock();
      had_it = true;
      co_await yield();  // the request is still pending and is delivered here
      order += "not reached";
    });
    auto next = co_await spawn_waiting(append_locked, std::ref(shared), std::ref(order), 'b');

    guard.unlock();
    const bool too_late = !chosen.cancel();  // only with several workers: it has run already
    const ending how = co_await end_of(chosen);
    co_await next;

    EXPECT_TRUE(had_it);
    EXPECT_EQ(how, too_late ? ending::value : ending::cancelled);
    EXPECT_EQ(order.back(), 'b');
    EXPECT_FALSE(shared.locked());
  });
}

TEST_P(Mutex, UnlockOfAFreeMutex_Throws) {
  run([]() -> task<> {
    mutex shared;
    EXPECT_THROW(shared.unlock(), invalid_state_error);
    {
      const lock_guard guard = co_await shared.lock();
    }
    EXPECT_THROW(shared.unlock(), invalid_state_error);
  });
}

TEST_P(Mutex, AnyTask_MayUnlock) {
  run([]() -> task<> {
    mutex shared;
    lock_guard guard = co_await shared.lock();
    co_await spawn(
        [](lock_guard taken) -> task<> {
          EXPECT_TRUE(taken.owns_lock());
          co_return;
        },
        std::move(guard));

    EXPECT_FALSE(guard);
    EXPECT_FALSE(shared.locked());
  });
}

TEST_P(Mutex, Guard_UnlocksOnEveryWayOut) {
  run([]() -> task<> {
    mutex shared;
    event never;
    auto returns = spawn([&]() -> task<> { const lock_guard guard = co_await shared.lock(); });
    co_await returns;
    EXPECT_FALSE(shared.locked());

    auto throws = spawn([&]() -> task<> {
      const lock_guard guard = co_await shared.lock();
      throw std::runtime_error("inside");
    });
    EXPECT_EQ(co_await end_of(throws), ending::error);
    EXPECT_FALSE(shared.locked());

    auto waits = co_await spawn_waiting([&]() -> task<> {
      const lock_guard guard = co_await shared.lock();
      co_await never.wait();
    });
    EXPECT_TRUE(shared.locked());
    waits.cancel();
    EXPECT_EQ(co_await end_of(waits), ending::cancelled);
    EXPECT_FALSE(shared.locked());
  });
}

TEST_P(Mutex, MadeBeforeAnyRuntime_Works) {
  run([]() -> task<> {
    lock_guard guard = co_await made_before_main.lock();
    std::string order;
    auto waiter =
        co_await spawn_waiting(append_locked, std::ref(made_before_main), std::ref(order), 'a');
    guard.unlock();
    co_await waiter;
    EXPECT_EQ(order, "a");
  });
}

TEST_P(Mutex, TryLock_NeverWaits) {
  run([]() -> task<> {
    mutex shared;
    lock_guard first = shared.try_lock();
    EXPECT_TRUE(first);
    EXPECT_FALSE(shared.try_lock());
    first.unlock();
    EXPECT_FALSE(first);
    EXPECT_TRUE(shared.try_lock());
    co_return;
  });
}

TEST_P(Mutex, LockThatIsNeverAwaited_LocksNothing) {
  run([]() -> task<> {
    mutex shared;
    {
      auto dropped = shared.lock();
      auto moved = std::move(dropped);
      EXPECT_FALSE(shared.locked());
    }
    EXPECT_FALSE(shared.locked());
    co_return;
  });
}

TEST_P(Mutex, SecondAwaitOfALock_Throws) {
  run([]() -> task<> {
    mutex shared;
    auto operation = shared.lock();
    {
      const lock_guard guard = co_await operation;
    }
    bool threw = false;
    try {
      const lock_guard guard = co_await operation;
    } catch (const invalid_state_error&) {
      threw = true;
    }
    EXPECT_TRUE(threw);
    EXPECT_FALSE(shared.locked());
  });
}

TEST_P(Mutex, GuardMovedOverAnother_UnlocksThatOne) {
  run([]() -> task<> {
    mutex a;
    mutex b;
    lock_guard guard = co_await a.lock();
    lock_guard other = co_await b.lock();
    guard = std::move(other);
    EXPECT_FALSE(a.locked());
    EXPECT_TRUE(b.locked());
    EXPECT_FALSE(other);
  });
}

TEST_P(Mutex, LosingLockOfASelect_TakesNothing) {
  run([]() -> task<> {
    mutex shared;
    event ready;
    lock_guard guard = co_await shared.lock();
    auto selecting = co_await spawn_waiting([&]() -> task<std::size_t> {
      auto first = co_await select(shared.lock(), ready.wait());
      co_return first.index();
    });

    ready.set();
    const std::size_t winner = co_await selecting;
    guard.unlock();

    EXPECT_EQ(winner, 1u);
    EXPECT_FALSE(shared.locked());
  });
}

TEST_P(Mutex, WinningLockOfASelect_IsInTheVariant) {
  run([]() -> task<> {
    mutex shared;
    event never;
    lock_guard guard = co_await shared.lock();
    auto selecting = co_await spawn_waiting([&]() -> task<bool> {
      auto first = co_await select(never.wait(), shared.lock());
      co_return first.index() == 1 && std::get<1>(first).owns_lock() && shared.locked();
    });

    guard.unlock();
    const bool locked = co_await selecting;

    EXPECT_TRUE(locked);
    EXPECT_FALSE(shared.locked());
    EXPECT_FALSE(never.has_waiters());
  });
}

TEST(MutexInTime, TimedOutLock_GivesUpItsPlace) {
  test_runtime rt;

  rt.run([]() -> task<> {
    mutex shared;
    lock_guard guard = co_await shared.lock();
    bool timed_out = false;
    try {
      const lock_guard second = co_await wait_for(shared.lock(), 50ms);
    } catch (const timeout_error&) {
      timed_out = true;
    }
    guard.unlock();
    EXPECT_TRUE(timed_out);
    EXPECT_FALSE(shared.locked());
  });

  EXPECT_EQ(rt.clock().elapsed(), 50ms);
}

TEST(MutexOfTwoRuntimes, Locks_ExcludeEachOther) {
  mutex shared;
  int counter = 0;
  const auto count = [&] {
    run(
        [&]() -> task<> {
          for (int i = 0; i < 2000; ++i) {
            const lock_guard guard = co_await shared.lock();
            ++counter;
            if (i % 16 == 0) co_await yield();
          }
        },
        {.workers = 1});
  };

  std::thread other(count);
  count();
  other.join();

  EXPECT_EQ(counter, 4000);
}

// Tasks that lock, give way while they hold the lock, and are cancelled at random.
TEST(MutexStress, Cancellations_NeverLoseOrDoubleTheLock) {
  const std::uint64_t seed = stress_seed();

  run(
      [seed]() -> task<> {
        mutex shared;
        int inside = 0;
        std::size_t entered = 0;
        std::mt19937_64 random(seed);
        for (int round = 0; round < 200; ++round) {
          std::vector<join_handle<>> tasks;
          for (int i = 0; i < 16; ++i) {
            tasks.push_back(spawn(
                [&](std::uint64_t choice) -> task<> {
                  for (int turn = 0; turn < 4; ++turn) {
                    const lock_guard guard = co_await shared.lock();
                    EXPECT_EQ(++inside, 1);
                    ++entered;
                    // The lock is released with `inside` back at zero on every way out.
                    struct leave {
                      int& count;
                      ~leave() { --count; }
                    } const leaving{inside};
                    if ((choice >> turn & 1) != 0) co_await yield();
                  }
                },
                random()));
          }
          for (auto& each : tasks) {
            if (random() % 3 == 0) each.cancel();
            if (random() % 4 == 0) co_await yield();
          }
          for (auto& each : tasks) (void)co_await end_of(each);
          EXPECT_FALSE(shared.locked());
        }
        EXPECT_GT(entered, 0u);
      },
      {.workers = 4});
}

}  // namespace
}  // namespace weft::testing
