#include "../every_runtime.h"
#include <weft/sync/detail/wake_list.h>

#include <gtest/gtest.h>

#include <thread>

namespace weft::detail {
namespace {

struct waiter : wait_node {};

TEST(WakeList, ClaimFront_SkipsThoseWhoseSelectIsDecided) {
  wait_group decided;
  ASSERT_TRUE(decided.claim(7));
  waiter loser;
  loser.group = &decided;
  waiter winner;
  intrusive_list<waiter> waiters;
  waiters.push_back(loser);
  waiters.push_back(winner);

  EXPECT_EQ(claim_front(waiters), &winner);

  EXPECT_FALSE(loser.linked());
  EXPECT_TRUE(waiters.empty());
  EXPECT_EQ(claim_front(waiters), nullptr);
}

TEST(WakeList, UnlinkUnder_SaysWhoOwnsTheOutcome) {
  spin_lock lock;
  waiter node;
  intrusive_list<waiter> waiters;
  waiters.push_back(node);

  EXPECT_EQ(unlink_under(lock, node), unlink_result::removed);
  EXPECT_EQ(unlink_under(lock, node), unlink_result::completed);
  EXPECT_TRUE(waiters.empty());
}

TEST(WakeList, ClaimBoth_ClaimsBothOrNeither) {
  wait_group a;
  wait_group b;
  waiter self;
  waiter peer;
  self.group = &a;
  self.member = 1;
  peer.group = &b;
  peer.member = 2;
  EXPECT_EQ(claim_both(self, peer), meeting::both);
  EXPECT_EQ(a.winner(), 1u);
  EXPECT_EQ(b.winner(), 2u);

  wait_group fresh;
  self.group = &fresh;
  EXPECT_EQ(claim_both(self, peer), meeting::peer_gone);
  EXPECT_EQ(fresh.winner(), wait_group::open);
  EXPECT_EQ(claim_both(peer, self), meeting::self_gone);
  EXPECT_EQ(fresh.winner(), wait_group::open);
}

TEST(WakeList, ClaimBothOfPlainWaits_NeedsNoGroup) {
  wait_group open;
  waiter plain;
  waiter grouped;
  grouped.group = &open;
  EXPECT_EQ(claim_both(plain, plain), meeting::both);
  EXPECT_EQ(claim_both(plain, grouped), meeting::both);
  EXPECT_EQ(claim_both(plain, grouped), meeting::peer_gone);
  EXPECT_EQ(claim_both(grouped, plain), meeting::self_gone);
}

// Two threads let the same two selects meet from both sides: neither waits for the other for ever.
TEST(WakeList, ClaimBothFromBothSides_IsDecidedOnce) {
  for (int round = 0; round < 2000; ++round) {
    wait_group a;
    wait_group b;
    waiter left[2];
    waiter right[2];
    for (auto& each : left) each.group = &a;
    for (auto& each : right) each.group = &b;
    meeting first{};
    meeting second{};
    std::thread other([&] { first = claim_both(left[0], right[0]); });
    second = claim_both(right[1], left[1]);
    other.join();
    EXPECT_NE(first == meeting::both, second == meeting::both);
  }
}

}  // namespace
}  // namespace weft::detail
