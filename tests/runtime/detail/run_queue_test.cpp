#include <weft/runtime/detail/run_queue.h>
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

TEST(RunQueue, NewOne_IsEmpty) {
  run_queue queue;
  run_queue thief;

  EXPECT_EQ(queue.pop(), nullptr);
  EXPECT_EQ(queue.size_approx(), 0U);
  EXPECT_EQ(queue.steal(thief, 1), 0U);
}

TEST(RunQueue, Pop_IsFirstInFirstOut) {
  run_queue queue;
  const auto tasks = make_tasks(3);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(queue.push(tasks[i]));

  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(queue.pop(), &tasks[i]);
  EXPECT_EQ(queue.pop(), nullptr);
}

TEST(RunQueue, FullRing_Refuses) {
  run_queue queue;
  const auto tasks = make_tasks(run_queue::capacity + 1);
  for (std::size_t i = 0; i < run_queue::capacity; ++i) ASSERT_TRUE(queue.push(tasks[i]));

  EXPECT_FALSE(queue.push(tasks[run_queue::capacity]));

  EXPECT_EQ(queue.size_approx(), run_queue::capacity);
  EXPECT_EQ(queue.pop(), &tasks[0]);
  EXPECT_TRUE(queue.push(tasks[run_queue::capacity]));
}

TEST(RunQueue, Indices_WrapAround) {
  run_queue queue;
  const auto tasks = make_tasks(3);
  for (std::size_t round = 0; round < 3 * run_queue::capacity; ++round) {
    for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(queue.push(tasks[i]));
    for (std::size_t i = 0; i < 3; ++i) ASSERT_EQ(queue.pop(), &tasks[i]);
  }
  EXPECT_EQ(queue.pop(), nullptr);
}

TEST(RunQueue, Thief_TakesTheOlderHalfRoundedUp) {
  run_queue queue;
  run_queue thief;
  const auto tasks = make_tasks(5);
  for (std::size_t i = 0; i < 5; ++i) queue.push(tasks[i]);

  EXPECT_EQ(queue.steal(thief, 1), 3U);

  EXPECT_EQ(thief.pop(), &tasks[0]);
  EXPECT_EQ(thief.pop(), &tasks[1]);
  EXPECT_EQ(thief.pop(), &tasks[2]);
  EXPECT_EQ(queue.pop(), &tasks[3]);
  EXPECT_EQ(queue.pop(), &tasks[4]);
}

TEST(RunQueue, FewerThanTheThiefWants_Stay) {
  run_queue queue;
  run_queue thief;
  const auto tasks = make_tasks(2);
  queue.push(tasks[0]);

  EXPECT_EQ(queue.steal(thief, 2), 0U);
  queue.push(tasks[1]);
  EXPECT_EQ(queue.steal(thief, 2), 1U);
}

TEST(RunQueue, StolenTasks_MayBeStolenAgain) {
  run_queue queue;
  run_queue first;
  run_queue second;
  const auto tasks = make_tasks(4);
  for (std::size_t i = 0; i < 4; ++i) queue.push(tasks[i]);

  EXPECT_EQ(queue.steal(first, 1), 2U);
  EXPECT_EQ(first.steal(second, 1), 1U);

  EXPECT_EQ(second.pop(), &tasks[0]);
  EXPECT_EQ(first.pop(), &tasks[1]);
}

TEST(RunQueue, OwnerAndThieves_GiveEachTaskOnce) {
  constexpr std::size_t count = 60'000;
  constexpr int thieves = 2;
  run_queue queue;
  const auto tasks = make_tasks(count);
  std::vector<std::atomic<int>> runs(count);
  std::atomic<std::size_t> done{0};
  const auto note = [&](const task_state* task) {
    ++runs[static_cast<std::size_t>(task - tasks.get())];
    ++done;
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < thieves; ++i) {
      threads.emplace_back([&] {
        run_queue mine;
        while (done < count) {
          queue.steal(mine, 1);
          while (const task_state* task = mine.pop()) note(task);
        }
      });
    }
    std::size_t pushed = 0;
    while (done < count) {
      for (int burst = 0; burst < 7 && pushed < count; ++burst) {
        if (!queue.push(tasks[pushed])) break;
        ++pushed;
      }
      if (const task_state* task = queue.pop()) note(task);
    }
  }

  for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(runs[i], 1) << i;
}

}  // namespace
}  // namespace weft::detail
