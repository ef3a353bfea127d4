#include <weft/runtime/detail/idle_set.h>

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace weft::testing {
namespace {

using detail::idle_set;

TEST(IdleSet, NewSet_HasNobodyAsleep) {
  idle_set idle;

  EXPECT_FALSE(idle.anyone_asleep());
  EXPECT_EQ(idle.sleepers(), 0u);
  EXPECT_EQ(idle.claim_sleeper(), idle_set::nobody);
  EXPECT_EQ(idle.claim_searcher(), idle_set::nobody);
  EXPECT_FALSE(idle.watched());
}

TEST(IdleSet, Sleeper_IsInTheMaskUntilItWakes) {
  idle_set idle;

  idle.fall_asleep(3);
  EXPECT_TRUE(idle.anyone_asleep());
  EXPECT_EQ(idle.sleepers(), std::uint64_t{1} << 3);
  idle.wake_up(3);

  EXPECT_FALSE(idle.anyone_asleep());
}

TEST(IdleSet, EveryWorker_HasItsBit) {
  idle_set idle;

  for (unsigned i = 0; i < idle_set::workers_max; ++i) idle.fall_asleep(i);

  EXPECT_EQ(idle.sleepers(), ~std::uint64_t{0});
  for (unsigned i = 0; i < idle_set::workers_max; ++i) EXPECT_EQ(idle.claim_sleeper(), i);
  EXPECT_EQ(idle.claim_sleeper(), idle_set::nobody);
}

TEST(IdleSet, ClaimedSleeper_IsNotClaimedAgain) {
  idle_set idle;
  idle.fall_asleep(2);
  idle.fall_asleep(5);

  EXPECT_EQ(idle.claim_sleeper(), 2u);
  EXPECT_EQ(idle.claim_sleeper(), 5u);
  EXPECT_EQ(idle.claim_sleeper(), idle_set::nobody);
}

TEST(IdleSet, OneSearcher_IsEnough) {
  idle_set idle;
  idle.fall_asleep(0);
  idle.fall_asleep(1);

  EXPECT_EQ(idle.claim_searcher(), 0u);
  EXPECT_EQ(idle.claim_searcher(), idle_set::nobody);  // one searches already
  EXPECT_TRUE(idle.anyone_asleep());
  idle.end_search();

  EXPECT_EQ(idle.claim_searcher(), 1u);
}

TEST(IdleSet, ClaimWithoutASleeper_LeavesTheSearchToTheNext) {
  idle_set idle;
  EXPECT_EQ(idle.claim_searcher(), idle_set::nobody);

  idle.fall_asleep(4);

  EXPECT_EQ(idle.claim_searcher(), 4u);
}

TEST(IdleSet, OneWatcher_AtATime) {
  idle_set idle;

  EXPECT_TRUE(idle.become_watcher(1));
  EXPECT_TRUE(idle.watched());
  EXPECT_FALSE(idle.become_watcher(2));
  idle.stop_watching();
  EXPECT_FALSE(idle.watched());

  EXPECT_TRUE(idle.become_watcher(2));
}

TEST(IdleSetRace, Sleeper_IsClaimedByOneOrWakesByItself) {
  idle_set idle;
  constexpr int rounds = 20'000;
  std::atomic<int> claimed{0};
  std::atomic<bool> over{false};
  std::vector<std::thread> claimers;
  for (int i = 0; i < 2; ++i) {
    claimers.emplace_back([&] {
      while (!over) {
        if (idle.claim_sleeper() != idle_set::nobody) {
          ++claimed;
        } else {
          std::this_thread::yield();  // more threads than processors
        }
      }
    });
  }

  int slept = 0;
  for (int i = 0; i < rounds; ++i) {
    const int before = claimed;
    idle.fall_asleep(7);
    ++slept;
    if (i % 2 == 0) {
      while (claimed == before) std::this_thread::yield();  // somebody must come
    } else {
      idle.wake_up(7);
    }
  }
  over = true;
  for (std::thread& each : claimers) each.join();

  EXPECT_FALSE(idle.anyone_asleep());
  EXPECT_GE(claimed.load(), rounds / 2);
  EXPECT_LE(claimed.load(), slept);
}

TEST(IdleSetRace, Search_IsTheWorkOfOne) {
  idle_set idle;
  std::atomic<int> searching{0};
  std::atomic<int> most{0};
  std::atomic<int> searches{0};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 10'000; ++round) {
        idle.fall_asleep(i);
        if (idle.claim_searcher() != idle_set::nobody) {
          if (++searching > 1) most = 2;
          ++searches;
          --searching;
          idle.end_search();
        }
      }
    });
  }
  for (std::thread& each : threads) each.join();

  EXPECT_EQ(most.load(), 0);
  EXPECT_GT(searches.load(), 0);
}

TEST(IdleSet, NeedsWatcher_OnlyWhenOneSleepsAndNobodyWatches) {
  idle_set idle;
  EXPECT_FALSE(idle.needs_watcher());

  idle.fall_asleep(3);
  EXPECT_TRUE(idle.needs_watcher());

  ASSERT_TRUE(idle.become_watcher(3));
  EXPECT_FALSE(idle.needs_watcher());

  idle.stop_watching();
  EXPECT_TRUE(idle.needs_watcher());
}

}  // namespace
}  // namespace weft::testing
