#include <weft/runtime/detail/task_fifo.h>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>

namespace weft::testing {
namespace {

using detail::task_fifo;
using detail::task_state;

TEST(TaskFifo, EmptyList_GivesNothing) {
  task_fifo list;

  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.size(), 0u);
  EXPECT_EQ(list.pop(), nullptr);
  EXPECT_EQ(list.pop(), nullptr);
}

TEST(TaskFifo, Tasks_ComeOutInTheOrderTheyWentIn) {
  std::array<task_state, 5> tasks{};
  task_fifo list;
  for (task_state& each : tasks) list.push(each);
  EXPECT_EQ(list.size(), tasks.size());

  for (task_state& each : tasks) EXPECT_EQ(list.pop(), &each);

  EXPECT_TRUE(list.empty());
}

TEST(TaskFifo, PushesAndPops_MayAlternate) {
  std::array<task_state, 3> tasks{};
  task_fifo list;
  std::size_t in = 0;
  std::size_t out = 0;

  list.push(tasks[in++ % 3]);
  for (int i = 0; i < 100; ++i) {
    list.push(tasks[in++ % 3]);
    EXPECT_EQ(list.size(), 2u);
    EXPECT_EQ(list.pop(), &tasks[out++ % 3]);
    EXPECT_FALSE(list.empty());
  }
}

// The list that empties and fills again must not remember its old end.
TEST(TaskFifo, ListThatWasEmptied_StartsAnew) {
  std::array<task_state, 2> tasks{};
  task_fifo list;
  list.push(tasks[0]);
  list.push(tasks[1]);
  (void)list.pop();
  (void)list.pop();

  list.push(tasks[1]);

  EXPECT_EQ(list.size(), 1u);
  EXPECT_EQ(list.pop(), &tasks[1]);
  EXPECT_EQ(list.pop(), nullptr);
}

TEST(TaskFifo, Push_CutsTheOldLinkOfTheTask) {
  std::array<task_state, 2> tasks{};
  tasks[0].next = &tasks[1];  // left over from another queue
  task_fifo list;

  list.push(tasks[0]);

  EXPECT_EQ(list.pop(), &tasks[0]);
  EXPECT_EQ(list.pop(), nullptr);
}

}  // namespace
}  // namespace weft::testing
