#include "runtimes.h"
#include <weft/runtime/as_completed.h>
#include <weft/runtime/detail/scheduler.h>
#include <weft/runtime/detail/task_report.h>
#include <weft/runtime/gather.h>
#include <weft/runtime/select.h>
#include <weft/runtime/share.h>
#include <weft/runtime/shield.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/wait.h>
#include <weft/sync/event.h>
#include <weft/sync/mutex.h>
#include <weft/sync/shared_mutex.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <latch>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::detail {
namespace {

using namespace weft::testing;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class TaskReport : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, TaskReport, every_kind(), testing::name_of);

std::vector<task_report> reports_here() {
  return report_tasks(scheduler::current("the test"));
}
task_report report_of(std::uint64_t id) {
  for (task_report& each : reports_here()) {
    if (each.id == id) return std::move(each);
  }
  return {};
}

task<> wait_for(event& gate) {
  co_await gate.wait();
}

/// What `body(gate, child)`, a coroutine, awaits while it waits for the child, which waits for the
/// gate. Afterwards the gate opens.
template <class F>
task<std::vector<std::uint64_t>> awaited_by(F body, std::uint64_t& child_id) {
  event gate;
  join_handle<> child = spawn(wait_for(gate));
  child_id = child.id();
  co_await until_waiting(child);
  join_handle<> waiting = spawn(body, std::ref(child));
  co_await until_waiting(waiting);
  std::vector<std::uint64_t> awaited = report_of(waiting.id()).awaited;
  gate.set();
  co_await waiting;
  co_return awaited;
}

TEST_P(TaskReport, TaskThatAwaitsAHandle_NamesItsTask) {
  run([]() -> task<> {
    std::uint64_t child = 0;

    const auto awaited =
        co_await awaited_by([](join_handle<>& of) -> task<> { co_await of; }, child);

    EXPECT_THAT(awaited, ElementsAre(child));
  });
}

TEST_P(TaskReport, TaskThatAwaitsAShield_NamesItsTask) {
  run([]() -> task<> {
    std::uint64_t child = 0;

    const auto awaited =
        co_await awaited_by([](join_handle<>& of) -> task<> { co_await shield(of); }, child);

    EXPECT_THAT(awaited, ElementsAre(child));
  });
}

TEST_P(TaskReport, TaskThatAwaitsHandles_NamesTheirTasks) {
  run([]() -> task<> {
    std::uint64_t child = 0;

    const auto gathered =
        co_await awaited_by([](join_handle<>& of) -> task<> { co_await gather(of); }, child);
    EXPECT_THAT(gathered, ElementsAre(child));

    const auto waited = co_await awaited_by(
        [](join_handle<>& of) -> task<> {
          std::vector<join_handle<>> all;
          all.push_back(std::move(of));
          (void)co_await wait(all);
        },
        child);
    EXPECT_THAT(waited, ElementsAre(child));
  });
}

/// The tasks that wait in wait_for(), by what they are in.
std::vector<std::uint64_t> ids_of_waiters() {
  std::vector<std::uint64_t> ids;
  for (const task_report& each : reports_here()) {
    if (each.where != nullptr && each.where == std::string_view("event::wait()"))
      ids.push_back(each.id);
  }
  return ids;
}

/// What `body(gate)` awaits once `waiters` tasks wait for the gate.
template <class F>
task<std::pair<std::vector<std::uint64_t>, std::vector<std::uint64_t>>> children_of(
    F body, std::int64_t waiters) {
  event gate;
  join_handle<> waiting = spawn(body, std::ref(gate));
  co_await until_waiters(waiters + 1);
  auto seen = std::pair(report_of(waiting.id()).awaited, ids_of_waiters());
  gate.set();
  co_await waiting;
  co_return seen;
}

TEST_P(TaskReport, TaskThatGathers_NamesTheChildren) {
  run([]() -> task<> {
    const auto [awaited, children] = co_await children_of(
        [](event& gate) -> task<> { co_await gather(wait_for(gate), wait_for(gate)); }, 2);

    EXPECT_EQ(children.size(), 2u);
    EXPECT_THAT(awaited, UnorderedElementsAre(children.at(0), children.at(1)));
  });
}

TEST_P(TaskReport, TaskThatSelects_NamesTheChildren) {
  run([]() -> task<> {
    const auto [awaited, children] = co_await children_of(
        [](event& gate) -> task<> { (void)co_await select(wait_for(gate), wait_for(gate)); }, 2);

    EXPECT_EQ(children.size(), 2u);
    EXPECT_THAT(awaited, UnorderedElementsAre(children.at(0), children.at(1)));
  });
}

TEST_P(TaskReport, TaskAtTheEndOfAGroup_NamesTheChildren) {
  run([]() -> task<> {
    const auto [awaited, children] = co_await children_of(
        [](event& gate) -> task<> {
          const auto body = [&gate](task_group& group) {
            (void)group.spawn(wait_for(gate));
            (void)group.spawn(wait_for(gate));
          };
          co_await with_task_group(body);
        },
        2);

    EXPECT_EQ(children.size(), 2u);
    EXPECT_THAT(awaited, UnorderedElementsAre(children.at(0), children.at(1)));
  });
}

TEST_P(TaskReport, TaskThatTakesThemAsTheyComplete_NamesThem) {
  run([]() -> task<> {
    const auto [awaited, children] = co_await children_of(
        [](event& gate) -> task<> {
          std::vector<task<>> work;
          work.push_back(wait_for(gate));
          work.push_back(wait_for(gate));
          auto all = as_completed(std::move(work));
          while (auto one = co_await all.next()) one->value();
        },
        2);

    EXPECT_EQ(children.size(), 2u);
    EXPECT_THAT(awaited, UnorderedElementsAre(children.at(0), children.at(1)));
  });
}

TEST_P(TaskReport, TaskThatAwaitsASharedTask_NamesIt) {
  run([]() -> task<> {
    const auto [awaited, children] = co_await children_of(
        [](event& gate) -> task<> {
          auto shared = share(wait_for(gate));
          co_await shared;
        },
        1);

    EXPECT_EQ(children.size(), 1u);
    EXPECT_EQ(awaited, children);
  });
}

TEST_P(TaskReport, TaskThatWaitsForSomethingElse_AwaitsNobody) {
  run([]() -> task<> {
    event gate;
    auto waiting = spawn(wait_for(gate));
    co_await until_waiting(waiting);

    const task_report report = report_of(waiting.id());

    EXPECT_EQ(report.activity, task_activity::suspended);
    EXPECT_THAT(report.awaited, IsEmpty());
    EXPECT_EQ(report.chain.depth, 1u);
    gate.set();
    co_await waiting;
  });
}

TEST_P(TaskReport, RingOfTasks_IsSeenAsOne) {
  run([]() -> task<> {
    join_handle<> first, second;
    const auto wait_for_the_other = [](join_handle<>& other) -> task<> {
      while (!other) co_await yield();
      co_await shield(other);
    };
    first = spawn(wait_for_the_other, std::ref(second));
    second = spawn(wait_for_the_other, std::ref(first));
    co_await until_waiting(first);
    co_await until_waiting(second);

    EXPECT_THAT(report_of(first.id()).awaited, ElementsAre(second.id()));
    EXPECT_THAT(report_of(second.id()).awaited, ElementsAre(first.id()));
    first.cancel();  // leaves its shield, and with that the other one goes on
    while (!first.done() || !second.done()) co_await yield();
  });
}

/// Observed runtimes: who holds a lock is known there only.
TEST(TaskReportOfAnObservedRuntime, TaskThatWaitsForALock_NamesItsHolder) {
  runtime rt({.workers = 2, .inspectable = true});

  rt.run([]() -> task<> {
    mutex wanted;
    shared_mutex also;
    auto guard = co_await wanted.lock();
    auto writing = co_await also.lock();
    auto first = spawn([](mutex& lock) -> task<> { (void)co_await lock.lock(); }, std::ref(wanted));
    auto second = spawn([](shared_mutex& lock) -> task<> { (void)co_await lock.lock_shared(); },
                        std::ref(also));
    co_await until_waiting(first);
    co_await until_waiting(second);

    EXPECT_THAT(report_of(first.id()).awaited, ElementsAre(this_task::id()));
    EXPECT_THAT(report_of(second.id()).awaited, ElementsAre(this_task::id()));

    guard.unlock();
    writing.unlock();
    co_await first;
    co_await second;
  });
}

TEST_P(TaskReport, RunningTask_IsKnownToItsOwnThread) {
  run([]() -> task<> {
    const task_report report = report_of(this_task::id());

    EXPECT_EQ(report.activity, task_activity::running);
    EXPECT_EQ(report.where, nullptr);
    EXPECT_EQ(report.chain.depth, 0u);
    co_return;
  });
}

TEST_P(TaskReport, Tasks_ComeInTheOrderOfTheirIds) {
  run([]() -> task<> {
    event gate;
    std::vector<join_handle<>> waiting;
    for (int i = 0; i < 20; ++i) waiting.push_back(spawn(wait_for(gate)));

    const auto reports = reports_here();

    EXPECT_EQ(reports.size(), 21u);
    EXPECT_TRUE(
        std::is_sorted(reports.begin(), reports.end(),
                       [](const task_report& a, const task_report& b) { return a.id < b.id; }));
    gate.set();
    for (join_handle<>& each : waiting) co_await each;
  });
}

// ---- From other threads -------------------------------------------------------------------------

TEST(TaskReportOfAnObservedRuntime, StuckTask_IsSeenToRun) {
  std::latch stuck(1), go_on(1);
  scheduler watched({.workers = 2, .inspectable = true});
  const auto block = [](std::latch& begun, std::latch& until) -> task<> {
    begun.count_down();
    until.wait();
    co_return;
  };
  auto handle = spawn_task(watched, block(stuck, go_on), {.name = "stuck"}, 0);
  stuck.wait();

  const auto reports = report_tasks(watched);

  go_on.count_down();
  EXPECT_TRUE(watched.shutdown(60s));
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports.front().name, "stuck");
  EXPECT_EQ(reports.front().activity, task_activity::running);
}

TEST(TaskReportOfAnObservedRuntime, Child_KnowsItsParent) {
  runtime rt({.workers = 2, .inspectable = true});

  rt.run([]() -> task<> {
    event gate;
    auto child = spawn(wait_for(gate));
    co_await until_waiting(child);

    EXPECT_EQ(report_of(child.id()).parent, this_task::id());

    gate.set();
    co_await child;
  });
}

}  // namespace
}  // namespace weft::detail
