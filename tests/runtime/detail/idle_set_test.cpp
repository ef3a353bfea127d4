#include <weft/runtime/detail/idle_set.h>

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace weft::detail {
namespace {

TEST(IdleSet, NewOne_HasNobody) {
  idle_set idle;

  EXPECT_FALSE(idle.anyone_asleep());
  EXPECT_FALSE(idle.watched());
  EXPECT_EQ(idle.claim_sleeper(), idle_set::nobody);
  EXPECT_EQ(idle.claim_searcher(), idle_set::nobody);
}

TEST(IdleSet, Sleepers_AreOneBitEach) {
  idle_set idle;

  idle.fall_asleep(0);
  idle.fall_asleep(63);

  EXPECT_EQ(idle.sleepers(), std::uint64_t{1} << 63 | 1U);
  idle.wake_up(0);
  EXPECT_EQ(idle.sleepers(), std::uint64_t{1} << 63);
  idle.wake_up(63);
  EXPECT_FALSE(idle.anyone_asleep());
}

TEST(IdleSet, ClaimedSleeper_IsNotClaimedAgain) {
  idle_set idle;
  idle.fall_asleep(5);
  idle.fall_asleep(3);

  EXPECT_EQ(idle.claim_sleeper(), 3U);
  EXPECT_EQ(idle.claim_sleeper(), 5U);
  EXPECT_EQ(idle.claim_sleeper(), idle_set::nobody);
}

TEST(IdleSet, OneSearcher_AtATime) {
  idle_set idle;
  idle.fall_asleep(1);
  idle.fall_asleep(2);

  EXPECT_EQ(idle.claim_searcher(), 1U);
  EXPECT_EQ(idle.claim_searcher(), idle_set::nobody);
  idle.end_search();
  EXPECT_EQ(idle.claim_searcher(), 2U);
}

TEST(IdleSet, FailedClaim_LeavesNoSearcherBehind) {
  idle_set idle;

  EXPECT_EQ(idle.claim_searcher(), idle_set::nobody);
  idle.fall_asleep(0);

  EXPECT_EQ(idle.claim_searcher(), 0U);
}

TEST(IdleSet, OneWatcher_AtATime) {
  idle_set idle;

  EXPECT_TRUE(idle.become_watcher(4));
  EXPECT_FALSE(idle.become_watcher(5));
  EXPECT_TRUE(idle.watched());
  idle.stop_watching();
  EXPECT_TRUE(idle.become_watcher(5));
}

TEST(IdleSet, ClaimersOnManyThreads_GetDifferentSleepers) {
  for (int round = 0; round < 500; ++round) {
    idle_set idle;
    for (unsigned i = 0; i < 64; ++i) idle.fall_asleep(i);
    std::vector<std::atomic<int>> claims(64);
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&] {
          for (unsigned got = idle.claim_sleeper(); got != idle_set::nobody;
               got = idle.claim_sleeper()) {
            ++claims[got];
          }
        });
      }
    }
    for (auto& each : claims) ASSERT_EQ(each, 1);
  }
}

}  // namespace
}  // namespace weft::detail
