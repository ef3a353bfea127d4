#include <weft/runtime/clock.h>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>
#include <stdexcept>
#include <thread>
#include <type_traits>

#include <time.h>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using detail::to_clock_duration;

/// Installs a time source on this thread.
class virtual_time {
 public:
  explicit virtual_time(const clock::time_point& source) { detail::set_thread_clock(&source); }
  ~virtual_time() { detail::set_thread_clock(nullptr); }
  virtual_time(const virtual_time&) = delete;
  virtual_time& operator=(const virtual_time&) = delete;
};

std::int64_t monotonic_ns() {
  timespec ts;
  ::clock_gettime(CLOCK_MONOTONIC, &ts);
  return std::int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

TEST(Clock, Type_IsAClockOfTheStandardLibrary) {
  static_assert(std::chrono::is_clock_v<clock>);
  static_assert(clock::is_steady);
  static_assert(std::is_same_v<clock::period, std::nano>);
}

TEST(Clock, Now_IsTheKernelsMonotonicTime) {
  const std::int64_t before = monotonic_ns();
  const std::int64_t here = clock::now().time_since_epoch().count();
  const std::int64_t after = monotonic_ns();

  EXPECT_LE(before, here);
  EXPECT_LE(here, after);
}

TEST(Clock, Now_NeverGoesBack) {
  clock::time_point last = now();
  for (int i = 0; i < 10'000; ++i) {
    const clock::time_point next = now();
    ASSERT_LE(last, next);
    last = next;
  }
}

TEST(Clock, TimeSource_IsThatOfTheThread) {
  const clock::time_point source(7s);
  const virtual_time installed(source);
  clock::time_point elsewhere;

  std::thread([&] { elsewhere = now(); }).join();

  EXPECT_EQ(now(), clock::time_point(7s));
  EXPECT_NE(elsewhere, clock::time_point(7s));
}

TEST(Clock, TimeSource_IsReadEachTime) {
  clock::time_point source(7s);
  {
    const virtual_time installed(source);
    source += 1h;
    EXPECT_EQ(now(), clock::time_point(7s + 1h));
  }
  EXPECT_NE(now(), clock::time_point(7s + 1h));
}

TEST(ClockDuration, AnyUnit_IsConverted) {
  EXPECT_EQ(to_clock_duration(1ns), 1ns);
  EXPECT_EQ(to_clock_duration(1h), 3600s);
  EXPECT_EQ(to_clock_duration(std::chrono::days(-1)), -24h);
  EXPECT_EQ(to_clock_duration(std::chrono::duration<double>(0.5)), 500ms);
  EXPECT_EQ(to_clock_duration(std::chrono::duration<float, std::milli>(2.0f)), 2ms);
}

// A timer never fires early.
TEST(ClockDuration, Fraction_IsRoundedUp) {
  using picoseconds = std::chrono::duration<std::int64_t, std::pico>;

  EXPECT_EQ(to_clock_duration(picoseconds(1)), 1ns);
  EXPECT_EQ(to_clock_duration(picoseconds(1'000)), 1ns);
  EXPECT_EQ(to_clock_duration(picoseconds(1'001)), 2ns);
  EXPECT_EQ(to_clock_duration(picoseconds(-1)), 0ns);
  EXPECT_EQ(to_clock_duration(std::chrono::duration<double, std::nano>(0.1)), 1ns);
}

TEST(ClockDuration, HugeDuration_IsLimitedAndDoesNotOverflow) {
  constexpr auto longest = 24h * 365 * 140;
  using seconds = std::chrono::duration<double>;

  EXPECT_GT(to_clock_duration(std::chrono::hours::max()), longest);
  EXPECT_LT(to_clock_duration(std::chrono::hours::min()), -longest);
  EXPECT_GT(to_clock_duration(clock::duration::max()), longest);
  EXPECT_LT(to_clock_duration(clock::duration::min()), -longest);
  EXPECT_GT(to_clock_duration(seconds(std::numeric_limits<double>::infinity())), longest);
  EXPECT_LT(to_clock_duration(seconds(-std::numeric_limits<double>::infinity())), -longest);
  EXPECT_GT(to_clock_duration(std::chrono::years(1'000'000)), longest);
}

TEST(ClockDuration, DeadlineOfAHugeDuration_IsInTheFuture) {
  EXPECT_GT(detail::deadline_after(std::chrono::hours::max()), now() + 24h * 365 * 100);
  EXPECT_LT(detail::deadline_after(std::chrono::hours::min()), now());
}

TEST(ClockDuration, NotANumber_IsRefused) {
  using seconds = std::chrono::duration<double>;

  EXPECT_THROW((void)to_clock_duration(seconds(std::numeric_limits<double>::quiet_NaN())),
               std::invalid_argument);
}

TEST(ClockDuration, Conversion_IsConstexpr) {
  static_assert(to_clock_duration(1ms) == 1'000'000ns);
  static_assert(to_clock_duration(std::chrono::duration<double>(0.25)) == 250ms);
}

}  // namespace
}  // namespace weft::testing
