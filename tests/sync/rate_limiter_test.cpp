#include "every_runtime.h"
#include <weft/runtime/sleep.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/rate_limiter.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

// When each of `times` acquires of `count` units passed, in milliseconds.
task<std::vector<long>> pass_times(rate_limiter& limiter, int times, double count) {
  std::vector<long> passed;
  const clock::time_point start = now();
  for (int i = 0; i < times; ++i) {
    co_await limiter.acquire(count);
    passed.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(now() - start).count());
  }
  co_return passed;
}

constinit rate_limiter made_before_main(1, 1s);

TEST(RateLimiter, Units_ArePacedAfterTheBurst) {
  test_runtime().run([]() -> task<> {
    rate_limiter five_a_second(5, 1s);
    const auto paced = co_await pass_times(five_a_second, 4, 1);
    EXPECT_THAT(paced, ElementsAre(0, 200, 400, 600));

    rate_limiter with_burst(10, 1s, 3);
    const auto burst = co_await pass_times(with_burst, 5, 1);
    EXPECT_THAT(burst, ElementsAre(0, 0, 0, 100, 200));
  });
}

TEST(RateLimiter, Pause_RefillsTheBurstAndNoMore) {
  test_runtime().run([]() -> task<> {
    rate_limiter limiter(10, 1s, 2);
    (void)co_await pass_times(limiter, 2, 1);
    co_await sleep(10s);
    const auto passed = co_await pass_times(limiter, 4, 1);
    EXPECT_THAT(passed, ElementsAre(0, 0, 100, 200));
  });
}

TEST(RateLimiter, MoreThanTheBurst_DelaysThoseBehind) {
  test_runtime().run([]() -> task<> {
    rate_limiter limiter(10, 1s, 2);
    const auto passed = co_await pass_times(limiter, 3, 5);
    EXPECT_THAT(passed, ElementsAre(0, 500, 1000));
  });
}

TEST(RateLimiter, Waiters_PassInTheOrderInWhichTheyCame) {
  test_runtime rt;
  rt.run([]() -> task<> {
    rate_limiter limiter(10, 1s);
    std::string order;
    std::vector<join_handle<>> tasks;
    for (const char name : {'a', 'b', 'c', 'd'}) {
      tasks.push_back(spawn([&, name]() -> task<> {
        co_await limiter.acquire(name == 'b' ? 3 : 1);
        order += name;
      }));
    }
    for (auto& each : tasks) co_await each;
    EXPECT_EQ(order, "abcd");
  });
  EXPECT_EQ(rt.clock().elapsed(), 500ms);  // a at 0, b at 100, c at 400, d at 500
}

TEST(RateLimiter, CancelledAcquire_UsesNothing) {
  test_runtime().run([]() -> task<> {
    rate_limiter limiter(10, 1s);
    co_await limiter.acquire();
    bool timed_out = false;
    try {
      co_await wait_for(limiter.acquire(), 50ms);
    } catch (const timeout_error&) {
      timed_out = true;
    }
    EXPECT_TRUE(timed_out);
    const auto passed = co_await pass_times(limiter, 2, 1);
    EXPECT_THAT(passed, ElementsAre(50, 150));
  });
}

TEST(RateLimiter, TryAcquire_NeverWaits) {
  test_runtime().run([]() -> task<> {
    rate_limiter limiter(10, 1s);
    EXPECT_TRUE(limiter.try_acquire());
    EXPECT_FALSE(limiter.try_acquire());
    co_await sleep(100ms);
    EXPECT_TRUE(limiter.try_acquire());
  });
}

TEST(RateLimiter, NonsenseRates_Throw) {
  EXPECT_THROW(rate_limiter(0, 1s), std::invalid_argument);
  EXPECT_THROW(rate_limiter(-1, 1s), std::invalid_argument);
  EXPECT_THROW(rate_limiter(1, 0s), std::invalid_argument);
  EXPECT_THROW(rate_limiter(1, 1s, 0), std::invalid_argument);
}

TEST(RateLimiter, OnFourWorkers_IsNeverFasterThanItsRate) {
  run(
      []() -> task<> {
        rate_limiter limiter(10'000, 1s, 1);
        const clock::time_point start = now();
        std::vector<join_handle<>> tasks;
        for (int i = 0; i < 8; ++i) {
          tasks.push_back(spawn([&]() -> task<> {
            for (int turn = 0; turn < 10; ++turn) co_await limiter.acquire();
          }));
        }
        for (auto& each : tasks) co_await each;
        EXPECT_GE(now() - start, 7900us);
      },
      {.workers = 4});
}

TEST(RateLimiter, GlobalOne_IsConstantInitialised) {
  test_runtime().run([]() -> task<> {
    const clock::time_point start = now();

    for (int i = 0; i < 3; ++i) co_await made_before_main.acquire();

    EXPECT_EQ(now() - start, 2s);
  });
}

}  // namespace
}  // namespace weft::testing
