#include <weft/runtime/detail/timer_wheel.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iostream>
#include <map>
#include <random>
#include <thread>
#include <vector>

namespace weft::detail {
namespace {

using namespace std::chrono_literals;

constexpr clock::duration tick = std::chrono::nanoseconds(1 << 16);
constexpr clock::time_point start = clock::time_point(1'000s);

/// Notes when it fired. Cannot be moved.
struct noted_timer : timer_node {
  noted_timer() {
    fire = [](timer_node& self) noexcept {
      auto& timer = static_cast<noted_timer&>(self);
      ++timer.fired;
      timer.end_fire();
    };
  }
  explicit noted_timer(clock::time_point deadline) : noted_timer() { when = deadline; }
  noted_timer(const noted_timer&) = delete;
  noted_timer& operator=(const noted_timer&) = delete;
  ~noted_timer() = default;
  int fired = 0;
};

/// The first whole tick at or after a time.
clock::time_point end_of_tick(clock::time_point when) {
  const auto since = when.time_since_epoch();
  return clock::time_point((since + tick - clock::duration(1)) / tick * tick);
}

// ---- One timer ---------------------------------------------------------------------------------

TEST(TimerWheel, NewWheel_IsEmpty) {
  timer_wheel wheel(start);

  EXPECT_TRUE(wheel.empty());
  EXPECT_EQ(wheel.next_deadline(), clock::time_point::max());
  EXPECT_EQ(wheel.earliest(), clock::time_point::max());
  EXPECT_FALSE(wheel.due(start + 1h));
  EXPECT_EQ(wheel.expire(start + 1h), 0U);
}

TEST(TimerWheel, Timer_FiresNeverEarlyAndAtMostATickLate) {
  for (const clock::duration delay : {1ns, 1us, 50us, 65'535ns, 65'536ns, 65'537ns, 4ms, 5ms}) {
    timer_wheel wheel(start);
    noted_timer timer(start + 17ns + delay);
    wheel.arm(timer);

    wheel.expire(timer.when - 1ns);
    EXPECT_EQ(timer.fired, 0) << delay.count();
    wheel.expire(timer.when + tick);

    EXPECT_EQ(timer.fired, 1) << delay.count();
    EXPECT_TRUE(wheel.empty());
  }
}

TEST(TimerWheel, TimerOfThePast_FiresAtTheNextTick) {
  timer_wheel wheel(start);
  noted_timer timer(start - 1h);

  wheel.arm(timer);

  EXPECT_EQ(wheel.expire(start + tick), 1U);
  EXPECT_EQ(timer.fired, 1);
}

TEST(TimerWheel, TimerBeforeTheEpoch_FiresAtTheNextTick) {
  timer_wheel wheel(start);
  noted_timer timer(clock::time_point(-1h));

  wheel.arm(timer);

  EXPECT_EQ(wheel.expire(start + tick), 1U);
}

TEST(TimerWheel, Cascades_OverEveryLevel) {
  for (unsigned level = 0; level < 7; ++level) {
    for (const std::uint64_t slot : {1ULL, 2ULL, 31ULL, 63ULL}) {
      timer_wheel wheel(start);
      noted_timer timer(start + tick * static_cast<std::int64_t>(slot << (6 * level)) + 1ns);
      wheel.arm(timer);

      wheel.expire(timer.when - 1ns);
      EXPECT_EQ(timer.fired, 0) << level << ' ' << slot;
      wheel.expire(timer.when + tick);
      EXPECT_EQ(timer.fired, 1) << level << ' ' << slot;
    }
  }
}

TEST(TimerWheel, FarBeyondTheWheel_StillFiresInTime) {
  constexpr auto year = std::chrono::hours(24 * 365);
  timer_wheel wheel(start);
  noted_timer ten(start + 10 * year);
  noted_timer century(start + 100 * year);
  wheel.arm(ten);
  wheel.arm(century);

  wheel.expire(ten.when - 1ns);
  EXPECT_EQ(ten.fired, 0);
  wheel.expire(ten.when + tick);
  EXPECT_EQ(ten.fired, 1);
  wheel.expire(century.when - 1ns);
  EXPECT_EQ(century.fired, 0);
  wheel.expire(century.when + tick);
  EXPECT_EQ(century.fired, 1);
}

TEST(TimerWheel, EndOfTime_NeverFires) {
  timer_wheel wheel(start);
  noted_timer timer(clock::time_point::max());
  wheel.arm(timer);

  wheel.expire(start + std::chrono::hours(24 * 365 * 50));

  EXPECT_EQ(timer.fired, 0);
  EXPECT_TRUE(timer_wheel::disarm(timer));
  EXPECT_TRUE(wheel.empty());
}

TEST(TimerWheel, FiredTimer_MayBeArmedAgain) {
  timer_wheel wheel(start);
  noted_timer timer(start + 1ms);
  wheel.arm(timer);
  wheel.expire(start + 2ms);

  timer.when = start + 5ms;
  wheel.arm(timer);
  wheel.expire(start + 6ms);

  EXPECT_EQ(timer.fired, 2);
}

TEST(TimerWheel, TimerThatArmsAnother_IsAllowed) {
  struct chained : timer_node {
    timer_wheel* again = nullptr;
    noted_timer* next_timer = nullptr;
  };
  timer_wheel wheel(start);
  noted_timer second(start + 2ms);
  chained first;
  first.when = start + 1ms;
  first.again = &wheel;
  first.next_timer = &second;
  first.fire = [](timer_node& self) noexcept {
    auto& mine = static_cast<chained&>(self);
    mine.again->arm(*mine.next_timer);
    mine.end_fire();
  };
  wheel.arm(first);

  wheel.expire(start + 2ms);
  EXPECT_EQ(second.fired, 0);
  wheel.expire(start + 3ms);

  EXPECT_EQ(second.fired, 1);
}

// ---- Disarming -----------------------------------------------------------------------------------

TEST(TimerWheel, DisarmedTimer_DoesNotFire) {
  timer_wheel wheel(start);
  noted_timer timer(start + 1ms);
  wheel.arm(timer);

  EXPECT_TRUE(timer_wheel::disarm(timer));
  wheel.expire(start + 1s);

  EXPECT_EQ(timer.fired, 0);
  EXPECT_TRUE(wheel.empty());
}

TEST(TimerWheel, FiredTimer_CannotBeDisarmed) {
  timer_wheel wheel(start);
  noted_timer timer(start + 1ms);
  wheel.arm(timer);
  wheel.expire(start + 2ms);

  EXPECT_FALSE(timer_wheel::disarm(timer));
  EXPECT_FALSE(timer_wheel::finish_disarm(timer));
}

TEST(TimerWheel, NeverArmedTimer_CountsAsDisarmed) {
  noted_timer timer(start);

  EXPECT_TRUE(timer_wheel::disarm(timer));
  EXPECT_TRUE(timer_wheel::finish_disarm(timer));
}

TEST(TimerWheel, DisarmInEachLevel_LeavesTheOthers) {
  timer_wheel wheel(start);
  std::deque<noted_timer> timers;
  for (unsigned level = 0; level < 7; ++level) {
    for (int copy = 0; copy < 2; ++copy) {
      timers.emplace_back(start + tick * (std::int64_t{3} << (6 * level)));
      wheel.arm(timers.back());
    }
  }

  for (std::size_t i = 0; i < timers.size(); i += 2) EXPECT_TRUE(timer_wheel::disarm(timers[i]));
  wheel.expire(timers.back().when + tick);

  for (std::size_t i = 0; i < timers.size(); ++i) EXPECT_EQ(timers[i].fired, i % 2);
}

TEST(TimerWheel, RefusedClaim_DoesNotFire) {
  timer_wheel wheel(start);
  noted_timer timer(start + 1ms);
  timer.claim = [](timer_node&) noexcept { return false; };
  wheel.arm(timer);

  EXPECT_EQ(wheel.expire(start + 2ms), 0U);

  EXPECT_EQ(timer.fired, 0);
  EXPECT_TRUE(wheel.empty());
  EXPECT_TRUE(timer_wheel::disarm(timer));
}

TEST(TimerWheel, FinishDisarm_WaitsForACallThatIsUnderWay) {
  struct slow : timer_node {
    std::atomic<bool> firing{false};
    std::atomic<bool> go{false};
    std::atomic<bool> ended{false};
  };
  timer_wheel wheel(start);
  slow timer;
  timer.when = start + 1ms;
  timer.fire = [](timer_node& self) noexcept {
    auto& mine = static_cast<slow&>(self);
    mine.firing = true;
    while (!mine.go) std::this_thread::yield();
    mine.ended = true;
    mine.end_fire();
  };
  wheel.arm(timer);
  std::jthread expirer([&wheel] { wheel.expire(start + 2ms); });
  while (!timer.firing) std::this_thread::yield();
  std::jthread opener([&timer] { timer.go = true; });

  EXPECT_FALSE(timer_wheel::finish_disarm(timer));

  EXPECT_TRUE(timer.ended);
}

// ---- The next deadline ---------------------------------------------------------------------------

TEST(TimerWheel, Arm_TellsWhetherTheTimerIsTheEarliest) {
  timer_wheel wheel(start);
  noted_timer late(start + 1s);
  noted_timer early(start + 1ms);
  noted_timer between(start + 100ms);

  EXPECT_TRUE(wheel.arm(late));
  EXPECT_TRUE(wheel.arm(early));
  EXPECT_FALSE(wheel.arm(between));

  for (noted_timer* each : {&late, &early, &between}) timer_wheel::disarm(*each);
}

TEST(TimerWheel, NextDeadline_IsNeverAfterTheTick) {
  for (const clock::duration delay : {1us, 100us, 5ms, 1s, 60s, 3600s}) {
    timer_wheel wheel(start);
    noted_timer timer(start + delay);
    wheel.arm(timer);

    EXPECT_LE(wheel.next_deadline(), end_of_tick(timer.when)) << delay.count();
    EXPECT_TRUE(wheel.due(end_of_tick(timer.when)));
    timer_wheel::disarm(timer);
    EXPECT_EQ(wheel.next_deadline(), clock::time_point::max());
  }
}

TEST(TimerWheel, SleepingUntilTheNextDeadline_TakesFewSteps) {
  timer_wheel wheel(start);
  noted_timer timer(start + 24h + 12'345'678ns);
  wheel.arm(timer);

  int steps = 0;
  clock::time_point now = start;
  while (timer.fired == 0) {
    now = wheel.next_deadline();
    ASSERT_LE(now, end_of_tick(timer.when));
    wheel.expire(now);
    ASSERT_LT(++steps, 10);
  }

  EXPECT_EQ(now, end_of_tick(timer.when));
}

TEST(TimerWheel, Earliest_IsExact) {
  timer_wheel wheel(start);
  noted_timer second(start + 10ms + 7ns);
  noted_timer first(start + 10ms + 3ns);
  noted_timer last(start + 2h);
  wheel.arm(last);
  wheel.arm(second);
  wheel.arm(first);

  EXPECT_EQ(wheel.earliest(), first.when);
  timer_wheel::disarm(first);
  EXPECT_EQ(wheel.earliest(), second.when);
  timer_wheel::disarm(second);
  EXPECT_EQ(wheel.earliest(), last.when);
  timer_wheel::disarm(last);
}

TEST(TimerWheel, EarliestBesideATimerBeyondTheWheel_IsExact) {
  constexpr auto year = std::chrono::hours(24 * 365);
  timer_wheel wheel(start);
  noted_timer century(start + 100 * year);
  wheel.arm(century);
  wheel.expire(start + year);
  noted_timer sooner(start + 10 * year);
  wheel.arm(sooner);

  EXPECT_EQ(wheel.earliest(), sooner.when);

  timer_wheel::disarm(century);
  timer_wheel::disarm(sooner);
}

// ---- To the nanosecond ---------------------------------------------------------------------------

TEST(TimerWheel, ExpireExactly_FiresToTheNanosecond) {
  for (const clock::duration delay : {1ns, 10us, 100us, 5ms, 1s, 3600s}) {
    timer_wheel wheel(start);
    noted_timer timer(start + delay);
    noted_timer next(start + delay + 1ns);
    wheel.arm(timer);
    wheel.arm(next);

    wheel.expire_exactly(timer.when - 1ns);
    EXPECT_EQ(timer.fired, 0) << delay.count();
    wheel.expire_exactly(timer.when);
    EXPECT_EQ(timer.fired, 1) << delay.count();
    EXPECT_EQ(next.fired, 0) << delay.count();
    wheel.expire_exactly(next.when);
    EXPECT_EQ(next.fired, 1) << delay.count();
  }
}

TEST(TimerWheel, ExpireExactlyInATick_FiresAllThatIsDueThere) {
  timer_wheel wheel(start);
  std::deque<noted_timer> timers;
  for (int i = 0; i < 100; ++i) {
    timers.emplace_back(start + 1ms + std::chrono::nanoseconds(i * 1000));
    wheel.arm(timers.back());
  }

  wheel.expire_exactly(start + 1ms + 50us);

  for (std::size_t i = 0; i < timers.size(); ++i) EXPECT_EQ(timers[i].fired, i <= 50 ? 1 : 0) << i;
  for (auto& each : timers) timer_wheel::disarm(each);
}

TEST(TimerWheel, JumpingToTheEarliest_VisitsEachDeadlineInOrder) {
  std::mt19937_64 random(7);
  timer_wheel wheel(start);
  std::deque<noted_timer> timers;
  std::vector<clock::time_point> deadlines;
  for (int i = 0; i < 2000; ++i) {
    const auto bits = random() % 45;
    timers.emplace_back(start + clock::duration(static_cast<std::int64_t>(random() >> (63 - bits))));
    wheel.arm(timers.back());
    deadlines.push_back(timers.back().when);
  }
  std::sort(deadlines.begin(), deadlines.end());

  std::size_t fired = 0;
  while (!wheel.empty()) {
    const clock::time_point now = wheel.earliest();
    ASSERT_EQ(now, deadlines[fired]);
    fired += wheel.expire_exactly(now);
  }

  EXPECT_EQ(fired, timers.size());
}

// ---- Against an oracle ----------------------------------------------------------------------------

/// Arms, disarms and expires at random; a sorted map knows what has to happen.
class oracle_run {
 public:
  explicit oracle_run(std::uint64_t seed) : random_(seed), wheel_(start), now_(start) {}

  void run(int operations) {
    for (int i = 0; i < operations && !::testing::Test::HasFailure(); ++i) {
      const auto choice = random_() % 8;
      if (choice < 4 && !idle_.empty()) {
        arm();
      } else if (choice < 6 && !armed_.empty()) {
        disarm();
      } else {
        expire();
      }
    }
    for (auto& [when, timer] : armed_) EXPECT_TRUE(timer_wheel::disarm(*timer));
    EXPECT_TRUE(wheel_.empty());
  }

 private:
  /// From nanoseconds to months, each magnitude as likely as another.
  clock::duration any_duration(unsigned bits_max) {
    const auto bits = random_() % bits_max;
    return clock::duration(static_cast<std::int64_t>(random_() & ((std::uint64_t{1} << bits) - 1)));
  }
  void arm() {
    noted_timer* timer = idle_.back();
    idle_.pop_back();
    timer->when = now_ + any_duration(52);
    timer->fired = 0;
    wheel_.arm(*timer);
    armed_.emplace(timer->when, timer);
  }
  void disarm() {
    auto chosen = armed_.lower_bound(now_ + any_duration(52));
    if (chosen == armed_.end()) chosen = armed_.begin();
    ASSERT_TRUE(timer_wheel::disarm(*chosen->second));
    idle_.push_back(chosen->second);
    armed_.erase(chosen);
  }
  void expire() {
    now_ += any_duration(random_() % 100 == 0 ? 50 : 22);
    const std::size_t count = wheel_.expire(now_);
    std::size_t expected = 0;
    while (!armed_.empty() && armed_.begin()->second->fired > 0) {
      ASSERT_LE(armed_.begin()->first, now_) << "early";
      idle_.push_back(armed_.begin()->second);
      armed_.erase(armed_.begin());
      ++expected;
    }
    // Late by less than a tick, or not at all: what is left is due later.
    if (!armed_.empty()) ASSERT_GT(armed_.begin()->first + tick, now_) << "late";
    // What fired is what was at the front, except within the current tick.
    for (auto each = armed_.begin(); each != armed_.end() && each->first <= now_;) {
      if (each->second->fired > 0) {
        idle_.push_back(each->second);
        each = armed_.erase(each);
        ++expected;
      } else {
        ++each;
      }
    }
    ASSERT_EQ(count, expected);
    if (!armed_.empty()) {
      ASSERT_LE(wheel_.next_deadline(), std::max(end_of_tick(armed_.begin()->first), now_ + tick));
      ASSERT_EQ(wheel_.earliest(), armed_.begin()->first);
    }
  }

  std::mt19937_64 random_;
  timer_wheel wheel_;
  clock::time_point now_;
  std::deque<noted_timer> timers_ = std::deque<noted_timer>(5000);
  std::vector<noted_timer*> idle_ = [this] {
    std::vector<noted_timer*> all;
    for (noted_timer& each : timers_) all.push_back(&each);
    return all;
  }();
  std::multimap<clock::time_point, noted_timer*> armed_;
};

TEST(TimerWheel, MillionRandomOperations_DoWhatASortedMapSays) {
  constexpr std::uint64_t seed = 20'240'917;
  oracle_run(seed).run(1'000'000);
}

// ---- Threads -------------------------------------------------------------------------------------

TEST(TimerWheel, DisarmMeetsExpire_EachTimerFiresOrIsDisarmed) {
  for (int round = 0; round < 300; ++round) {
    timer_wheel wheel(start);
    std::deque<noted_timer> timers;
    for (int i = 0; i < 100; ++i) {
      timers.emplace_back(start + 1ms + i * 10us);
      wheel.arm(timers.back());
    }
    int disarmed = 0;
    std::size_t fired = 0;
    {
      std::jthread expirer([&] {
        for (clock::time_point now = start; now < start + 5ms; now += tick) {
          fired += wheel.expire(now);
        }
      });
      for (auto& each : timers) disarmed += timer_wheel::finish_disarm(each) ? 1 : 0;
    }

    int seen = 0;
    for (const auto& each : timers) seen += each.fired;
    ASSERT_EQ(static_cast<std::size_t>(seen), fired);
    ASSERT_EQ(disarmed + seen, 100);
  }
}

TEST(TimerWheel, ArmedTimersOfTheProcess_AreCounted) {
  const std::int64_t before = timer_wheel::armed();
  timer_wheel wheel(start);
  noted_timer timer(start + 1s);

  wheel.arm(timer);
  EXPECT_EQ(timer_wheel::armed(), before + 1);
  timer_wheel::disarm(timer);
  EXPECT_EQ(timer_wheel::armed(), before);
}

}  // namespace
}  // namespace weft::detail
