#include "manual_gate.h"
#include "running_task.h"
#include "runtimes.h"
#include <weft/runtime/detail/time_limit.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/sleep.h>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <utility>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using detail::time_limit;

TEST(TimeLimit, LimitThatIsEndedInTime_LeavesNothing) {
  run_task([]() -> task<> {
    time_limit limit;
    EXPECT_FALSE(limit.active());
    limit.start(now() + 10ms, false);
    EXPECT_TRUE(limit.active());
    EXPECT_EQ(take_ledger().timers, 1);

    co_await sleep(5ms);
    EXPECT_FALSE(limit.finish());

    EXPECT_FALSE(limit.active());
    EXPECT_FALSE(limit.expired());
    EXPECT_EQ(take_ledger().timers, 0);
    co_await sleep(10ms);  // nothing comes
    EXPECT_EQ(detail::cancelling(current()), 0);
  });
}

TEST(TimeLimit, LimitThatPasses_CancelsTheTaskAndTakesTheRequestBack) {
  run_task([]() -> task<> {
    manual_gate gate;
    const clock::time_point begin = now();
    time_limit limit;
    limit.start(begin + 10ms, false);

    const auto ended = co_await catch_all(gate.wait());

    EXPECT_TRUE(ended.threw<cancelled_error>());
    EXPECT_EQ(now() - begin, 10ms);
    EXPECT_TRUE(limit.expired());
    EXPECT_EQ(detail::cancelling(current()), 1);
    EXPECT_TRUE(limit.finish());
    EXPECT_EQ(detail::cancelling(current()), 0);
    EXPECT_TRUE(limit.expired());
  });
}

TEST(TimeLimit, LimitThatIsOverAtItsStart_IsSeenAtTheFirstSuspension) {
  run_task([]() -> task<> {
    time_limit limit;
    limit.start(now(), true);

    EXPECT_TRUE(limit.expired());
    const auto ended = co_await catch_all(yield());

    EXPECT_TRUE(ended.threw<cancelled_error>());
    EXPECT_TRUE(limit.finish());
  });
}

TEST(TimeLimit, PassedLimitThatNobodySaw_IsWithdrawn) {
  run_task([]() -> task<> {
    time_limit limit;
    limit.start(now(), true);

    EXPECT_TRUE(limit.finish());

    EXPECT_FALSE(detail::request_pending(current()));
    co_await yield();
  });
}

TEST(TimeLimit, NoLimit_ArmsNothing) {
  run_task([]() -> task<> {
    time_limit limit;
    limit.start(clock::time_point::max(), false);

    EXPECT_EQ(take_ledger().timers, 0);
    EXPECT_FALSE(limit.finish());
    co_return;
  });
}

TEST(TimeLimit, AnotherRequestBesideIt_IsNotItsOwn) {
  run_task([]() -> task<> {
    manual_gate gate;
    auto limited = co_await spawn_waiting([&]() -> task<> {
      time_limit limit;
      limit.start(now() + 10ms, false);
      const auto ended = co_await catch_all(gate.wait());
      EXPECT_TRUE(ended.threw<cancelled_error>());
      co_await catch_all(sleep(20ms));  // meanwhile it passes too
      EXPECT_TRUE(limit.expired());
      EXPECT_FALSE(limit.finish());
      EXPECT_EQ(detail::cancelling(current()), 1);
    });
    limited.cancel();
    const ending how = co_await ending_of(limited);
    EXPECT_EQ(how, ending::value);
  });
}

TEST(TimeLimit, EarlierRequest_StaysCounted) {
  run_task([]() -> task<> {
    detail::cancel(current());
    (void)detail::consume_request(current());  // handled
    time_limit limit;
    limit.start(now(), true);

    EXPECT_TRUE(limit.finish());

    EXPECT_EQ(detail::uncancel(current()), 0);
    co_return;
  });
}

TEST(TimeLimit, Reschedule_MovesIt) {
  run_task([]() -> task<> {
    manual_gate gate;
    const clock::time_point begin = now();
    time_limit limit;
    EXPECT_FALSE(limit.reschedule(begin + 1s));  // not started
    limit.start(begin + 10ms, false);

    EXPECT_TRUE(limit.reschedule(begin + 30ms));
    EXPECT_EQ(limit.when(), begin + 30ms);
    EXPECT_EQ(take_ledger().timers, 1);
    (void)co_await catch_all(gate.wait());

    EXPECT_EQ(now() - begin, 30ms);
    EXPECT_FALSE(limit.reschedule(begin + 1s));  // expired
    EXPECT_TRUE(limit.finish());
    EXPECT_FALSE(limit.reschedule(begin + 1s));  // ended
  });
}

TEST(TimeLimit, RescheduleToThePast_PassesAtOnce) {
  run_task([]() -> task<> {
    time_limit limit;
    limit.start(now() + 10ms, false);

    EXPECT_TRUE(limit.reschedule(now()));

    EXPECT_TRUE(limit.expired());
    EXPECT_TRUE(limit.finish());
    co_return;
  });
}

TEST(TimeLimit, RescheduleToTheEndOfTime_TakesItAway) {
  run_task([]() -> task<> {
    time_limit limit;
    limit.start(now() + 10ms, false);

    EXPECT_TRUE(limit.reschedule(clock::time_point::max()));
    EXPECT_EQ(take_ledger().timers, 0);
    co_await sleep(20ms);
    EXPECT_TRUE(limit.reschedule(now() + 5ms));
    const auto ended = co_await catch_all(sleep(1h));

    EXPECT_TRUE(ended.threw<cancelled_error>());
    EXPECT_TRUE(limit.finish());
  });
}

// The limit passes on one worker while the task ends it on another: afterwards nothing reaches the
// task.
TEST(TimeLimitRace, EndAgainstExpiry_LeavesNoRequestBehind) {
  std::mt19937_64 random(stress_seed());
  int expired = 0;
  weft::run(
      [&]() -> task<> {
        for (int round = 0; round < 1000; ++round) {
          time_limit limit;
          limit.start(now() + std::chrono::microseconds(random() % 200), false);
          // Busy, so that the other worker fires the timer while this one ends it.
          const clock::time_point until = now() + std::chrono::microseconds(random() % 400);
          while (now() < until) {
          }
          if (round % 4 == 0) (void)co_await catch_all(yield());
          expired += limit.finish() ? 1 : 0;
          EXPECT_EQ(detail::cancelling(current()), 0);
          EXPECT_FALSE(detail::request_pending(current()));
        }
        co_await yield();
      },
      {.workers = 2});
  EXPECT_GE(expired, 0);
}

}  // namespace
}  // namespace weft::testing
