#include "../../sync/every_runtime.h"
#include <weft/runtime/detail/fork_deque.h>
#include <weft/runtime/detail/task_state.h>

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace weft::testing {
namespace {

using detail::fork_deque;
using detail::task_state;

constexpr auto capacity = static_cast<std::size_t>(fork_deque::capacity);

// ---- Without threads ---------------------------------------------------------------------------

TEST(ForkDeque, EmptyDeque_GivesNothing) {
  const auto deque = std::make_unique<fork_deque>();

  EXPECT_TRUE(deque->empty_approx());
  EXPECT_EQ(deque->pop(), nullptr);
  EXPECT_EQ(deque->pop_unshared(), nullptr);
  EXPECT_EQ(deque->steal(), nullptr);
  EXPECT_TRUE(deque->empty_approx());
}

TEST(ForkDeque, Owner_TakesTheNewest) {
  const auto deque = std::make_unique<fork_deque>();
  std::vector<task_state> all(5);
  for (task_state& each : all) EXPECT_TRUE(deque->push(each));

  for (std::size_t i = all.size(); i-- > 0;) EXPECT_EQ(deque->pop(), &all[i]);

  EXPECT_TRUE(deque->empty_approx());
}

TEST(ForkDeque, OwnerWithoutThieves_TakesTheNewestToo) {
  const auto deque = std::make_unique<fork_deque>();
  std::vector<task_state> all(5);
  for (task_state& each : all) EXPECT_TRUE(deque->push(each));

  for (std::size_t i = all.size(); i-- > 0;) EXPECT_EQ(deque->pop_unshared(), &all[i]);

  EXPECT_TRUE(deque->empty_approx());
}

TEST(ForkDeque, Thief_TakesTheOldest) {
  const auto deque = std::make_unique<fork_deque>();
  std::vector<task_state> all(5);
  for (task_state& each : all) deque->push(each);

  for (task_state& each : all) EXPECT_EQ(deque->steal(), &each);

  EXPECT_EQ(deque->steal(), nullptr);
  EXPECT_EQ(deque->pop(), nullptr);
}

TEST(ForkDeque, OwnerAndThief_MeetInTheMiddle) {
  const auto deque = std::make_unique<fork_deque>();
  std::vector<task_state> all(3);
  for (task_state& each : all) deque->push(each);

  EXPECT_EQ(deque->steal(), &all[0]);
  EXPECT_EQ(deque->pop(), &all[2]);
  EXPECT_EQ(deque->steal(), &all[1]);

  EXPECT_EQ(deque->pop(), nullptr);
}

TEST(ForkDeque, FullDeque_RefusesUntilOneIsTaken) {
  const auto deque = std::make_unique<fork_deque>();
  std::vector<task_state> all(capacity + 2);
  for (std::size_t i = 0; i < capacity; ++i) ASSERT_TRUE(deque->push(all[i]));

  EXPECT_FALSE(deque->push(all[capacity]));
  EXPECT_EQ(deque->steal(), &all[0]);
  EXPECT_TRUE(deque->push(all[capacity]));
  EXPECT_FALSE(deque->push(all[capacity + 1]));
  EXPECT_EQ(deque->pop(), &all[capacity]);

  EXPECT_TRUE(deque->push(all[capacity + 1]));
}

TEST(ForkDeque, Ring_GoesRoundManyTimes) {
  const auto deque = std::make_unique<fork_deque>();
  std::vector<task_state> all(8);

  for (std::size_t i = 0; i < 3 * capacity; ++i) {
    ASSERT_TRUE(deque->push(all[i % 8]));
    ASSERT_TRUE(deque->push(all[(i + 1) % 8]));
    ASSERT_EQ(deque->steal(), &all[i % 8]);
    ASSERT_EQ(deque->pop(), &all[(i + 1) % 8]);
  }

  EXPECT_TRUE(deque->empty_approx());
}

// ---- Owner against thieves ---------------------------------------------------------------------

TEST(ForkDequeRace, EveryChild_IsTakenExactlyOnce) {
  std::mt19937_64 random(stress_seed());
  constexpr std::size_t count = 100'000;
  const auto deque = std::make_unique<fork_deque>();
  std::vector<task_state> all(count);
  std::vector<std::atomic<int>> seen(count);
  std::atomic<bool> over{false};
  const auto note = [&](const task_state* child) {
    ++seen[static_cast<std::size_t>(child - all.data())];
  };
  std::vector<std::thread> thieves;
  for (int i = 0; i < 2; ++i) {
    thieves.emplace_back([&] {
      while (!over) {
        if (const task_state* child = deque->steal()) note(child);
      }
    });
  }

  for (std::size_t next = 0; next < count;) {
    // Small bursts: owner and thieves meet at the last entry most of the time.
    for (std::size_t burst = 1 + random() % 4; burst > 0 && next < count; --burst) {
      if (!deque->push(all[next])) break;
      ++next;
    }
    for (std::size_t burst = random() % 5; burst > 0; --burst) {
      const task_state* child = deque->pop();
      if (child == nullptr) break;
      note(child);
    }
  }
  while (const task_state* child = deque->pop()) note(child);
  over = true;
  for (std::thread& each : thieves) each.join();

  for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(seen[i].load(), 1) << "child " << i;
  EXPECT_TRUE(deque->empty_approx());
}

TEST(ForkDequeRace, StolenChild_IsSeenAsItWasPushed) {
  constexpr std::size_t count = 50'000;
  const auto deque = std::make_unique<fork_deque>();
  std::vector<task_state> all(count);
  std::atomic<bool> over{false};
  std::atomic<std::size_t> wrong{0};
  std::thread thief([&] {
    while (!over) {
      const task_state* child = deque->steal();
      if (child != nullptr && child->leaf != child) ++wrong;
    }
  });

  for (std::size_t i = 0; i < count; ++i) {
    all[i].leaf = &all[i];  // not atomic: published by the push
    while (!deque->push(all[i])) std::this_thread::yield();
    if (i % 3 == 0) (void)deque->pop();
  }
  while (!deque->empty_approx()) std::this_thread::yield();
  over = true;
  thief.join();

  EXPECT_EQ(wrong.load(), 0u);
}

}  // namespace
}  // namespace weft::testing
