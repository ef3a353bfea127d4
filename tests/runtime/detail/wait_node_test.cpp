#include "manual_gate.h"
#include "runtimes.h"
#include <weft/runtime/detail/wait_node.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/sleep.h>
#include <weft/sync/event.h>
#include <weft/sync/queue.h>

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using detail::wait_group;

// ---- wait_group --------------------------------------------------------------------------------

TEST(WaitGroup, FirstClaim_WinsAndTheOthersLose) {
  wait_group group;
  EXPECT_EQ(group.winner(), wait_group::open);

  EXPECT_TRUE(group.claim(3));
  EXPECT_FALSE(group.claim(5));
  EXPECT_FALSE(group.claim(3));

  EXPECT_EQ(group.winner(), 3u);
}

TEST(WaitGroup, HeldGroup_MayBeLetGoOrSettled) {
  wait_group group;

  EXPECT_TRUE(group.hold());
  EXPECT_EQ(group.winner(), wait_group::held);
  group.settle(wait_group::open);
  EXPECT_TRUE(group.hold());
  group.settle(2);

  EXPECT_EQ(group.winner(), 2u);
  EXPECT_FALSE(group.hold());
}

TEST(WaitGroup, CancelledGroup_HasNoWinner) {
  wait_group group;

  EXPECT_TRUE(group.claim(wait_group::nobody));

  EXPECT_FALSE(group.claim(0));
  EXPECT_EQ(group.winner(), wait_group::nobody);
}

TEST(WaitGroup, ClaimOfAHeldGroup_WaitsForTheHolder) {
  wait_group group;
  ASSERT_TRUE(group.hold());
  std::atomic<bool> claiming{false};
  std::atomic<bool> won{false};
  std::thread claimer([&] {
    claiming = true;
    won = group.claim(1);
  });
  while (!claiming) std::this_thread::yield();

  group.settle(wait_group::open);
  claimer.join();

  EXPECT_TRUE(won);
  EXPECT_EQ(group.winner(), 1u);
}

TEST(WaitGroup, ConcurrentClaims_HaveOneWinner) {
  constexpr int rounds = 2000;
  constexpr std::uint32_t claimers = 3;
  std::vector<wait_group> groups(rounds);
  std::vector<int> stored(rounds, 0);  // by the winner, before it settles
  std::atomic<std::uint32_t> ready{0};
  std::atomic<int> wins{0};
  std::vector<std::thread> threads;
  for (std::uint32_t member = 0; member < claimers; ++member) {
    threads.emplace_back([&, member] {
      ++ready;
      while (ready < claimers) {
      }
      for (std::size_t i = 0; i < groups.size(); ++i) {
        if (!groups[i].hold()) continue;
        if (i % 3 == member) {
          groups[i].settle(wait_group::open);  // was not ready after all
          if (!groups[i].hold()) continue;
        }
        stored[i] = static_cast<int>(member) + 1;
        groups[i].settle(member);
        ++wins;
      }
    });
  }
  for (std::thread& each : threads) each.join();

  EXPECT_EQ(wins.load(), rounds);
  for (std::size_t i = 0; i < groups.size(); ++i)
    EXPECT_EQ(static_cast<int>(groups[i].winner()) + 1, stored[i]);
}

TEST(WaitNode, NodeWithoutAGroup_IsAlwaysClaimed) {
  detail::wait_node node;

  EXPECT_TRUE(node.claim());
  EXPECT_TRUE(node.claim());
}

TEST(WaitNode, NodeOfAGroup_IsClaimedOnceForItsMember) {
  wait_group group;
  detail::wait_node first;
  detail::wait_node second;
  first.group = second.group = &group;
  first.member = 4;
  second.member = 5;

  EXPECT_TRUE(second.claim());
  EXPECT_FALSE(first.claim());

  EXPECT_EQ(group.winner(), 5u);
}

TEST(WaitNode, Alignment_LeavesRoomForTheFlagsOfTheWaitWord) {
  static_assert(alignof(detail::wait_node) >= 16);
}

// ---- leaf_operation ----------------------------------------------------------------------------

/// Ready or not, as it is told; notes what is called.
struct probe : detail::leaf_operation<probe> {
  explicit probe(bool ready_now, bool ready_at_publish, std::string& calls)
      : now(ready_now), at_publish(ready_at_publish), log(&calls) {}
  bool try_now() noexcept {
    *log += 't';
    return now;
  }
  bool publish() noexcept {
    *log += 'p';
    unlink = detail::waits<take_out, "a probe">;
    return !at_publish;
  }
  static detail::unlink_result take_out(detail::wait_node&) noexcept {
    return detail::unlink_result::removed;
  }
  int take() noexcept {
    *log += 'r';
    return 7;
  }
  bool now;
  bool at_publish;
  std::string* log;
};

TEST(LeafOperation, Leaf_IsWhatSelectCanWaitForInPlace) {
  static_assert(detail::leaf_awaitable<probe>);
  static_assert(detail::leaf_awaitable<detail::sleep_operation>);
  static_assert(detail::leaf_awaitable<decltype(std::declval<event&>().wait())>);
  static_assert(detail::leaf_awaitable<decltype(std::declval<queue<int>&>().get())>);
  static_assert(!detail::leaf_awaitable<task<int>>);
  static_assert(!detail::leaf_awaitable<join_handle<int>>);
  static_assert(!detail::leaf_awaitable<decltype(yield())>);
}

TEST(LeafOperation, ReadyOperation_IsTriedAndTakenWithoutSuspending) {
  test_runtime rt;
  std::string calls;

  rt.run([&]() -> task<> {
    const int value = co_await probe(true, false, calls);
    EXPECT_EQ(value, 7);
  });

  EXPECT_EQ(calls, "tr");
}

TEST(LeafOperation, OperationThatIsReadyWhenPublished_DoesNotSuspend) {
  test_runtime rt;
  std::string calls;

  rt.run([&]() -> task<> {
    auto other = spawn([&]() -> task<> {
      calls += 'o';
      co_return;
    });
    (void)co_await probe(false, true, calls);
    co_await other;
  });

  EXPECT_EQ(calls, "tpro");
}

// Ready awaits in a row let others run after a while; the operation is done by then, and not tried
// again.
TEST(LeafOperation, BudgetOfReadyAwaits_LetsOthersRunAfterwards) {
  test_runtime rt;
  int before_others = 0;

  rt.run([&]() -> task<> {
    std::string calls;
    bool other_ran = false;
    auto other = spawn([&]() -> task<> {
      other_ran = true;
      co_return;
    });
    while (!other_ran) {
      (void)co_await probe(true, true, calls);
      ++before_others;
    }
    co_await other;
    EXPECT_EQ(calls.substr(calls.size() - 2), "pr");  // the last one: not tried, but published
  });

  EXPECT_LE(before_others, detail::operations_per_resume + 1);
  EXPECT_GE(before_others, detail::operations_per_resume / 2);
}

TEST(LeafOperation, SecondAwait_Throws) {
  test_runtime rt;

  rt.run([]() -> task<> {
    std::string calls;
    auto once = probe(true, false, calls);
    (void)co_await once;
    bool refused = false;
    try {
      (void)co_await once;
    } catch (const invalid_state_error&) {
      refused = true;
    }

    EXPECT_TRUE(refused);
    EXPECT_EQ(calls, "tr");
  });
}

TEST(LeafOperation, OperationThatMovedBeforeItsAwait_WaitsAtItsNewPlace) {
  test_runtime rt;
  manual_gate gate;

  rt.run([&]() -> task<> {
    auto made = gate.wait();
    auto moved = std::move(made);
    auto opener = spawn([&]() -> task<> {
      gate.open();
      co_return;
    });
    co_await moved;
    co_await opener;
  });

  EXPECT_FALSE(gate.has_waiter());
}

TEST(LeafOperation, CancelledOperation_IsNotTaken) {
  test_runtime rt;

  rt.run([]() -> task<> {
    std::string calls;
    auto waiting = co_await spawn_waiting(
        [](std::string& log) -> task<> { (void)co_await probe(false, false, log); },
        std::ref(calls));
    waiting.cancel();

    const ending how = co_await ending_of(waiting);
    EXPECT_EQ(how, ending::cancelled);
    EXPECT_EQ(calls, "tp");
  });
}

TEST(LeafOperation, Interruption_ThrowsWhatItStandsFor) {
  test_runtime rt;

  rt.run([]() -> task<> {
    detail::cancel(*detail::here.task);
    EXPECT_THROW(detail::throw_interrupted(detail::wait_outcome::interrupted), timeout_error);
    EXPECT_TRUE(detail::request_pending(*detail::here.task));
    EXPECT_THROW(detail::throw_interrupted(detail::wait_outcome::cancelled), cancelled_error);
    EXPECT_FALSE(detail::request_pending(*detail::here.task));  // delivered
    EXPECT_THROW(detail::throw_awaited_twice(), invalid_state_error);
    co_return;
  });
}

}  // namespace
}  // namespace weft::testing
