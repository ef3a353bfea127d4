#include "runtimes.h"
#include <weft/runtime/metrics.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/to_thread.h>
#include <weft/sync/event.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class Metrics : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Metrics, every_kind(), name_of);
class MetricsInOrder : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, MetricsInOrder, kinds_in_order(), name_of);
class Ledger : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Ledger, every_kind(), name_of);

runtime_metrics metrics_here() {
  return runtime::current().metrics();
}

// ---- runtime_metrics ---------------------------------------------------------------------------

TEST_P(MetricsInOrder, Tasks_AreCountedAtTheirSpawnAndTheirEnd) {
  run([]() -> task<> {
    const runtime_metrics before = metrics_here();
    event gate;
    std::vector<join_handle<>> children;
    for (int i = 0; i < 10; ++i) {
      children.push_back(spawn([](event& until) -> task<> { co_await until.wait(); }(gate)));
    }

    const runtime_metrics during = metrics_here();
    gate.set();
    for (auto& each : children) co_await each;
    const runtime_metrics after = metrics_here();

    EXPECT_EQ(during.tasks_spawned - before.tasks_spawned, 10u);
    EXPECT_EQ(during.tasks_alive - before.tasks_alive, 10u);
    EXPECT_EQ(after.tasks_spawned, during.tasks_spawned);
    EXPECT_EQ(after.tasks_alive, before.tasks_alive);
  });
}

TEST_P(MetricsInOrder, Polls_CountTheResumptions) {
  run([]() -> task<> {
    const runtime_metrics before = metrics_here();

    for (int i = 0; i < 100; ++i) co_await yield();

    EXPECT_EQ(metrics_here().polls - before.polls, 100u);
  });
}

TEST_P(MetricsInOrder, TimersArmed_AreThoseThatWait) {
  run([]() -> task<> {
    auto sleeper = co_await spawn_waiting([]() -> task<> { co_await sleep(1h); });
    const std::uint64_t during = metrics_here().timers_armed;
    sleeper.cancel();
    (void)co_await ending_of(sleeper);

    EXPECT_EQ(during, 1u);
    EXPECT_EQ(metrics_here().timers_armed, 0u);
  });
}

TEST_P(Metrics, BlockingThreads_AreThoseOfThePool) {
  run([]() -> task<> {
    EXPECT_EQ(metrics_here().blocking_threads, 0u);

    co_await to_thread([] {});

    EXPECT_GE(metrics_here().blocking_threads, 1u);
  });
}

TEST(MetricsOfWorkers, TasksOfForeignThreads_AreCountedToo) {
  runtime rt({.workers = 2});
  std::vector<join_handle<>> children;

  for (int i = 0; i < 20; ++i) children.push_back(rt.spawn([]() -> task<> { co_await yield(); }));
  for (auto& each : children) each.get();

  EXPECT_EQ(rt.metrics().tasks_spawned, 20u);
  EXPECT_GE(rt.metrics().polls, 20u);
}

TEST(MetricsOfWorkers, IdleWorkers_HaveParked) {
  runtime rt({.workers = 2});

  while (rt.metrics().reactor_polls < 2) std::this_thread::yield();  // counted after the park

  EXPECT_GE(rt.metrics().parks, 2u);
}

TEST(MetricsOfWorkers, RescueOfABusyWorker_IsCounted) {
  runtime rt({.workers = 2});
  rt.run([&]() -> task<> {
    std::atomic<bool> ran{false};
    auto other = spawn([&]() -> task<> {
      ran = true;
      co_return;
    });
    while (!ran) std::this_thread::yield();
    co_await other;
  });

  const runtime_metrics counted = rt.metrics();

  EXPECT_GE(counted.rescues + counted.steals, 1u);  // somebody took the child from a busy worker
}

TEST(MetricsOfWorkers, NewRuntime_StartsAtZero) {
  const runtime rt({.workers = 1});

  const runtime_metrics counted = rt.metrics();

  EXPECT_EQ(counted.tasks_spawned, 0u);
  EXPECT_EQ(counted.tasks_alive, 0u);
  EXPECT_EQ(counted.polls, 0u);
  EXPECT_EQ(counted.timers_armed, 0u);
  EXPECT_EQ(counted.blocking_threads, 0u);
}

// ---- to_prometheus -----------------------------------------------------------------------------

TEST(Prometheus, Text_HasATypeAndAValueForEachMetric) {
  runtime_metrics metrics;
  metrics.tasks_spawned = 12;
  metrics.tasks_alive = 3;
  metrics.blocking_threads = 4;

  const std::string text = to_prometheus(metrics);

  EXPECT_THAT(text, HasSubstr("# TYPE weft_tasks_spawned_total counter\n"
                              "weft_tasks_spawned_total 12\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE weft_tasks_alive gauge\nweft_tasks_alive 3\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE weft_blocking_threads gauge\nweft_blocking_threads 4\n"));
}

// Each metric is two lines: "# TYPE name kind" and "name value"; counters end in _total.
TEST(Prometheus, EveryLine_FollowsTheFormat) {
  runtime_metrics metrics;
  metrics.polls = 18'446'744'073'709'551'615u;

  const std::string text = to_prometheus(metrics);

  EXPECT_THAT(text,
              ::testing::MatchesRegex("(# TYPE (weft_[a-z_]+_total counter|weft_[a-z_]+ gauge)\n"
                                      "weft_[a-z_]+ [0-9]+\n)+"));
  EXPECT_THAT(text, HasSubstr("weft_polls_total 18446744073709551615\n"));
}

// ---- The ledger --------------------------------------------------------------------------------

TEST_P(Ledger, TasksFramesAndWaiters_AreCountedWhileTheyLive) {
  run([]() -> task<> {
    const ledger before = take_ledger();
    event gate;
    auto child = co_await spawn_waiting([](event& until) -> task<> { co_await until.wait(); },
                                        std::ref(gate));
    const ledger during = take_ledger();
    gate.set();
    co_await child;

    EXPECT_EQ(during.tasks - before.tasks, 1);
    EXPECT_GE(during.frames - before.frames, 1);
    EXPECT_GE(during.waiters - before.waiters, 1);
    EXPECT_GT(during.bytes, before.bytes);
  });
}

TEST_P(Ledger, ResultThatAHandleHolds_IsAFrameButNoTask) {
  run([]() -> task<> {
    const ledger before = take_ledger();
    std::optional<join_handle<int>> held = spawn([]() -> task<int> { co_return 7; });
    while (!held->done()) co_await yield();
    while (take_ledger().tasks > before.tasks) co_await yield();
    const ledger during = take_ledger();
    held.reset();
    const ledger after = take_ledger();

    EXPECT_EQ(during.frames - before.frames, 1);
    EXPECT_EQ(after.frames, before.frames);
  });
}

TEST_P(Ledger, Timers_AreCountedWhileTheyAreArmed) {
  run([]() -> task<> {
    const std::int64_t before = take_ledger().timers;
    auto sleeper = co_await spawn_waiting([]() -> task<> { co_await sleep(1h); });
    const std::int64_t during = take_ledger().timers;
    sleeper.cancel();
    (void)co_await ending_of(sleeper);

    EXPECT_EQ(during - before, 1);
    EXPECT_EQ(take_ledger().timers, before);
  });
}

TEST(LedgerOfTheProcess, DescriptorsOfARuntime_AreClosedWithIt) {
  const std::int64_t before = take_ledger().fds;
  std::int64_t during = 0;
  {
    const runtime rt({.workers = 2});
    during = take_ledger().fds;
  }

  EXPECT_GT(during, before);
  EXPECT_EQ(take_ledger().fds, before);
}

TEST(LedgerOfTheProcess, TaskThatWasNeverAwaited_IsAFrame) {
  const std::int64_t before = take_ledger().frames;
  {
    const task<> lazy = []() -> task<> { co_return; }();
    EXPECT_EQ(take_ledger().frames, before + 1);
    EXPECT_EQ(take_ledger().tasks, 0);
  }
  EXPECT_EQ(take_ledger().frames, before);
}

}  // namespace
}  // namespace weft::testing
