#include "runtimes.h"
#include <weft/runtime/clock.h>
#include <weft/runtime/detail/timer_wheel.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using detail::timer_node;
using detail::timer_wheel;
using ::testing::ElementsAre;

constexpr clock::duration tick(1 << 16);
// The top level ends where the seventh digit of a tick does: after 9.1 years, and again and again.
constexpr clock::duration top_level = tick * (std::int64_t{1} << 42);
constexpr clock::duration year = 365 * 24h;

constexpr clock::time_point at(clock::duration since_start) {
  return clock::time_point(since_start);
}

/// Counts how often it fires.
struct alarm : timer_node {
  explicit alarm(clock::duration since_start) {
    when = at(since_start);
    fire = [](timer_node& self) noexcept {
      ++static_cast<alarm&>(self).fired;
      self.end_fire();
    };
  }
  int fired = 0;
};

/// ... and ends with the test, armed or not.
struct armed_alarm : alarm {
  armed_alarm(timer_wheel& home, clock::duration since_start) : alarm(since_start) {
    home.arm(*this);
  }
  armed_alarm(const armed_alarm&) = delete;
  armed_alarm& operator=(const armed_alarm&) = delete;
  ~armed_alarm() { timer_wheel::disarm(*this); }
};

// ---- Arming and disarming

TEST(TimerWheel, NewWheel_IsEmpty) {
  timer_wheel wheel(at(0ns));

  EXPECT_TRUE(wheel.empty());
  EXPECT_EQ(wheel.next_deadline(), clock::time_point::max());
  EXPECT_EQ(wheel.earliest(), clock::time_point::max());
}

TEST(TimerWheel, Arm_SaysWhetherItIsTheEarliest) {
  timer_wheel wheel(at(0ns));
  alarm second(2s), first(1s), third(3s);

  EXPECT_TRUE(wheel.arm(second));
  EXPECT_TRUE(wheel.arm(first));
  EXPECT_FALSE(wheel.arm(third));

  for (alarm* each : {&first, &second, &third}) timer_wheel::disarm(*each);
}

TEST(TimerWheel, Armed_CountsTheTimersOfAllWheels) {
  timer_wheel one(at(0ns)), other(at(0ns));
  const armed_alarm a(one, 1s), b(one, 1h), c(other, 1s);

  EXPECT_EQ(one.size_approx(), 2u);
  EXPECT_EQ(timer_wheel::armed(), 3);
}

TEST(TimerWheel, Disarm_KeepsTheTimerFromFiring) {
  timer_wheel wheel(at(0ns));
  alarm timer(1s);
  wheel.arm(timer);

  EXPECT_TRUE(timer_wheel::disarm(timer));

  EXPECT_EQ(wheel.expire(at(1h)), 0u);
  EXPECT_EQ(timer.fired, 0);
}

TEST(TimerWheel, Disarm_OfATimerThatWasNeverArmed_SaysThatItWillNotFire) {
  alarm timer(1s);

  EXPECT_TRUE(timer_wheel::disarm(timer));
}

TEST(TimerWheel, Disarm_OfATimerThatHasFired_SaysSo) {
  timer_wheel wheel(at(0ns));
  alarm timer(1s);
  wheel.arm(timer);
  wheel.expire(at(2s));

  EXPECT_FALSE(timer_wheel::disarm(timer));
}

TEST(TimerWheel, FiredTimer_MayBeArmedAgain) {
  timer_wheel wheel(at(0ns));
  alarm timer(1s);
  wheel.arm(timer);
  wheel.expire(at(2s));

  timer.when = at(3s);
  wheel.arm(timer);
  wheel.expire(at(4s));

  EXPECT_EQ(timer.fired, 2);
}

TEST(TimerWheel, Copy_OfAnArmedTimer_IsIdle) {
  timer_wheel wheel(at(0ns));
  const armed_alarm timer(wheel, 1s);

  alarm copy(timer);

  EXPECT_TRUE(timer_wheel::disarm(copy));
  EXPECT_EQ(wheel.size_approx(), 1u);
}

TEST(TimerWheel, FinishDisarm_WaitsForAFireThatIsUnderWay) {
  struct slow_alarm : timer_node {
    std::atomic<bool> begun{false}, may_end{false};
    int written = 0;
  } timer;
  timer.fire = [](timer_node& self) noexcept {
    auto& slow = static_cast<slow_alarm&>(self);
    slow.begun = true;
    while (!slow.may_end) detail::cpu_relax();
    slow.written = 1;
    slow.end_fire();
  };
  timer_wheel wheel(at(0ns));
  wheel.arm(timer);
  std::thread expiring([&] { wheel.expire(at(1s)); });
  while (!timer.begun) detail::cpu_relax();
  timer.may_end = true;

  EXPECT_FALSE(timer_wheel::finish_disarm(timer));
  EXPECT_EQ(timer.written, 1);

  expiring.join();
}

// ---- Firing

TEST(TimerWheel, Expire_BeforeTheTickHasEnded_FiresNothing) {
  timer_wheel wheel(at(0ns));
  const armed_alarm timer(wheel, tick + 1ns);

  EXPECT_EQ(wheel.expire(at(2 * tick - 1ns)), 0u);
}

TEST(TimerWheel, Expire_OnceTheTickHasEnded_Fires) {
  timer_wheel wheel(at(0ns));
  const armed_alarm timer(wheel, tick + 1ns);

  EXPECT_EQ(wheel.expire(at(2 * tick)), 1u);
  EXPECT_EQ(timer.fired, 1);
}

TEST(TimerWheel, Expire_FiresATimerThatWasLateWhenItWasArmed) {
  timer_wheel wheel(at(1h));
  const armed_alarm timer(wheel, 1s);

  EXPECT_EQ(wheel.expire(at(1h + tick)), 1u);
}

TEST(TimerWheel, Expire_InThePast_ChangesNothing) {
  timer_wheel wheel(at(1h));
  const armed_alarm timer(wheel, 2h);

  EXPECT_EQ(wheel.expire(at(1s)), 0u);
  EXPECT_EQ(wheel.expire(at(2h + tick)), 1u);
}

TEST(TimerWheel, ExpireExactly_FiresToTheNanosecond) {
  timer_wheel wheel(at(0ns));
  const armed_alarm before(wheel, 1h), after(wheel, 1h + 1ns);

  EXPECT_EQ(wheel.expire_exactly(at(1h)), 1u);
  EXPECT_EQ(before.fired, 1);
  EXPECT_EQ(after.fired, 0);
}

TEST(TimerWheel, ExpireExactly_FiresATimerThatWasLateWhenItWasArmed) {
  timer_wheel wheel(at(1h));
  const armed_alarm timer(wheel, 1s);

  EXPECT_EQ(wheel.expire_exactly(at(1h)), 1u);
}

TEST(TimerWheel, TimersOfOneInstant_FireInTheOrderTheyWereArmed) {
  static std::vector<timer_node*> order;
  order.clear();
  timer_wheel wheel(at(0ns));
  alarm first(1h), second(1h);
  for (alarm* each : {&first, &second}) {
    each->fire = [](timer_node& self) noexcept { order.push_back(&self); };
    wheel.arm(*each);
  }

  wheel.expire_exactly(at(1h));

  EXPECT_THAT(order, ElementsAre(&first, &second));
}

TEST(TimerWheel, ClaimThatSaysNo_KeepsTheTimerFromFiring) {
  timer_wheel wheel(at(0ns));
  alarm timer(1s);
  timer.claim = [](timer_node&) noexcept { return false; };
  wheel.arm(timer);

  EXPECT_EQ(wheel.expire(at(2s)), 0u);
  EXPECT_TRUE(timer_wheel::disarm(timer));
  EXPECT_TRUE(wheel.empty());
}

TEST(TimerWheel, Fire_MayArmTheTimerAgain) {
  timer_wheel wheel(at(0ns));
  alarm timer(1s);
  timer.fire = [](timer_node& self) noexcept {
    ++static_cast<alarm&>(self).fired;
    self.when += 1s;
    self.wheel->arm(self);
  };
  wheel.arm(timer);

  wheel.expire(at(1s + tick));
  wheel.expire(at(2s + tick));

  EXPECT_EQ(timer.fired, 2);
  timer_wheel::disarm(timer);
}

TEST(TimerWheel, Due_IsTrueFromTheNextDeadlineOn) {
  timer_wheel wheel(at(0ns));
  const armed_alarm timer(wheel, 1s);
  const clock::time_point next = wheel.next_deadline();

  EXPECT_FALSE(wheel.due(next - 1ns));
  EXPECT_TRUE(wheel.due(next));
}

// ---- Far timers

TEST(TimerWheel, NextDeadline_OfATimerAcrossTheEndOfTheTopLevel_IsNotLate) {
  timer_wheel wheel(at(top_level - 1h));
  const armed_alarm timer(wheel, top_level + 1h);

  EXPECT_LE(wheel.next_deadline(), at(top_level + 1h + tick));
}

TEST(TimerWheel, Expire_FiresATimerAcrossTheEndOfTheTopLevel) {
  timer_wheel wheel(at(top_level - 1h));
  const armed_alarm timer(wheel, top_level + 1h);

  EXPECT_EQ(wheel.expire(at(top_level + 1h + tick)), 1u);
}

TEST(TimerWheel, TimerBeyondTheWheel_FiresInItsOwnTick) {
  timer_wheel wheel(at(1h));
  const armed_alarm timer(wheel, 100 * year);

  EXPECT_EQ(wheel.expire(at(100 * year - tick)), 0u);
  EXPECT_EQ(wheel.expire(at(100 * year + tick)), 1u);
}

TEST(TimerWheel, TimerAtTheEndOfTime_NeverFires) {
  timer_wheel wheel(at(0ns));
  alarm timer(0ns);
  timer.when = clock::time_point::max();
  wheel.arm(timer);

  EXPECT_EQ(wheel.expire(at(290 * year)), 0u);
  EXPECT_TRUE(timer_wheel::disarm(timer));
}

TEST(TimerWheel, Earliest_SeesBehindATimerThatWaitsInFrontForTheWheelToComeRound) {
  timer_wheel wheel(at(0ns));
  const armed_alarm far(wheel, 100 * year);
  wheel.expire_exactly(at(1 * year));
  const armed_alarm near(wheel, 9 * year + year / 2);

  EXPECT_EQ(wheel.earliest(), near.when);
}

TEST(TimerWheel, Earliest_IsExactOnEveryLevel) {
  timer_wheel wheel(at(0ns));
  for (clock::duration d = 1ns; d < 90 * year; d *= 3) {
    const armed_alarm later(wheel, d + d / 2 + 1ns), timer(wheel, d);

    EXPECT_EQ(wheel.earliest(), timer.when);
  }
}

// ---- Against a sorted list

constexpr clock::time_point end_of_tick(clock::time_point when) {
  return at((when.time_since_epoch() + tick - 1ns) / tick * tick);
}

/// A wheel and what it should hold, over years of virtual time.
class comparison {
 public:
  explicit comparison(std::uint64_t seed) : random_(seed) {}
  ~comparison() {
    for (const auto& [when, timer] : armed_) timer_wheel::disarm(*timer);
  }
  comparison(const comparison&) = delete;
  comparison& operator=(const comparison&) = delete;

  clock::time_point now() const { return now_; }
  timer_wheel& wheel() { return wheel_; }
  clock::time_point earliest() const {
    return armed_.empty() ? clock::time_point::max() : armed_.begin()->first;
  }

  /// Arms and disarms a few timers, near and far ones alike.
  void change_timers() {
    for (int i = below(4); i > 0; --i) {
      timers_.push_back(std::make_unique<expected>(now_, some_time(60)));
      wheel_.arm(*timers_.back());
      armed_.emplace(timers_.back()->when, timers_.back().get());
    }
    if (armed_.size() > 50 || (!armed_.empty() && below(3) == 0)) {
      const auto victim = std::next(armed_.begin(), below(static_cast<int>(armed_.size())));
      EXPECT_TRUE(timer_wheel::disarm(*victim->second));
      armed_.erase(victim);
    }
  }

  /// To `next`, or to any time.
  void advance(clock::time_point next) {
    now_ = next != clock::time_point::max() && below(2) == 0 ? std::max(now_, next)
                                                             : now_ + some_time(55);
  }

  [[nodiscard]] ::testing::AssertionResult fired_to_the_nanosecond() {
    return fired([this](const expected& timer) { return timer.when <= now_; });
  }
  [[nodiscard]] ::testing::AssertionResult fired_to_the_tick() {
    return fired([this](const expected& timer) { return timer.tick_end <= now_; });
  }

 private:
  struct expected : alarm {
    expected(clock::time_point now, clock::duration delay)
        : alarm(now.time_since_epoch() + delay),
          tick_end(std::max(end_of_tick(when), end_of_tick(now + 1ns))) {}
    clock::time_point tick_end;  // of a tick that has not ended when it is armed
  };

  /// Those that are due have fired once, the others not. The former are forgotten.
  template <class Due>
  [[nodiscard]] ::testing::AssertionResult fired(Due is_due) {
    for (auto each = armed_.begin(); each != armed_.end();) {
      const expected& timer = *each->second;
      if (timer.fired != (is_due(timer) ? 1 : 0)) {
        return ::testing::AssertionFailure()
               << "at " << now_.time_since_epoch().count() << " a timer of "
               << timer.when.time_since_epoch().count() << " has fired " << timer.fired << " times";
      }
      each = timer.fired > 0 ? armed_.erase(each) : std::next(each);
    }
    return ::testing::AssertionSuccess();
  }

  int below(int limit) { return static_cast<int>(random_() % static_cast<unsigned>(limit)); }
  /// Any number of bits below `bits_max`, so that every level of the wheel is met as often.
  clock::duration some_time(int bits_max) {
    const std::uint64_t mask = (std::uint64_t{1} << below(bits_max)) - 1;
    return clock::duration(static_cast<std::int64_t>(random_() & mask));
  }

  std::mt19937_64 random_;
  clock::time_point now_{};
  timer_wheel wheel_{now_};
  std::vector<std::unique_ptr<expected>> timers_;
  std::multimap<clock::time_point, expected*> armed_;
};

constexpr int steps = 20'000;
constexpr clock::time_point end_of_comparison = at(200 * year);

TEST(TimerWheel, ExpireExactly_AgreesWithASortedList) {
  comparison both(stress_seed());

  for (int i = 0; i < steps && both.now() < end_of_comparison; ++i) {
    both.change_timers();
    both.advance(both.earliest());
    both.wheel().expire_exactly(both.now());

    ASSERT_TRUE(both.fired_to_the_nanosecond());
  }
}

TEST(TimerWheel, Earliest_AgreesWithASortedList) {
  comparison both(stress_seed());

  for (int i = 0; i < steps && both.now() < end_of_comparison; ++i) {
    both.change_timers();

    ASSERT_EQ(both.wheel().earliest(), both.earliest());

    both.advance(both.earliest());
    both.wheel().expire_exactly(both.now());
    ASSERT_TRUE(both.fired_to_the_nanosecond());
  }
}

TEST(TimerWheel, Expire_AgreesWithASortedListToTheTick) {
  comparison both(stress_seed());

  for (int i = 0; i < steps && both.now() < end_of_comparison; ++i) {
    both.change_timers();
    both.advance(both.wheel().next_deadline());
    both.wheel().expire(both.now());

    ASSERT_TRUE(both.fired_to_the_tick());
  }
}

TEST(TimerWheel, NextDeadline_IsAheadAndNeverLate) {
  comparison both(stress_seed());

  for (int i = 0; i < steps && both.now() < end_of_comparison; ++i) {
    both.change_timers();
    const clock::time_point next = both.wheel().next_deadline();

    ASSERT_GT(next, both.now());
    if (both.earliest() != clock::time_point::max()) {
      ASSERT_LE(next, std::max(end_of_tick(both.earliest()), end_of_tick(both.now() + 1ns)));
    }

    both.advance(next);
    both.wheel().expire(both.now());
    ASSERT_TRUE(both.fired_to_the_tick());
  }
}

// ---- Threads

TEST(TimerWheel, ManyThreads_EachTimerFiresOrIsDisarmed) {
  constexpr int threads = 3, rounds = 3'000;
  timer_wheel wheel(at(0ns));
  std::atomic<int> running{threads};
  std::atomic<std::int64_t> now{0};
  std::vector<std::thread> armers;
  for (int t = 0; t < threads; ++t) {
    armers.emplace_back([&] {
      for (int i = 0; i < rounds; ++i) {
        alarm timer(clock::duration(now.load()) + (i % 3) * tick);
        wheel.arm(timer);
        const bool disarmed = timer_wheel::finish_disarm(timer);
        EXPECT_EQ(timer.fired, disarmed ? 0 : 1);
      }
      --running;
    });
  }

  while (running > 0) {
    now += tick.count();
    wheel.expire(at(clock::duration(now.load())));
  }
  for (std::thread& each : armers) each.join();

  EXPECT_TRUE(wheel.empty());
}

}  // namespace
}  // namespace weft::testing
