#include "runtimes.h"
#include <weft/runtime/as_completed.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/event.h>

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <type_traits>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

class AsCompleted : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, AsCompleted, every_kind(), name_of);

task<int> after(std::chrono::milliseconds delay, int value) {
  co_await sleep(delay);
  co_return value;
}
task<int> hang(bool& cancelled) {
  try {
    co_await sleep(1h);
  } catch (const cancelled_error&) {
    cancelled = true;
    throw;
  }
  co_return 0;
}

TEST(AsCompletedInTime, Outcomes_ComeInTheOrderOfTheirEnds) {
  test_runtime rt;
  rt.run([]() -> task<> {
    std::vector<task<int>> work;
    work.push_back(after(30ms, 30));
    work.push_back(after(10ms, 10));
    work.push_back(after(20ms, 20));
    auto outcomes = as_completed(std::move(work));
    static_assert(std::is_same_v<decltype(outcomes), async_generator<result<int>>>);
    std::vector<int> values;

    while (auto outcome = co_await outcomes.next()) values.push_back(outcome->value());

    EXPECT_EQ(values, (std::vector<int>{10, 20, 30}));
  });
}

TEST(AsCompletedInTime, LimitAroundTheLoop_CancelsAndAwaitsTheRest) {
  test_runtime rt;
  rt.run([&]() -> task<> {
    bool cancelled = false;
    std::vector<int> values;
    const auto loop = [&]() -> task<> {
      std::vector<task<int>> work;
      work.push_back(after(10ms, 10));
      work.push_back(hang(cancelled));
      auto outcomes = as_completed(std::move(work));
      while (auto outcome = co_await outcomes.next()) values.push_back(outcome->value());
    };

    const auto ended = co_await catch_all(timeout(50ms, loop));

    EXPECT_TRUE(ended.threw<timeout_error>());
    EXPECT_EQ(values, std::vector<int>{10});
    EXPECT_TRUE(cancelled);
    EXPECT_EQ(all_tasks().size(), 1u);  // ourselves
  });
  EXPECT_EQ(rt.clock().elapsed(), 50ms);
}

TEST_P(AsCompleted, EachOutcome_IsGivenOnce) {
  run([]() -> task<> {
    auto outcomes = as_completed(std::views::iota(0, 50) |
                                 std::views::transform([](int n) { return after(0ms, n); }));
    std::vector<bool> seen(50);
    int count = 0;

    while (auto outcome = co_await outcomes.next()) {
      seen[static_cast<std::size_t>(outcome->value())] = true;
      ++count;
    }

    EXPECT_EQ(count, 50);
    EXPECT_EQ(seen, std::vector<bool>(50, true));
  });
}

TEST_P(AsCompleted, FailuresAndCancellations_AreValues) {
  run([]() -> task<> {
    std::vector<task<int>> work;
    work.push_back([]() -> task<int> {
      throw std::runtime_error("one");
      co_return 0;
    }());
    work.push_back([]() -> task<int> {
      throw cancelled_error();
      co_return 0;
    }());
    auto outcomes = as_completed(std::move(work));
    int failed = 0, cancelled = 0;

    while (auto outcome = co_await outcomes.next()) {
      if (outcome->cancelled()) {
        ++cancelled;
      } else if (!outcome->has_value()) {
        ++failed;
      }
    }

    EXPECT_EQ(failed, 1);
    EXPECT_EQ(cancelled, 1);
  });
}

TEST_P(AsCompleted, MoveOnlyAndVoidResults_ComeThrough) {
  run([]() -> task<> {
    std::vector<task<std::unique_ptr<int>>> owning;
    owning.push_back([]() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); }());
    auto pointers = as_completed(std::move(owning));
    auto nothings = as_completed(std::views::iota(0, 2) |
                                 std::views::transform([](int) -> task<> { co_await yield(); }));

    auto pointer = co_await pointers.next();
    int ended = 0;
    while (auto outcome = co_await nothings.next()) ended += outcome->has_value() ? 1 : 0;

    EXPECT_EQ(*pointer->value(), 3);
    EXPECT_EQ(ended, 2);
  });
}

TEST_P(AsCompleted, Nothing_EndsAtOnce) {
  run([]() -> task<> {
    auto none = as_completed(std::vector<task<int>>());

    const auto first = co_await none.next();

    EXPECT_FALSE(first.has_value());
  });
}

TEST_P(AsCompleted, Aclose_CancelsAndAwaitsTheRest) {
  run([]() -> task<> {
    bool cancelled = false;
    std::vector<task<int>> work;
    work.push_back(hang(cancelled));
    work.push_back(after(1ms, 1));
    auto outcomes = as_completed(std::move(work));
    (void)co_await outcomes.next();

    co_await outcomes.aclose();

    EXPECT_TRUE(cancelled);
    EXPECT_EQ(all_tasks().size(), 1u);  // ourselves
  });
}

TEST_P(AsCompleted, DroppedGenerator_CancelsTheRest) {
  run([]() -> task<> {
    bool cancelled = false;
    {
      std::vector<task<int>> work;
      work.push_back(hang(cancelled));
      work.push_back(after(1ms, 1));
      auto outcomes = as_completed(std::move(work));
      (void)co_await outcomes.next();
    }

    while (all_tasks().size() > 1) co_await yield();

    EXPECT_TRUE(cancelled);
  });
}

TEST_P(AsCompleted, CancelledConsumer_CancelsAndAwaitsTheRest) {
  run([]() -> task<> {
    bool cancelled = false;
    auto consumer = co_await spawn_waiting([&]() -> task<> {
      std::vector<task<int>> work;
      work.push_back(hang(cancelled));
      auto outcomes = as_completed(std::move(work));
      (void)co_await outcomes.next();
    });
    while (all_tasks().size() < 3) co_await yield();
    for (int i = 0; i < 10; ++i) co_await yield();

    consumer.cancel();
    const ending how = co_await ending_of(consumer);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_TRUE(cancelled);
  });
}

}  // namespace
}  // namespace weft::testing
