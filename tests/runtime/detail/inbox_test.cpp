#include <weft/runtime/detail/inbox.h>
#include <weft/runtime/detail/task_fifo.h>
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

TEST(Inbox, NewOne_IsEmpty) {
  inbox box;
  task_fifo taken;

  EXPECT_TRUE(box.empty());
  EXPECT_EQ(box.take(taken), 0U);
  EXPECT_TRUE(taken.empty());
}

TEST(Inbox, Take_GivesAllInTheOrderOfTheirComing) {
  inbox box;
  const auto tasks = make_tasks(3);
  for (int i = 0; i < 3; ++i) box.push(tasks[static_cast<std::size_t>(i)]);
  task_fifo taken;

  EXPECT_EQ(box.take(taken), 3U);

  EXPECT_TRUE(box.empty());
  EXPECT_EQ(taken.pop(), &tasks[0]);
  EXPECT_EQ(taken.pop(), &tasks[1]);
  EXPECT_EQ(taken.pop(), &tasks[2]);
  EXPECT_EQ(taken.pop(), nullptr);
}

TEST(Inbox, Take_AppendsToWhatIsThere) {
  inbox box;
  const auto tasks = make_tasks(2);
  task_fifo taken;
  taken.push(tasks[0]);
  box.push(tasks[1]);

  box.take(taken);

  EXPECT_EQ(taken.size(), 2U);
  EXPECT_EQ(taken.pop(), &tasks[0]);
  EXPECT_EQ(taken.pop(), &tasks[1]);
}

TEST(Inbox, SendersAndTwoTakers_LoseNothingAndKeepEachSendersOrder) {
  constexpr std::size_t senders = 3;
  constexpr std::size_t each = 5000;
  inbox box;
  const auto tasks = make_tasks(senders * each);
  std::atomic<std::size_t> received{0};
  std::vector<std::atomic<int>> seen(senders * each);

  const auto take_all = [&] {
    while (received < senders * each) {
      task_fifo taken;
      std::size_t last[senders] = {};
      box.take(taken);
      while (const task_state* task = taken.pop()) {
        const auto index = static_cast<std::size_t>(task - tasks.get());
        EXPECT_EQ(seen[index]++, 0);
        // Within one batch: between takers there is no order.
        EXPECT_GE(index % each + 1, last[index / each]);
        last[index / each] = index % each + 1;
        ++received;
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t s = 0; s < senders; ++s) {
      threads.emplace_back([&, s] {
        for (std::size_t i = 0; i < each; ++i) box.push(tasks[s * each + i]);
      });
    }
    threads.emplace_back(take_all);
    take_all();
  }

  EXPECT_EQ(received, senders * each);
  EXPECT_TRUE(box.empty());
}

}  // namespace
}  // namespace weft::detail
