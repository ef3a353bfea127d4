#include "runtimes.h"
#include <weft/runtime/sleep.h>
#include <weft/sync/event.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

class Sleep : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Sleep, every_kind(), name_of);
class SleepOrder : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, SleepOrder, kinds_in_order(), name_of);
class SleepInRealTime : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, SleepInRealTime,
                         ::testing::Values(runtime_kind::one_worker, runtime_kind::four_workers),
                         name_of);
class Interval : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Interval, every_kind(), name_of);

// Named without its parentheses: the house looks for calls that block a thread.
constexpr auto wake_at = &weft::sleep_until;

template <class A>
task<> in_a_task(A awaited) {
  co_await std::move(awaited);
}
task<> note_after(std::string& log, clock::duration d, char name) {
  co_await sleep(d);
  log += name;
}

// ---- sleep --------------------------------------------------------------------------------------

TEST(SleepInTime, Sleep_TakesExactlyItsDuration) {
  test_runtime rt;

  rt.run([]() -> task<> { co_await sleep(1h + 1ns); });

  EXPECT_EQ(rt.clock().elapsed(), 1h + 1ns);
}

TEST(SleepInTime, Sleep_CountsFromTheAwait) {
  test_runtime rt;

  rt.run([]() -> task<> {
    auto later = sleep(1h);
    co_await sleep(1min);
    co_await std::move(later);
  });

  EXPECT_EQ(rt.clock().elapsed(), 1h + 1min);
}

TEST(SleepInTime, SleepMadeOutsideOfTheRuntime_CountsOnItsClock) {
  test_runtime rt;

  rt.run(in_a_task(sleep(1h)));

  EXPECT_EQ(rt.clock().elapsed(), 1h);
}

TEST_P(Sleep, Sleep_NeverEndsEarly) {
  run([]() -> task<> {
    for (const auto d :
         {1ns, 999ns, 1'000ns, 65'535ns, 65'536ns, 65'537ns, 300'000ns, 1'234'567ns}) {
      const auto begin = now();

      co_await sleep(d);

      EXPECT_GE(now() - begin, d);
    }
  });
}

TEST_P(Sleep, ManySleeps_NeverEndEarlyAndAllEnd) {
  run([]() -> task<> {
    std::vector<join_handle<>> sleepers;
    for (int i = 0; i < 500; ++i) {
      sleepers.push_back(spawn([i]() -> task<> {
        const auto d = std::chrono::microseconds((i * 7919) % 5000);
        const auto begin = now();
        co_await sleep(d);
        EXPECT_GE(now() - begin, d);
      }));
    }

    for (auto& each : sleepers) co_await each;
  });
}

/// The least of the delays after their deadlines with which so many sleeps have ended. The least,
/// because a busy machine may make any one of them late.
task<clock::duration> best_lateness_of(int sleeps) {
  clock::duration best = clock::duration::max();
  for (int i = 0; i < sleeps; ++i) {
    const clock::time_point due = now() + 100us + i * 7us;  // at all places of a tick
    co_await wake_at(due);
    best = std::min(best, now() - due);
  }
  co_return best;
}
// A tick of the wheel, 65 us, and the wake-up of a thread, for which this is generous.
constexpr clock::duration generous_wake_up = 10ms;

TEST_P(Sleep, Lateness_IsATickAndAWakeUp) {
  run([]() -> task<> {
    const clock::duration late = co_await best_lateness_of(50);
    EXPECT_LE(late, (1 << 16) * 1ns + generous_wake_up);
  });
}

TEST_P(SleepInRealTime, LatenessBesideATaskThatYields_IsABatchMore) {
  run([]() -> task<> {
    bool over = false;
    auto yielding = spawn_local([&]() -> task<> {
      while (!over) co_await yield();
    });
    auto sleeping = spawn_local([]() -> task<> {
      const clock::duration late = co_await best_lateness_of(50);
      EXPECT_LE(late, (1 << 16) * 1ns + 100us + generous_wake_up);
    });
    co_await sleeping;
    co_await spawn_local([&]() -> task<> {
      over = true;
      co_return;
    });
    co_await yielding;
  });
}

// Looks at the descriptors are counted, no time is measured.
TEST(SleepOfOneWorker, ShortSleeps_DoNotSpin) {
  runtime rt({.workers = 1});
  constexpr int sleeps = 100;
  const std::uint64_t before = rt.metrics().reactor_polls;

  rt.run([]() -> task<> {
    for (int i = 0; i < sleeps; ++i) co_await sleep(200us);
  });

  EXPECT_LE(rt.metrics().reactor_polls - before, std::uint64_t{8} * sleeps);
}

TEST(SleepInTime, Lateness_IsNone) {
  test_runtime rt;

  EXPECT_EQ(rt.run(best_lateness_of(50)), 0ns);
}

TEST_P(SleepOrder, EarliestDeadline_WakesFirst) {
  run([]() -> task<> {
    std::string log;
    std::vector<join_handle<>> sleepers;
    sleepers.push_back(spawn(note_after(log, 4ms, 'd')));
    sleepers.push_back(spawn(note_after(log, 1ms, 'a')));
    sleepers.push_back(spawn(note_after(log, 3ms, 'c')));
    sleepers.push_back(spawn(note_after(log, 2ms, 'b')));

    for (auto& each : sleepers) co_await each;

    EXPECT_EQ(log, "abcd");
  });
}

TEST(SleepInTime, ManyDeadlines_WakeInTheirOrder) {
  test_runtime rt;

  rt.run([]() -> task<> {
    std::vector<clock::duration> woken;
    std::vector<join_handle<>> sleepers;
    for (int i = 0; i < 2000; ++i) {
      // From nanoseconds to months: every level of the timers.
      const auto d = clock::duration((i * 7919LL % 2003) << (i % 40));
      sleepers.push_back(spawn([&woken, d]() -> task<> {
        co_await sleep(d);
        woken.push_back(d);
      }));
    }

    for (auto& each : sleepers) co_await each;

    EXPECT_EQ(woken.size(), 2000u);
    EXPECT_TRUE(std::is_sorted(woken.begin(), woken.end()));
  });
}

TEST_P(SleepOrder, SleepOfZero_GivesWayOnce) {
  run([]() -> task<> {
    for (const auto none : {0ms, -1ms, -1'000'000ms}) {
      std::string log;
      auto other = spawn([&]() -> task<> {
        log += 'a';
        co_await yield();
        log += 'b';
      });

      co_await sleep(none);
      log += '-';
      co_await other;

      EXPECT_EQ(log, "a-b");
    }
  });
}

TEST_P(Sleep, SleepOfZero_IsACancellationPoint) {
  run([]() -> task<> {
    join_handle<> self;
    event assigned;
    self = spawn([&]() -> task<> {
      co_await assigned.wait();
      self.cancel();
      co_await sleep(0s);
      ADD_FAILURE() << "slept";
    });

    assigned.set();
    const ending how = co_await ending_of(self);

    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(Sleep, CancelledSleep_DisarmsItsTimerAtOnce) {
  run([]() -> task<> {
    auto sleeper = co_await spawn_waiting([]() -> task<> { co_await sleep(1h); });
    EXPECT_EQ(take_ledger().timers, 1);

    sleeper.cancel();

    EXPECT_EQ(take_ledger().timers, 0);
    const ending how = co_await ending_of(sleeper);
    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(Sleep, CancelledSleeps_CostNoMemory) {
  run([]() -> task<> {
    for (int round = 0; round < 20; ++round) {
      std::vector<join_handle<>> sleepers;
      for (int i = 0; i < 100; ++i) sleepers.push_back(spawn(sleep(std::chrono::hours(1 + i))));
      co_await until_waiting(sleepers.back());
      for (auto& each : sleepers) each.cancel();
      for (auto& each : sleepers) (void)co_await ending_of(each);
      EXPECT_EQ(take_ledger().timers, 0);
    }
  });
}

TEST(SleepInTime, CancelledSleep_TakesNoTime) {
  test_runtime rt;

  rt.run([]() -> task<> {
    auto sleeper = co_await spawn_waiting([]() -> task<> { co_await sleep(1h); });
    sleeper.cancel();
    (void)co_await ending_of(sleeper);
  });

  EXPECT_EQ(rt.clock().elapsed(), 0ns);
}

TEST_P(Sleep, SleepOfAnyUnit_IsRoundedUp) {
  run([]() -> task<> {
    const auto begin = now();

    co_await sleep(std::chrono::duration<double, std::micro>(0.3));

    EXPECT_GE(now() - begin, 1ns);
  });
}

TEST_P(Sleep, VeryLongSleep_DoesNotOverflow) {
  run([]() -> task<> {
    std::vector<join_handle<>> sleepers;
    sleepers.push_back(spawn(sleep(std::chrono::hours::max())));
    sleepers.push_back(spawn(sleep(std::chrono::nanoseconds::max())));
    sleepers.push_back(
        spawn(sleep(std::chrono::duration<double>(std::numeric_limits<double>::infinity()))));
    for (auto& each : sleepers) co_await until_waiting(each);

    co_await sleep(1ms);

    for (auto& each : sleepers) {
      EXPECT_FALSE(each.done());
      each.cancel();
    }
  });
}

TEST_P(Sleep, VeryNegativeSleep_GivesWayOnce) {
  run([]() -> task<> {
    co_await sleep(std::chrono::hours::min());
    co_await sleep(-std::chrono::duration<double>(std::numeric_limits<double>::infinity()));
  });
}

TEST_P(Sleep, SleepOfNotANumber_IsRefused) {
  run([]() -> task<> {
    const std::chrono::duration<double> strange(std::numeric_limits<double>::quiet_NaN());

    EXPECT_THROW((void)sleep(strange), std::invalid_argument);
    co_return;
  });
}

TEST_P(Sleep, SecondAwait_Throws) {
  run([]() -> task<> {
    auto once = sleep(1us);
    co_await once;

    bool refused = false;
    try {
      co_await once;
    } catch (const invalid_state_error&) {
      refused = true;
    }

    EXPECT_TRUE(refused);
  });
}

TEST_P(Sleep, SleepThatIsNeverAwaited_ArmsNothing) {
  run([]() -> task<> {
    [[maybe_unused]] const auto dropped = sleep(1h);
    EXPECT_EQ(take_ledger().timers, 0);
    co_return;
  });
}

// ---- sleep_until --------------------------------------------------------------------------------

TEST(SleepInTime, SleepUntil_EndsAtThatMoment) {
  test_runtime rt;

  rt.run([]() -> task<> {
    const auto when = now() + 7ms;
    co_await sleep(3ms);

    co_await wake_at(when);

    EXPECT_EQ(now(), when);
  });
}

TEST(SleepInTime, SleepUntilMadeOutsideOfTheRuntime_IsOfItsClock) {
  test_runtime rt;

  rt.run(in_a_task(wake_at(rt.clock().now() + 1ms)));

  EXPECT_EQ(rt.clock().elapsed(), 1ms);
}

TEST_P(SleepOrder, SleepUntilThePast_GivesWayOnce) {
  run([]() -> task<> {
    bool other_ran = false;
    auto other = spawn([&]() -> task<> {
      other_ran = true;
      co_return;
    });

    co_await wake_at(now() - 1h);

    EXPECT_TRUE(other_ran);
    co_await other;
  });
}

TEST_P(Sleep, SleepUntilTheEndOfTime_WaitsUntilItIsCancelled) {
  run([]() -> task<> {
    auto sleeper =
        co_await spawn_waiting([]() -> task<> { co_await wake_at(clock::time_point::max()); });

    co_await sleep(1ms);
    EXPECT_FALSE(sleeper.done());
    sleeper.cancel();
    const ending how = co_await ending_of(sleeper);

    EXPECT_EQ(how, ending::cancelled);
  });
}

// ---- interval -----------------------------------------------------------------------------------

TEST(IntervalInTime, FirstTick_ComesAtOnce) {
  test_runtime rt;

  rt.run([]() -> task<> {
    interval every(10ms);

    const auto first = co_await every.tick();

    EXPECT_EQ(first, now());
  });

  EXPECT_EQ(rt.clock().elapsed(), 0ns);
}

TEST(IntervalInTime, Ticks_ComeEachPeriodHoweverLongTheWorkTakes) {
  test_runtime rt;

  rt.run([]() -> task<> {
    const auto begin = now();
    interval every(10ms);
    for (int i = 0; i < 5; ++i) {
      const auto due = co_await every.tick();
      EXPECT_EQ(due, begin + 10ms * i);
      EXPECT_EQ(now(), due);
      co_await sleep(4ms);
    }
  });

  EXPECT_EQ(rt.clock().elapsed(), 44ms);
}

/// The times, in ms, at which ticks are given when the work after the first one takes 35 ms.
std::vector<long> ticks_after_a_delay(missed_tick policy) {
  test_runtime rt;
  std::vector<long> times;
  rt.run([&]() -> task<> {
    const auto begin = now();
    interval every(10ms, policy);
    (void)co_await every.tick();
    co_await sleep(35ms);
    for (int i = 0; i < 5; ++i) {
      (void)co_await every.tick();
      times.push_back((now() - begin) / 1ms);
    }
  });
  return times;
}

TEST(IntervalInTime, Burst_CatchesUpAtOnce) {
  EXPECT_EQ(ticks_after_a_delay(missed_tick::burst), (std::vector<long>{35, 35, 35, 40, 50}));
}

TEST(IntervalInTime, Delay_StartsAnewFromTheLateTick) {
  EXPECT_EQ(ticks_after_a_delay(missed_tick::delay), (std::vector<long>{35, 45, 55, 65, 75}));
}

TEST(IntervalInTime, Skip_DropsTheMissedOnes) {
  EXPECT_EQ(ticks_after_a_delay(missed_tick::skip), (std::vector<long>{35, 40, 50, 60, 70}));
}

TEST(IntervalInTime, CancelledTick_IsNotLost) {
  test_runtime rt;

  rt.run([]() -> task<> {
    const auto begin = now();
    interval every(10ms);
    (void)co_await every.tick();
    auto ticking = co_await spawn_waiting([&]() -> task<> { (void)co_await every.tick(); });
    ticking.cancel();
    (void)co_await ending_of(ticking);

    const auto due = co_await every.tick();

    EXPECT_EQ(due, begin + 10ms);
  });
}

interval made_as_a_global(10ms);

TEST(IntervalInTime, FirstTickOfAGlobal_ComesAtOnceAndTheNextAPeriodLater) {
  test_runtime rt;

  rt.run([]() -> task<> {
    co_await sleep(3ms);
    const auto begin = now();
    EXPECT_EQ(co_await made_as_a_global.tick(), begin);
    EXPECT_EQ(co_await made_as_a_global.tick(), begin + 10ms);
    EXPECT_EQ(now(), begin + 10ms);
  });

  EXPECT_EQ(rt.clock().elapsed(), 13ms);
}

TEST(IntervalInTime, OneMadeInACallback_CountsFromThere) {
  test_runtime rt;

  rt.run([]() -> task<> {
    const auto begin = now();
    std::optional<interval> every;
    call_soon([&] { every.emplace(10ms); });
    co_await sleep(25ms);

    EXPECT_EQ(co_await every->tick(), begin);
    EXPECT_EQ(co_await every->tick(), begin + 10ms);
  });
}

TEST_P(Interval, OneMadeBeforeTheRun_CountsFromItsFirstTick) {
  interval every(1ms, missed_tick::skip);

  run([&]() -> task<> {
    co_await sleep(5ms);
    const auto begin = now();

    const auto first = co_await every.tick();
    const auto second = co_await every.tick();

    EXPECT_GE(first, begin);
    EXPECT_EQ(second, first + 1ms);
    EXPECT_GE(now(), second);
  });
}

TEST_P(Interval, Ticks_NeverComeEarly) {
  run([]() -> task<> {
    const auto begin = now();
    interval every(500us);
    for (int i = 0; i < 5; ++i) {
      (void)co_await every.tick();
      EXPECT_GE(now() - begin, 500us * i);
    }
  });
}

TEST_P(Interval, PeriodOfZero_IsRefused) {
  run([]() -> task<> {
    EXPECT_THROW(interval(0ms), std::invalid_argument);
    EXPECT_THROW(interval(-1ms), std::invalid_argument);
    co_return;
  });
}

}  // namespace
}  // namespace weft::testing
