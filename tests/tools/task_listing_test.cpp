#include <weft/tools/support/task_listing.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace weft::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

listed_task task_of(task_number id, std::vector<task_number> awaits) {
  listed_task task;
  task.id = id;
  task.name = "task-" + std::to_string(id);
  task.state = "suspended";
  task.where = awaits.empty() ? "sleep()" : "a task";
  task.awaits = std::move(awaits);
  return task;
}
listed_runtime runtime_of(std::vector<listed_task> tasks) {
  return {.name = "", .workers = 1, .metrics = {}, .tasks = std::move(tasks)};
}

// ---- Reading ------------------------------------------------------------------------------------

TEST(TaskListing, Facts_GoToTheirTask) {
  const auto runtimes = read_task_listing(
      "weft-inspection 1\n"
      "runtime 2 \n"
      "runtime 4 the second\n"
      "metric polls_total 1234\n"
      "task 7 0 running\n"
      "name main one\n"
      "task 9 7 suspended\n"
      "name fetch\n"
      "where gather()\n"
      "awaits 11\n"
      "awaits 12\n"
      "at inner() at a.cpp:3\n"
      "at outer() at a.cpp:9\n"
      "more 5\n"
      "end\n");

  ASSERT_EQ(runtimes.size(), 2u);
  EXPECT_EQ(runtimes[0].name, "");
  EXPECT_EQ(runtimes[0].workers, 2u);
  EXPECT_THAT(runtimes[0].tasks, IsEmpty());
  EXPECT_EQ(runtimes[1].name, "the second");
  EXPECT_EQ(runtimes[1].metrics.at("polls_total"), 1234u);
  ASSERT_EQ(runtimes[1].tasks.size(), 2u);
  const listed_task& first = runtimes[1].tasks[0];
  EXPECT_EQ(first.id, 7u);
  EXPECT_EQ(first.name, "main one");
  EXPECT_EQ(first.state, "running");
  const listed_task& second = runtimes[1].tasks[1];
  EXPECT_EQ(second.parent, 7u);
  EXPECT_EQ(second.where, "gather()");
  EXPECT_THAT(second.awaits, ElementsAre(11, 12));
  EXPECT_THAT(second.coroutines, ElementsAre("inner() at a.cpp:3", "outer() at a.cpp:9"));
  EXPECT_EQ(second.more_coroutines, 5u);
}

TEST(TaskListing, FactsOfALaterTime_AreSkipped) {
  const auto runtimes = read_task_listing(
      "weft-inspection 1\nruntime 1 \ntask 1 0 ready\ncolour green\nname a\nend\n");

  EXPECT_EQ(runtimes.at(0).tasks.at(0).name, "a");
}

TEST(TaskListing, WhatIsNone_IsRefusedWithTheReason) {
  const auto complaint = [](const char* text) -> std::string {
    try {
      (void)read_task_listing(text);
      return "";
    } catch (const std::runtime_error& error) {
      return error.what();
    }
  };

  EXPECT_THAT(complaint("HTTP/1.1 200 OK\n"), HasSubstr("no listing"));
  EXPECT_THAT(complaint("weft-inspection 2\nend\n"), HasSubstr("version 2"));
  EXPECT_THAT(complaint("weft-inspection 1\nruntime 1 \ntask 1 0 rea"), HasSubstr("no end"));
  EXPECT_THAT(complaint("weft-inspection 1\ntask 1 0 ready\nend\n"), HasSubstr("in the middle"));
  EXPECT_THAT(complaint("weft-inspection 1\nruntime x y\nend\n"), HasSubstr("not a number"));
}

// ---- Rings --------------------------------------------------------------------------------------

TEST(AwaitCycles, TasksThatWaitForEachOther_AreOne) {
  EXPECT_THAT(await_cycles(runtime_of({task_of(1, {2}), task_of(2, {3}), task_of(3, {1})})),
              ElementsAre(ElementsAre(1, 2, 3)));
}

TEST(AwaitCycles, TaskThatLeadsIntoOne_IsNoPartOfIt) {
  EXPECT_THAT(await_cycles(runtime_of({task_of(1, {2}), task_of(2, {3}), task_of(3, {2})})),
              ElementsAre(ElementsAre(2, 3)));
}

TEST(AwaitCycles, TaskThatWaitsForItself_IsOne) {
  EXPECT_THAT(await_cycles(runtime_of({task_of(1, {1})})), ElementsAre(ElementsAre(1)));
}

TEST(AwaitCycles, SeveralRings_AreAllNamed) {
  EXPECT_THAT(await_cycles(runtime_of({task_of(1, {2, 3}), task_of(2, {1}), task_of(3, {1}),
                                       task_of(4, {5}), task_of(5, {4})})),
              ElementsAre(ElementsAre(1, 2), ElementsAre(1, 3), ElementsAre(4, 5)));
}

TEST(AwaitCycles, TwoWaysToTheSameTask_AreNone) {
  EXPECT_THAT(await_cycles(runtime_of(
                  {task_of(1, {2, 3}), task_of(2, {4}), task_of(3, {4}), task_of(4, {})})),
              IsEmpty());
}

TEST(AwaitCycles, LongChain_IsFollowedToItsEnd) {
  constexpr task_number length = 100'000;
  std::vector<listed_task> tasks;
  for (task_number id = 1; id <= length; ++id) tasks.push_back(task_of(id, {id % length + 1}));

  const auto rings = await_cycles(runtime_of(std::move(tasks)));

  ASSERT_EQ(rings.size(), 1u);
  EXPECT_EQ(rings.front().size(), length);
}

// ---- Texts --------------------------------------------------------------------------------------

TEST(TaskTable, Task_IsALine) {
  listed_task waiting = task_of(2, {3, 4, 5, 6, 7, 8});
  waiting.parent = 1;
  waiting.where = "gather()";
  waiting.coroutines = {"inner() at a.cpp:3", "outer() at a.cpp:9"};
  waiting.more_coroutines = 5;
  listed_task main;
  main.id = 1;
  main.name = "main";
  main.state = "running";

  EXPECT_EQ(task_table(runtime_of({main, waiting})),
            "ID  PARENT  STATE      NAME    WAITS FOR            COROUTINES\n"
            "1   -       running    main    -                    -\n"
            "2   1       suspended  task-2  gather() 3 4 5 6 +2  inner() at a.cpp:3 < outer() at "
            "a.cpp:9 < +5\n");
}

TEST(TaskTree, AwaitedTask_StandsBelowTheCoroutinesOfItsAwaiter) {
  listed_task above = task_of(1, {2});
  above.coroutines = {"inner() at a.cpp:3", "outer() at a.cpp:9"};

  EXPECT_EQ(task_tree(runtime_of({above, task_of(2, {}), task_of(3, {})})),
            "task-1 [1] suspended in a task\n"
            "    outer() at a.cpp:9\n"
            "    inner() at a.cpp:3\n"
            "  task-2 [2] suspended in sleep()\n"
            "task-3 [3] suspended in sleep()\n");
}

TEST(TaskTree, RingAndSharedTasks_AreDrawnOnce) {
  EXPECT_EQ(task_tree(runtime_of({task_of(1, {2}), task_of(2, {1}), task_of(3, {5}),
                                  task_of(4, {5}), task_of(5, {})})),
            "task-3 [3] suspended in a task\n"
            "  task-5 [5] suspended in sleep()\n"
            "task-4 [4] suspended in a task\n"
            "  task-5 [5] suspended in sleep() (see above)\n"
            "task-1 [1] suspended in a task\n"
            "  task-2 [2] suspended in a task\n"
            "    task-1 [1] suspended in a task (see above)\n");
}

}  // namespace
}  // namespace weft::tools
