#include <weft/sync/detail/late_state.h>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace weft::detail {
namespace {

struct counted_state {
  explicit counted_state(int with) : value(with) {}
  void close() noexcept { ++closed; }
  int value;
  std::atomic<int> closed{0};
};

constinit late_state<counted_state> made_before_main;

std::shared_ptr<counted_state> one() {
  return std::make_shared<counted_state>(1);
}

TEST(LateState, FirstWhoAsks_MakesIt) {
  late_state<counted_state> late;

  EXPECT_EQ(late.get(one)->value, 1);
  EXPECT_EQ(late.get([] { return std::make_shared<counted_state>(2); })->value, 1);
  EXPECT_EQ(made_before_main.get(one)->value, 1);
}

TEST(LateState, MakerThatThrows_LeavesItToTheNext) {
  late_state<counted_state> late;
  const auto failing = []() -> std::shared_ptr<counted_state> {
    throw std::runtime_error("expected");
  };

  EXPECT_THROW(late.get(failing), std::runtime_error);

  EXPECT_EQ(late.get(one)->value, 1);
}

TEST(LateState, Close_ReachesTheState) {
  late_state<counted_state> late;
  (void)late.get(one);

  late.close();

  EXPECT_EQ(late.get(one)->closed, 1);
}

TEST(LateState, CloseBeforeThereIsAState_ClosesItFromTheStart) {
  late_state<counted_state> late;

  late.close();
  late.close();

  EXPECT_EQ(late.get(one)->closed, 1);
}

TEST(LateState, ManyWhoAskAtOnce_GetTheSameState) {
  for (int round = 0; round < 100; ++round) {
    late_state<counted_state> late;
    std::atomic<int> made{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        const auto& state = late.get([&] { return std::make_shared<counted_state>(++made); });
        EXPECT_EQ(state->value, 1);
      });
    }
    for (std::thread& each : threads) each.join();

    EXPECT_EQ(made, 1);
  }
}

TEST(LateState, CloseAmongThoseWhoAsk_ReachesTheStateOnce) {
  for (int round = 0; round < 100; ++round) {
    late_state<counted_state> late;
    std::thread asking([&] { EXPECT_EQ(late.get(one)->value, 1); });
    std::thread closing([&] { late.close(); });
    asking.join();
    closing.join();

    EXPECT_EQ(late.get(one)->closed, 1);
  }
}

// What a maker that fails has touched is plain data: the next one goes on with it.
TEST(LateState, MakersThatFailOnManyThreads_SeeWhatTheOnesBeforeDid) {
  constexpr int failures = 50;
  for (int round = 0; round < 100; ++round) {
    late_state<counted_state> late;
    int tried = 0;
    const auto ask = [&] {
      for (bool made = false; !made;) {
        try {
          (void)late.get([&] {
            if (++tried <= failures) throw std::runtime_error("expected");
            return one();
          });
          made = true;
        } catch (const std::runtime_error&) {  // tries again
        }
      }
    };

    std::thread other(ask);
    ask();
    other.join();

    EXPECT_EQ(tried, failures + 1);
  }
}

}  // namespace
}  // namespace weft::detail
