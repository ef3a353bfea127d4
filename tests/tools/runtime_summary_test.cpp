#include <weft/tools/support/runtime_summary.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace weft::tools {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

listed_task task_that(const std::string& state, const std::string& where) {
  listed_task task;
  task.state = state;
  task.where = where;
  return task;
}

TEST(RuntimeSummary, Headline_CountsWorkersAndTasks) {
  listed_runtime runtime;
  runtime.workers = 1;
  EXPECT_EQ(runtime_headline(runtime), "runtime: 1 worker, 0 tasks");
  runtime.name = "front";
  runtime.workers = 4;
  runtime.tasks.push_back(task_that("running", ""));
  EXPECT_EQ(runtime_headline(runtime), "runtime front: 4 workers, 1 task");
}

TEST(RuntimeSummary, Counters_AreByTheSecond) {
  listed_runtime before, now;
  before.metrics = {{"polls_total", 1000}, {"tasks_spawned_total", 7}};
  now.metrics = {{"polls_total", 1500}, {"tasks_spawned_total", 8}, {"timers_armed", 3}};

  const std::string text = runtime_summary(before, now, 2s);

  EXPECT_THAT(text, AllOf(HasSubstr("250 steps/s, 1 spawned/s"), HasSubstr("3 timers")));
}

// A runtime in the place of another one, which had counted further.
TEST(RuntimeSummary, CounterThatFell_IsNoRate) {
  listed_runtime before, now;
  before.metrics = {{"polls_total", 1000}};
  now.metrics = {{"polls_total", 10}};

  EXPECT_THAT(runtime_summary(before, now, 1s), HasSubstr(" 0 steps/s"));
}

TEST(RuntimeSummary, Waits_ComeTheMostFrequentFirst) {
  listed_runtime now;
  now.tasks = {task_that("suspended", "sleep()"), task_that("suspended", "reading"),
               task_that("suspended", "reading"), task_that("running", "")};

  const std::string text = runtime_summary(now, now, 1s);

  EXPECT_THAT(text, HasSubstr("1 running, 0 ready, 3 suspended\n"));
  EXPECT_THAT(text, HasSubstr("  2 in reading\n  1 in sleep()\n"));
}

}  // namespace
}  // namespace weft::tools
