#include "../../sync/every_runtime.h"
#include <weft/runtime/detail/run_queue.h>
#include <weft/runtime/detail/sys.h>
#include <weft/runtime/detail/task_state.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace weft::testing {
namespace {

using detail::run_queue;
using detail::task_state;

/// Tasks to put into queues; never run.
class tasks {
 public:
  explicit tasks(std::size_t count) : states_(count) {}
  task_state& operator[](std::size_t i) { return states_[i]; }
  [[nodiscard]] std::size_t index_of(const task_state* task) const {
    return static_cast<std::size_t>(task - states_.data());
  }
  [[nodiscard]] std::size_t size() const { return states_.size(); }

 private:
  std::vector<task_state> states_;
};

// ---- Without threads ---------------------------------------------------------------------------

TEST(RunQueue, EmptyQueue_GivesNothing) {
  const auto queue = std::make_unique<run_queue>();
  const auto thief = std::make_unique<run_queue>();

  EXPECT_EQ(queue->pop(), nullptr);
  EXPECT_EQ(queue->steal(*thief, 1), 0u);
  EXPECT_EQ(queue->size_approx(), 0u);
}

TEST(RunQueue, Tasks_ComeOutInTheOrderTheyWentIn) {
  const auto queue = std::make_unique<run_queue>();
  tasks all(10);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_TRUE(queue->push(all[i]));
  EXPECT_EQ(queue->size_approx(), 10u);

  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(queue->pop(), &all[i]);

  EXPECT_EQ(queue->pop(), nullptr);
}

TEST(RunQueue, FullQueue_RefusesUntilOneIsTaken) {
  const auto queue = std::make_unique<run_queue>();
  tasks all(run_queue::capacity + 1);
  for (std::size_t i = 0; i < run_queue::capacity; ++i) ASSERT_TRUE(queue->push(all[i]));

  EXPECT_FALSE(queue->push(all[run_queue::capacity]));
  EXPECT_EQ(queue->size_approx(), run_queue::capacity);
  EXPECT_EQ(queue->pop(), &all[0]);
  EXPECT_TRUE(queue->push(all[run_queue::capacity]));

  EXPECT_FALSE(queue->push(all[0]));
}

TEST(RunQueue, Ring_GoesRoundManyTimes) {
  const auto queue = std::make_unique<run_queue>();
  tasks all(7);
  std::size_t in = 0;
  std::size_t out = 0;

  for (std::size_t i = 0; i < 3; ++i) queue->push(all[in++ % 7]);
  for (std::uint64_t i = 0; i < 3 * run_queue::capacity; ++i) {
    ASSERT_TRUE(queue->push(all[in++ % 7]));
    ASSERT_EQ(queue->pop(), &all[out++ % 7]);
  }

  EXPECT_EQ(queue->size_approx(), 3u);
}

TEST(RunQueue, Thief_TakesTheOlderHalfRoundedUp) {
  for (const std::size_t count : {1u, 2u, 5u, 64u}) {
    const auto victim = std::make_unique<run_queue>();
    const auto thief = std::make_unique<run_queue>();
    tasks all(count);
    for (std::size_t i = 0; i < count; ++i) victim->push(all[i]);
    const std::size_t half = count - count / 2;

    EXPECT_EQ(victim->steal(*thief, 1), half);

    for (std::size_t i = 0; i < half; ++i) EXPECT_EQ(thief->pop(), &all[i]);
    for (std::size_t i = half; i < count; ++i) EXPECT_EQ(victim->pop(), &all[i]);
    EXPECT_EQ(thief->pop(), nullptr);
    EXPECT_EQ(victim->pop(), nullptr);
  }
}

TEST(RunQueue, Thief_LeavesWhatIsTooLittleForIt) {
  const auto victim = std::make_unique<run_queue>();
  const auto thief = std::make_unique<run_queue>();
  tasks all(3);
  for (std::size_t i = 0; i < all.size(); ++i) victim->push(all[i]);

  EXPECT_EQ(victim->steal(*thief, 4), 0u);
  EXPECT_EQ(victim->size_approx(), 3u);
  EXPECT_EQ(victim->steal(*thief, 3), 2u);
}

TEST(RunQueue, FullQueue_CanBeStolenFrom) {
  const auto victim = std::make_unique<run_queue>();
  const auto thief = std::make_unique<run_queue>();
  tasks all(run_queue::capacity);
  for (std::size_t i = 0; i < all.size(); ++i) victim->push(all[i]);

  const std::uint64_t stolen = victim->steal(*thief, 1);
  for (std::size_t i = 0; i < stolen; ++i) EXPECT_TRUE(victim->push(all[i]));

  EXPECT_EQ(stolen, std::min(run_queue::capacity / 2, run_queue::stolen_max));

  EXPECT_FALSE(victim->push(all[0]));
}

// ---- A private ring ----------------------------------------------------------------------------

bool heavy_barrier_works() {
  return detail::sys::enable_heavy_barrier();
}

TEST(PrivateRing, Tasks_ComeOutInTheOrderTheyWentIn) {
  const auto queue = std::make_unique<run_queue>();
  tasks all(10);
  for (std::size_t i = 0; i < 5; ++i) queue->push(all[i]);

  queue->make_private();

  EXPECT_EQ(queue->size_approx(), 5u);
  for (std::size_t i = 5; i < 10; ++i) queue->push(all[i]);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(queue->pop(), &all[i]);
  EXPECT_EQ(queue->pop(), nullptr);
  EXPECT_TRUE(queue->is_private());
}

TEST(PrivateRing, PushInFront_ComesOutFirst) {
  const auto queue = std::make_unique<run_queue>();
  tasks all(3);
  queue->make_private();
  queue->push(all[0]);

  EXPECT_TRUE(queue->push_front(all[1]));
  EXPECT_TRUE(queue->push_front(all[2]));

  EXPECT_EQ(queue->size_approx(), 3u);
  EXPECT_EQ(queue->pop(), &all[2]);
  EXPECT_EQ(queue->pop(), &all[1]);
  EXPECT_EQ(queue->pop(), &all[0]);
}

TEST(PrivateRing, SharedRing_TakesNoneInFront) {
  const auto queue = std::make_unique<run_queue>();
  tasks all(1);

  EXPECT_FALSE(queue->push_front(all[0]));
  EXPECT_EQ(queue->size_approx(), 0u);
}

TEST(PrivateRing, FullRing_TakesNoneAtEitherEnd) {
  const auto queue = std::make_unique<run_queue>();
  tasks all(run_queue::capacity + 1);
  queue->make_private();
  for (std::size_t i = 0; i < run_queue::capacity; ++i) ASSERT_TRUE(queue->push_front(all[i]));

  EXPECT_FALSE(queue->push_front(all[run_queue::capacity]));
  EXPECT_FALSE(queue->push(all[run_queue::capacity]));

  for (std::size_t i = run_queue::capacity; i > 0; --i) ASSERT_EQ(queue->pop(), &all[i - 1]);
}

TEST(PrivateRing, Thief_MakesItShared) {
  if (!heavy_barrier_works()) GTEST_SKIP() << "this kernel has no membarrier";
  const auto queue = std::make_unique<run_queue>();
  const auto thief = std::make_unique<run_queue>();
  tasks all(5);
  queue->make_private();
  for (std::size_t i = 1; i < 5; ++i) queue->push(all[i]);
  queue->push_front(all[0]);

  EXPECT_EQ(queue->steal(*thief, 1), 3u);

  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(thief->pop(), &all[i]);
  for (std::size_t i = 3; i < 5; ++i) EXPECT_EQ(queue->pop(), &all[i]);
  EXPECT_EQ(queue->pop(), nullptr);
  EXPECT_FALSE(queue->is_private());
}

TEST(PrivateRing, ThiefThatFindsTooLittle_LeavesItPrivate) {
  const auto queue = std::make_unique<run_queue>();
  const auto thief = std::make_unique<run_queue>();
  tasks all(2);
  queue->make_private();
  for (std::size_t i = 0; i < 2; ++i) queue->push(all[i]);

  EXPECT_EQ(queue->steal(*thief, 3), 0u);

  EXPECT_EQ(queue->pop(), &all[0]);
  EXPECT_TRUE(queue->is_private());
}

// ---- Owner against thieves ---------------------------------------------------------------------

TEST(RunQueueRace, EveryTask_ComesOutExactlyOnce) {
  std::mt19937_64 random(stress_seed());
  constexpr std::size_t count = 100'000;
  constexpr std::size_t thieves = 2;
  const auto queue = std::make_unique<run_queue>();
  tasks all(count);
  std::vector<std::atomic<int>> seen(count);
  std::atomic<bool> over{false};
  std::atomic<std::size_t> stolen{0};
  const auto note = [&](const task_state* task) { ++seen[all.index_of(task)]; };
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < thieves; ++i) {
    threads.emplace_back([&] {
      const auto mine = std::make_unique<run_queue>();
      while (!over) {
        stolen += queue->steal(*mine, 1);
        while (const task_state* task = mine->pop()) note(task);
      }
    });
  }

  for (std::size_t next = 0; next < count;) {
    for (std::size_t burst = random() % 300; burst > 0 && next < count; --burst) {
      if (!queue->push(all[next])) break;
      ++next;
    }
    for (std::size_t burst = random() % 200; burst > 0; --burst) {
      const task_state* task = queue->pop();
      if (task == nullptr) break;
      note(task);
    }
  }
  while (const task_state* task = queue->pop()) note(task);
  over = true;
  for (std::thread& each : threads) each.join();

  for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(seen[i].load(), 1) << "task " << i;
  EXPECT_EQ(queue->size_approx(), 0u);
}

// The owner takes the ring for itself again and again, and pushes at both ends.
TEST(PrivateRingRace, EveryTask_ComesOutExactlyOnce) {
  if (!heavy_barrier_works()) GTEST_SKIP() << "this kernel has no membarrier";
  std::mt19937_64 random(stress_seed());
  constexpr std::size_t count = 200'000;
  constexpr std::size_t thieves = 2;
  const auto queue = std::make_unique<run_queue>();
  tasks all(count);
  std::vector<std::atomic<int>> seen(count);
  std::atomic<bool> over{false};
  const auto note = [&](const task_state* task) { ++seen[all.index_of(task)]; };
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < thieves; ++i) {
    threads.emplace_back([&, i] {
      const auto mine = std::make_unique<run_queue>();
      while (!over) {
        if (i == 0) {
          if (const task_state* task = queue->steal_one()) note(task);
        } else {
          queue->steal(*mine, 1);
          while (const task_state* task = mine->pop()) note(task);
        }
        std::this_thread::yield();
      }
    });
  }

  for (std::size_t next = 0; next < count;) {
    queue->make_private();
    for (std::size_t burst = random() % 100; burst > 0 && next < count; --burst) {
      const std::uint64_t what = random() % 8;
      if (what < 3) {
        if (queue->push(all[next])) ++next;
      } else if (what < 5) {
        if (queue->push_front(all[next])) ++next;
      } else if (const task_state* task = queue->pop()) {
        note(task);
      }
    }
  }
  while (const task_state* task = queue->pop()) note(task);
  over = true;
  for (std::thread& each : threads) each.join();

  for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(seen[i].load(), 1) << "task " << i;
  EXPECT_EQ(queue->size_approx(), 0u);
}

// What a thief has seen of a task is what the owner wrote before the push.
TEST(RunQueueRace, StolenTask_IsSeenAsItWasPushed) {
  constexpr std::size_t count = 50'000;
  const auto queue = std::make_unique<run_queue>();
  tasks all(count);
  std::atomic<bool> over{false};
  std::atomic<std::size_t> wrong{0};
  std::thread thief([&] {
    const auto mine = std::make_unique<run_queue>();
    while (!over) {
      queue->steal(*mine, 1);
      while (const task_state* task = mine->pop()) {
        if (task->leaf != task) ++wrong;
      }
    }
  });

  for (std::size_t i = 0; i < count; ++i) {
    all[i].leaf = &all[i];  // not atomic: published by the push
    while (!queue->push(all[i])) std::this_thread::yield();
  }
  while (queue->size_approx() > 0) std::this_thread::yield();
  over = true;
  thief.join();

  EXPECT_EQ(wrong.load(), 0u);
}

}  // namespace
}  // namespace weft::testing
