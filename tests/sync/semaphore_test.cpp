#include "every_runtime.h"
#include <weft/runtime/select.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/event.h>
#include <weft/sync/semaphore.h>

#include <gtest/gtest.h>

#include <algorithm>
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

class Semaphore : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Semaphore, every_kind(), name_of);

constinit semaphore made_before_main(1);

// Takes `count` permits for good.
task<> take_and_keep(semaphore& from, std::string& log, char name, std::ptrdiff_t count) {
  permit taken = co_await from.acquire(count);
  log += name;
  taken.forget();
}

TEST(SemaphoreValue, NegativeStart_Throws) {
  EXPECT_THROW(semaphore(-1), std::invalid_argument);
  EXPECT_THROW(bounded_semaphore(-1), std::invalid_argument);
}

TEST_P(Semaphore, Limit_IsNeverExceeded) {
  run([]() -> task<> {
    semaphore three(3);
    int inside = 0;
    int most = 0;
    semaphore counting(1);
    std::vector<join_handle<>> tasks;
    for (int i = 0; i < 30; ++i) {
      tasks.push_back(spawn([&]() -> task<> {
        const permit taken = co_await three.acquire();
        {
          const permit alone = co_await counting.acquire();
          most = std::max(most, ++inside);
        }
        co_await yield();
        const permit alone = co_await counting.acquire();
        --inside;
      }));
    }
    for (auto& each : tasks) co_await each;

    EXPECT_LE(most, 3);
    EXPECT_EQ(three.available(), 3);
  });
}

TEST_P(Semaphore, Release_ServesTheOldestWaiters) {
  run([]() -> task<> {
    semaphore none(0);
    std::string order;
    std::vector<join_handle<>> waiters;
    for (const char name : {'a', 'b', 'c', 'd'}) {
      waiters.push_back(co_await spawn_waiting(take_and_keep, std::ref(none), std::ref(order), name,
                                               std::ptrdiff_t{1}));
    }

    for (auto& each : waiters) {
      none.release();
      co_await each;
    }

    EXPECT_EQ(order, "abcd");
    EXPECT_EQ(none.available(), 0);
  });
}

TEST_P(Semaphore, Newcomer_DoesNotOvertakeAWaiterThatWasWoken) {
  run([]() -> task<> {
    semaphore none(0);
    std::string order;
    auto waiter = co_await spawn_waiting(take_and_keep, std::ref(none), std::ref(order), 'a',
                                         std::ptrdiff_t{1});

    none.release();
    const permit barged = none.try_acquire();

    EXPECT_FALSE(barged);
    EXPECT_EQ(none.available(), 0);
    co_await waiter;
  });
}

TEST_P(Semaphore, Releases_LetInExactlyAsMany) {
  run([]() -> task<> {
    semaphore none(0);
    std::string order;
    std::vector<join_handle<>> waiters;
    for (const char name : {'a', 'b', 'c'}) {
      waiters.push_back(co_await spawn_waiting(take_and_keep, std::ref(none), std::ref(order), name,
                                               std::ptrdiff_t{1}));
    }

    none.release(2);
    co_await waiters[0];
    co_await waiters[1];
    co_await until_waiting(waiters[2]);

    EXPECT_FALSE(waiters[2].done());
    none.release();
    co_await waiters[2];
    EXPECT_EQ(none.available(), 0);
  });
}

TEST_P(Semaphore, WaiterForMany_IsNotStarvedByThoseBehindIt) {
  run([]() -> task<> {
    semaphore some(1);
    std::string order;
    auto many = co_await spawn_waiting(take_and_keep, std::ref(some), std::ref(order), 'm',
                                       std::ptrdiff_t{3});
    auto one = co_await spawn_waiting(take_and_keep, std::ref(some), std::ref(order), 'o',
                                      std::ptrdiff_t{1});

    EXPECT_FALSE(some.try_acquire());
    some.release(2);
    co_await many;
    EXPECT_FALSE(one.done());
    some.release();
    co_await one;

    EXPECT_EQ(order, "mo");
    EXPECT_EQ(some.available(), 0);
  });
}

TEST_P(Semaphore, CancelledWaiterForMany_LetsThoseBehindItPass) {
  run([]() -> task<> {
    semaphore some(1);
    std::string order;
    auto many = co_await spawn_waiting(take_and_keep, std::ref(some), std::ref(order), 'm',
                                       std::ptrdiff_t{3});
    auto one = co_await spawn_waiting(take_and_keep, std::ref(some), std::ref(order), 'o',
                                      std::ptrdiff_t{1});

    many.cancel();
    co_await one;

    EXPECT_EQ(co_await end_of(many), ending::cancelled);
    EXPECT_EQ(order, "o");
    EXPECT_EQ(some.available(), 0);
  });
}

TEST_P(Semaphore, WaiterCancelledInTheLine_ConsumesNoPermit) {
  run([]() -> task<> {
    semaphore none(0);
    std::string order;
    auto first = co_await spawn_waiting(take_and_keep, std::ref(none), std::ref(order), 'a',
                                        std::ptrdiff_t{1});
    auto second = co_await spawn_waiting(take_and_keep, std::ref(none), std::ref(order), 'b',
                                         std::ptrdiff_t{1});

    first.cancel();
    none.release();
    co_await second;

    EXPECT_EQ(order, "b");
    EXPECT_EQ(co_await end_of(first), ending::cancelled);
  });
}

TEST_P(Semaphore, WaiterCancelledAfterItsGrant_GivesThePermitBack) {
  run([]() -> task<> {
    semaphore none(0);
    auto chosen = co_await spawn_waiting([&]() -> task<> {
      const permit taken = co_await none.acquire();
      co_await yield();
    });

    none.release();
    chosen.cancel();
    (void)co_await end_of(chosen);

    EXPECT_EQ(none.available(), 1);
  });
}

TEST_P(Semaphore, TaskCancelledBeforeItWaits_TakesNothing) {
  run([]() -> task<> {
    semaphore none(0);
    event go;
    auto waiter = co_await spawn_waiting([&]() -> task<> {
      co_await go.wait();
      const permit taken = co_await none.acquire();
    });

    go.set();
    waiter.cancel();

    EXPECT_EQ(co_await end_of(waiter), ending::cancelled);
    none.release();
    EXPECT_EQ(none.available(), 1);
  });
}

TEST_P(Semaphore, FreePermit_IsNoCancellationPoint) {
  run([]() -> task<> {
    semaphore one(1);
    event go;
    auto waiter = co_await spawn_waiting([&]() -> task<bool> {
      co_await go.wait();
      permit taken = co_await one.acquire();
      const bool had_it = static_cast<bool>(taken);
      co_return had_it;
    });

    go.set();
    waiter.cancel();
    const bool had_it = co_await waiter;

    EXPECT_TRUE(had_it);
    EXPECT_EQ(one.available(), 1);
  });
}

TEST_P(Semaphore, AnyTask_MayRelease) {
  run([]() -> task<> {
    semaphore one(1);
    one.release();
    EXPECT_EQ(one.available(), 2);

    permit taken = co_await one.acquire(2);
    co_await spawn(
        [](permit moved) -> task<> {
          EXPECT_EQ(moved.count(), 2);
          co_return;
        },
        std::move(taken));
    EXPECT_EQ(one.available(), 2);
  });
}

TEST_P(Semaphore, Permit_IsReleasedOrForgotten) {
  run([]() -> task<> {
    semaphore two(2);
    permit first = co_await two.acquire();
    permit second = co_await two.acquire();
    EXPECT_EQ(two.available(), 0);

    first.release();
    EXPECT_FALSE(first);
    EXPECT_EQ(two.available(), 1);
    second.forget();
    EXPECT_FALSE(second);
    EXPECT_EQ(two.available(), 1);
  });
}

TEST_P(Semaphore, AcquireOfNothing_PassesAtOnce) {
  run([]() -> task<> {
    semaphore none(0);
    const permit nothing = co_await none.acquire(0);
    EXPECT_TRUE(nothing);
    EXPECT_EQ(none.available(), 0);
  });
}

TEST_P(Semaphore, BoundedRelease_RefusesToExceedTheStart) {
  run([]() -> task<> {
    bounded_semaphore two(2);
    EXPECT_THROW(two.release(), std::logic_error);
    EXPECT_EQ(two.available(), 2);

    permit taken = co_await two.acquire(2);
    taken.forget();
    EXPECT_THROW(two.release(3), std::logic_error);
    two.release(2);
    EXPECT_EQ(two.available(), 2);
  });
}

TEST_P(Semaphore, BoundedAcquireOfMoreThanThereAre_Throws) {
  run([]() -> task<> {
    bounded_semaphore two(2);
    bool threw = false;
    try {
      const permit taken = co_await two.acquire(3);
    } catch (const std::invalid_argument&) {
      threw = true;
    }
    EXPECT_TRUE(threw);
    EXPECT_EQ(two.available(), 2);
  });
}

TEST_P(Semaphore, Close_FailsThoseWhoWaitAndThoseWhoCome) {
  run([]() -> task<> {
    semaphore none(0);
    std::string order;
    auto waiter = co_await spawn_waiting(take_and_keep, std::ref(none), std::ref(order), 'a',
                                         std::ptrdiff_t{1});

    none.close();
    EXPECT_EQ(co_await end_of(waiter), ending::error);
    EXPECT_THROW(waiter.result(), invalid_state_error);
    none.release();
    EXPECT_FALSE(none.try_acquire());
    bool threw = false;
    try {
      const permit taken = co_await none.acquire();
    } catch (const invalid_state_error&) {
      threw = true;
    }
    EXPECT_TRUE(threw);
    EXPECT_EQ(none.available(), 1);
  });
}

TEST_P(Semaphore, MadeBeforeAnyRuntime_Works) {
  run([]() -> task<> {
    const permit taken = co_await made_before_main.acquire();
    EXPECT_EQ(made_before_main.available(), 0);
  });
  EXPECT_EQ(made_before_main.available(), 1);
}

TEST_P(Semaphore, LosingAcquireOfASelect_TakesNoPermit) {
  run([]() -> task<> {
    semaphore none(0);
    event ready;
    auto selecting = co_await spawn_waiting([&]() -> task<std::size_t> {
      auto first = co_await select(none.acquire(), ready.wait());
      co_return first.index();
    });

    ready.set();
    const std::size_t winner = co_await selecting;
    none.release();

    EXPECT_EQ(winner, 1u);
    EXPECT_EQ(none.available(), 1);
  });
}

// The release meets a select that has another winner already: the permit goes to the next waiter.
TEST_P(Semaphore, ReleaseToASelectThatIsDecided_ServesTheNextWaiter) {
  run([]() -> task<> {
    semaphore none(0);
    semaphore other(0);
    std::string order;
    auto selecting = co_await spawn_waiting([&]() -> task<std::size_t> {
      auto first = co_await select(none.acquire(), other.acquire());
      co_return first.index();
    });
    auto next = co_await spawn_waiting(take_and_keep, std::ref(none), std::ref(order), 'n',
                                       std::ptrdiff_t{1});

    other.release();
    none.release();
    const std::size_t winner = co_await selecting;
    co_await next;

    EXPECT_EQ(winner, 1u);
    EXPECT_EQ(none.available(), 0);
    EXPECT_EQ(other.available(), 1);
  });
}

TEST(SemaphoreInTime, TimedOutAcquire_GivesUpItsPlace) {
  test_runtime rt;

  rt.run([]() -> task<> {
    semaphore none(0);
    bool timed_out = false;
    try {
      const permit taken = co_await wait_for(none.acquire(), 50ms);
    } catch (const timeout_error&) {
      timed_out = true;
    }
    EXPECT_TRUE(timed_out);
    none.release();
    EXPECT_EQ(none.available(), 1);
  });

  EXPECT_EQ(rt.clock().elapsed(), 50ms);
}

TEST(SemaphoreStress, Cancellations_ConserveThePermits) {
  const std::uint64_t seed = stress_seed();

  run(
      [seed]() -> task<> {
        constexpr std::ptrdiff_t permits = 5;
        semaphore shared(permits);
        std::mt19937_64 random(seed);
        for (int round = 0; round < 200; ++round) {
          std::vector<join_handle<>> tasks;
          for (int i = 0; i < 16; ++i) {
            tasks.push_back(spawn(
                [&](std::uint64_t choice) -> task<> {
                  for (int turn = 0; turn < 4; ++turn) {
                    const permit taken =
                        co_await shared.acquire(static_cast<std::ptrdiff_t>(choice % permits) + 1);
                    choice /= permits;
                    if ((choice & 1) != 0) co_await yield();
                  }
                },
                random()));
          }
          for (auto& each : tasks) {
            if (random() % 3 == 0) each.cancel();
            if (random() % 4 == 0) co_await yield();
          }
          for (auto& each : tasks) (void)co_await end_of(each);
          EXPECT_EQ(shared.available(), permits);
        }
      },
      {.workers = 4});
}

}  // namespace
}  // namespace weft::testing
