#include <weft/runtime/detail/fork_deque.h>
#include <weft/runtime/detail/task_state.h>

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

namespace weft::detail {
namespace {

/// Headers to queue; nothing runs them.
std::unique_ptr<task_state[]> make_tasks(std::size_t count) {
  return std::make_unique<task_state[]>(count);
}

TEST(ForkDeque, NewOne_IsEmpty) {
  fork_deque deque;

  EXPECT_TRUE(deque.empty_approx());
  EXPECT_EQ(deque.pop(), nullptr);
  EXPECT_EQ(deque.steal(), nullptr);
  EXPECT_EQ(deque.pop_unshared(), nullptr);
  EXPECT_TRUE(deque.empty_approx());
}

TEST(ForkDeque, Owner_TakesTheNewest) {
  fork_deque deque;
  const auto tasks = make_tasks(3);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(deque.push(tasks[i]));

  EXPECT_EQ(deque.pop(), &tasks[2]);
  EXPECT_EQ(deque.pop(), &tasks[1]);
  EXPECT_EQ(deque.pop(), &tasks[0]);
  EXPECT_EQ(deque.pop(), nullptr);
}

TEST(ForkDeque, Thief_TakesTheOldest) {
  fork_deque deque;
  const auto tasks = make_tasks(3);
  for (std::size_t i = 0; i < 3; ++i) deque.push(tasks[i]);

  EXPECT_EQ(deque.steal(), &tasks[0]);
  EXPECT_EQ(deque.pop(), &tasks[2]);
  EXPECT_EQ(deque.steal(), &tasks[1]);
  EXPECT_EQ(deque.steal(), nullptr);
  EXPECT_EQ(deque.pop(), nullptr);
}

TEST(ForkDeque, WithoutThieves_PopIsTheSame) {
  fork_deque deque;
  const auto tasks = make_tasks(2);
  deque.push(tasks[0]);
  deque.push(tasks[1]);

  EXPECT_EQ(deque.pop_unshared(), &tasks[1]);
  EXPECT_EQ(deque.pop_unshared(), &tasks[0]);
  EXPECT_EQ(deque.pop_unshared(), nullptr);
}

TEST(ForkDeque, FullDeque_Refuses) {
  fork_deque deque;
  const auto tasks = make_tasks(fork_deque::capacity + 1);
  for (std::size_t i = 0; i < fork_deque::capacity; ++i) ASSERT_TRUE(deque.push(tasks[i]));

  EXPECT_FALSE(deque.push(tasks[fork_deque::capacity]));
  EXPECT_EQ(deque.steal(), &tasks[0]);
  EXPECT_TRUE(deque.push(tasks[fork_deque::capacity]));
  EXPECT_EQ(deque.pop(), &tasks[fork_deque::capacity]);
}

TEST(ForkDeque, Indices_WrapAround) {
  fork_deque deque;
  const auto tasks = make_tasks(3);
  for (std::size_t round = 0; round < 3 * fork_deque::capacity; ++round) {
    for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(deque.push(tasks[i]));
    ASSERT_EQ(deque.steal(), &tasks[0]);
    ASSERT_EQ(deque.pop(), &tasks[2]);
    ASSERT_EQ(deque.pop(), &tasks[1]);
    ASSERT_EQ(deque.pop(), nullptr);
  }
}

TEST(ForkDeque, OwnerAndThieves_GiveEachChildOnce) {
  constexpr std::size_t count = 60'000;
  fork_deque deque;
  const auto tasks = make_tasks(count);
  std::vector<std::atomic<int>> runs(count);
  std::atomic<std::size_t> done{0};
  const auto note = [&](const task_state* task) {
    ++runs[static_cast<std::size_t>(task - tasks.get())];
    ++done;
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&] {
        while (done < count) {
          if (const task_state* task = deque.steal()) note(task);
        }
      });
    }
    std::size_t pushed = 0;
    while (done < count) {
      // Mostly one or two entries: owner and thieves meet at the last one.
      for (std::size_t burst = 0; burst <= pushed % 3 && pushed < count; ++burst) {
        if (!deque.push(tasks[pushed])) break;
        ++pushed;
      }
      while (const task_state* task = deque.pop()) note(task);
    }
  }

  for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(runs[i], 1) << i;
}

TEST(ForkDeque, Thief_SeesWhatTheOwnerWroteBeforeThePush) {
  constexpr std::size_t count = 20'000;
  fork_deque deque;
  const auto tasks = make_tasks(count);
  std::atomic<std::size_t> done{0};
  std::jthread thief([&] {
    while (done < count) {
      const task_state* task = deque.steal();
      if (task == nullptr) continue;
      // Not atomic: the race detector and this check see a missing order.
      EXPECT_EQ(task->leaf, task);
      ++done;
    }
  });

  for (std::size_t i = 0; i < count; ++i) {
    tasks[i].leaf = &tasks[i];
    while (!deque.push(tasks[i])) std::this_thread::yield();
    if (i % 4 == 0 && deque.pop() != nullptr) ++done;
  }
  thief.join();

  EXPECT_EQ(done, count);
}

}  // namespace
}  // namespace weft::detail
