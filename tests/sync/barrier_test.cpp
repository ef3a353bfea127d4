#include "every_runtime.h"
#include <weft/runtime/select.h>
#include <weft/sync/barrier.h>
#include <weft/sync/event.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using ::testing::UnorderedElementsAre;

class Barrier : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Barrier, every_kind(), name_of);

constinit barrier made_before_main(1);

task<std::size_t> arrive(barrier& at) {
  const std::size_t index = co_await at.wait();
  co_return index;
}

TEST(BarrierParties, None_Throw) {
  EXPECT_THROW(barrier(0), std::invalid_argument);
  EXPECT_EQ(barrier(3).parties(), 3u);
}

TEST_P(Barrier, LastArrival_LetsAllGoWithTheirOwnIndex) {
  run([]() -> task<> {
    barrier three(3);
    auto a = co_await spawn_waiting(arrive, std::ref(three));
    auto b = co_await spawn_waiting(arrive, std::ref(three));
    EXPECT_EQ(three.waiting(), 2u);
    EXPECT_FALSE(a.done());

    const std::size_t own = co_await three.wait();

    EXPECT_EQ(own, 2u);
    EXPECT_EQ(co_await a, 0u);
    EXPECT_EQ(co_await b, 1u);
    EXPECT_EQ(three.waiting(), 0u);
  });
}

TEST_P(Barrier, Rounds_DoNotMix) {
  run([]() -> task<> {
    constexpr std::size_t parties = 5;
    constexpr int rounds = 100;
    barrier all(parties);
    std::vector<std::atomic<int>> arrived(rounds);
    std::vector<std::atomic<std::size_t>> indices(rounds);
    std::vector<join_handle<>> tasks;
    for (std::size_t i = 0; i < parties; ++i) {
      tasks.push_back(spawn([&]() -> task<> {
        for (std::size_t round = 0; round < rounds; ++round) {
          ++arrived[round];
          const std::size_t index = co_await all.wait();
          EXPECT_EQ(arrived[round], static_cast<int>(parties));
          indices[round] += index;
        }
      }));
    }
    for (auto& each : tasks) co_await each;
    for (const auto& sum : indices) EXPECT_EQ(sum, 0u + 1 + 2 + 3 + 4);
  });
}

TEST_P(Barrier, CancelledParty_CountsAsNotArrived) {
  run([]() -> task<> {
    barrier two(2);
    auto gone = co_await spawn_waiting(arrive, std::ref(two));
    gone.cancel();
    EXPECT_EQ(co_await end_of(gone), ending::cancelled);
    EXPECT_FALSE(two.broken());

    auto first = co_await spawn_waiting(arrive, std::ref(two));
    EXPECT_FALSE(first.done());
    const std::size_t own = co_await two.wait();
    EXPECT_EQ(own, 1u);
    EXPECT_EQ(co_await first, 0u);
  });
}

TEST_P(Barrier, PartyCancelledAfterItWasReleased_DisturbsNobody) {
  run([]() -> task<> {
    barrier two(2);
    auto first = co_await spawn_waiting(arrive, std::ref(two));

    (void)co_await two.wait();
    first.cancel();

    EXPECT_EQ(co_await first, 0u);
    EXPECT_FALSE(two.broken());
  });
}

TEST_P(Barrier, Reset_FailsWaitersAndLeavesItUsable) {
  run([]() -> task<> {
    barrier two(2);
    two.reset();  // nobody there
    auto first = co_await spawn_waiting(arrive, std::ref(two));

    two.reset();

    EXPECT_EQ(co_await end_of(first), ending::error);
    EXPECT_THROW(first.result(), broken_barrier_error);
    EXPECT_FALSE(two.broken());
    auto second = co_await spawn_waiting(arrive, std::ref(two));
    const std::size_t own = co_await two.wait();
    EXPECT_EQ(own, 1u);
    EXPECT_EQ(co_await second, 0u);
  });
}

TEST_P(Barrier, ResetAfterTheRelease_LeavesThoseWhoWereReleasedAlone) {
  run([]() -> task<> {
    barrier three(3);
    auto a = co_await spawn_waiting(arrive, std::ref(three));
    auto b = co_await spawn_waiting(arrive, std::ref(three));

    (void)co_await three.wait();
    three.reset();

    EXPECT_EQ(co_await a, 0u);
    EXPECT_EQ(co_await b, 1u);
    EXPECT_FALSE(three.broken());
  });
}

TEST_P(Barrier, Abort_FailsEverybodyUntilReset) {
  run([]() -> task<> {
    barrier two(2);
    auto first = co_await spawn_waiting(arrive, std::ref(two));

    two.abort();

    EXPECT_TRUE(two.broken());
    EXPECT_EQ(co_await end_of(first), ending::error);
    EXPECT_THROW(first.result(), broken_barrier_error);
    auto late = spawn(arrive(two));
    EXPECT_EQ(co_await end_of(late), ending::error);
    EXPECT_THROW(late.result(), broken_barrier_error);
    two.reset();
    EXPECT_FALSE(two.broken());
    auto second = co_await spawn_waiting(arrive, std::ref(two));
    (void)co_await two.wait();
    EXPECT_EQ(co_await second, 0u);
  });
}

TEST_P(Barrier, LosingWaitOfASelect_CountsAsNotArrived) {
  run([]() -> task<> {
    barrier two(2);
    event ready;
    auto selecting = co_await spawn_waiting([&]() -> task<std::size_t> {
      auto first = co_await select(two.wait(), ready.wait());
      co_return first.index();
    });
    while (two.waiting() == 0) co_await yield();

    ready.set();

    EXPECT_EQ(co_await selecting, 1u);
    EXPECT_EQ(two.waiting(), 0u);
  });
}

// Parties come and give up at random: a round has one of each index, or has not taken place.
TEST(BarrierStress, CancelledParties_NeverSpoilARound) {
  const std::uint64_t seed = stress_seed();

  run(
      [seed]() -> task<> {
        std::mt19937_64 random(seed);
        for (int round = 0; round < 200; ++round) {
          barrier three(3);
          std::array<std::atomic<int>, 3> arrived{};
          std::vector<join_handle<>> tasks;
          for (int i = 0; i < 8; ++i) {
            tasks.push_back(spawn([&]() -> task<> {
              for (int turn = 0; turn < 6; ++turn) {
                const std::size_t index = co_await three.wait();
                ++arrived[index];
              }
            }));
          }
          for (auto& each : tasks) {
            if (random() % 3 == 0) each.cancel();
            if (random() % 4 == 0) co_await yield();
          }
          co_await yield();
          for (auto& each : tasks) each.cancel();
          for (auto& each : tasks) (void)co_await end_of(each);

          EXPECT_EQ(arrived[0], arrived[1]);
          EXPECT_EQ(arrived[1], arrived[2]);
          EXPECT_EQ(three.waiting(), 0u);
          EXPECT_FALSE(three.broken());
        }
      },
      {.workers = 4});
}

TEST_P(Barrier, OfOneParty_NeverWaits) {
  run([]() -> task<> {
    const std::size_t index = co_await made_before_main.wait();
    EXPECT_EQ(index, 0u);
  });
}

}  // namespace
}  // namespace weft::testing
