#include <weft/runtime/detail/parker.h>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace weft::detail {
namespace {

using namespace std::chrono_literals;

TEST(Parker, WakeUpThatComesFirst_IsKept) {
  parker here;

  here.unpark();

  here.park();  // returns at once
}

TEST(Parker, WakeUpsBeforeAPark_CountAsOne) {
  parker here;
  here.unpark();
  here.unpark();
  here.park();

  const bool woken = here.park_until(std::chrono::steady_clock::now() + 1ms);

  EXPECT_FALSE(woken);
}

TEST(Parker, TimeThatPasses_EndsTheSleep) {
  parker here;
  const auto until = std::chrono::steady_clock::now() + 3ms;

  const bool woken = here.park_until(until);

  EXPECT_FALSE(woken);
  EXPECT_GE(std::chrono::steady_clock::now(), until);
}

TEST(Parker, TimeThatIsOver_StillTakesAWakeUp) {
  parker here;
  here.unpark();

  EXPECT_TRUE(here.park_until(std::chrono::steady_clock::time_point::min()));
}

TEST(ParkerStress, EveryWakeUp_EndsOneSleepAndBringsItsDataAlong) {
  constexpr int rounds = 20'000;
  parker sleeper, waker;
  int handed_over = 0;  // plain: the wake-up has to order it
  std::thread other([&] {
    for (int round = 0; round < rounds; ++round) {
      sleeper.park();
      EXPECT_EQ(handed_over, round);
      waker.unpark();
    }
  });

  for (int round = 0; round < rounds; ++round) {
    handed_over = round;
    sleeper.unpark();
    waker.park();
  }

  other.join();
}

// A wake-up that meets the end of a sleep is taken there, or is kept for the next one.
TEST(ParkerStress, WakeUpsThatMeetTheTimeOut_AreNotLost) {
  constexpr int rounds = 5'000;
  parker sleeper, waker;
  std::thread other([&] {
    for (int round = 0; round < rounds; ++round) {
      const auto soon = std::chrono::steady_clock::now() + std::chrono::microseconds(round % 30);
      if (!sleeper.park_until(soon)) sleeper.park();
      waker.unpark();
    }
  });

  for (int round = 0; round < rounds; ++round) {
    sleeper.unpark();
    waker.park();
  }

  other.join();
}

}  // namespace
}  // namespace weft::detail
