#include "runtimes.h"
#include <weft/runtime/sleep.h>
#include <weft/runtime/spawn.h>
#include <weft/sync/event.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class Spawn : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Spawn, every_kind(), name_of);
class SpawnOrder : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, SpawnOrder, kinds_in_order(), name_of);
class JoinHandle : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, JoinHandle, every_kind(), name_of);
class Unretrieved : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Unretrieved, every_kind(), name_of);

task<int> seven_after_a_yield() {
  co_await yield();
  co_return 7;
}
task<> fail_after_a_yield() {
  co_await yield();
  throw std::runtime_error("failed");
}
task<> append(std::string& log, char name) {
  log += name;
  co_return;
}
task<> wait_on(event& gate) {
  co_await gate.wait();
}
/// An await in each of the places that the operation budget leaves; the next one has none.
task<> use_up_the_budget() {
  event open;
  open.set();
  for (int i = 0; i < detail::operations_per_resume; ++i) co_await open.wait();
}

// ---- Starting -----------------------------------------------------------------------------------

TEST_P(SpawnOrder, Spawn_NeverRunsOnTheCallersStack) {
  run([]() -> task<> {
    std::string log;

    auto spawned = spawn(append(log, 'a'));

    EXPECT_EQ(log, "");
    co_await spawned;
    EXPECT_EQ(log, "a");
  });
}

// The child needs the lock that its creator holds.
TEST_P(Spawn, Child_NeverRunsInsideTheSpawn) {
  run([]() -> task<> {
    std::mutex guard;
    const auto lock_it = [](std::mutex& held) -> task<> {
      const std::lock_guard lock(held);
      co_return;
    };
    for (int i = 0; i < 100; ++i) {
      join_handle<> child;
      {
        const std::lock_guard lock(guard);
        child = spawn(lock_it(guard));
      }
      co_await child;
    }
  });
}

TEST_P(SpawnOrder, Tasks_StartInTheOrderOfTheirCreation) {
  run([]() -> task<> {
    std::string log;

    auto a = spawn(append(log, 'a'));
    auto b = spawn(append(log, 'b'));
    auto c = spawn(append(log, 'c'));
    log += '-';
    co_await c;

    EXPECT_EQ(log, "-abc");
    co_await a;
    co_await b;
  });
}

TEST_P(SpawnOrder, ReadyTasks_RunFirstInFirstOut) {
  run([]() -> task<> {
    std::string log;
    std::vector<join_handle<>> tasks;
    for (const char name : {'a', 'b', 'c'}) {
      tasks.push_back(spawn([&log, name]() -> task<> {
        for (int turn = 0; turn < 3; ++turn) {
          log += name;
          co_await yield();
        }
      }));
    }

    for (auto& each : tasks) co_await each;

    EXPECT_EQ(log, "abcabcabc");
  });
}

TEST_P(SpawnOrder, ManyTasks_KeepTheirOrder) {
  run([]() -> task<> {
    constexpr int count = 1000;  // more than any ring holds
    std::vector<int> order;
    std::vector<join_handle<>> tasks;

    for (int i = 0; i < count; ++i) {
      tasks.push_back(spawn([&order, i]() -> task<> {
        order.push_back(i);
        co_return;
      }));
    }
    for (auto& each : tasks) co_await each;

    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
    EXPECT_EQ(order.size(), static_cast<std::size_t>(count));
  });
}

TEST_P(Spawn, Child_RunsWhileItsParentGoesOn) {
  run([]() -> task<> {
    event from_child;
    event from_parent;
    auto child = spawn([&]() -> task<> {
      from_child.set();
      co_await from_parent.wait();
    });

    co_await from_child.wait();
    from_parent.set();
    co_await child;

    EXPECT_TRUE(child.done());
  });
}

TEST_P(Spawn, Callable_IsKeptAliveByTheChild) {
  run([]() -> task<> {
    event go;
    std::string got;
    join_handle<> child;
    {
      auto text = std::make_unique<std::string>("kept");
      child = spawn([text = std::move(text), &go, &got]() -> task<> {
        co_await go.wait();
        got = *text;
      });
    }

    co_await until_waiting(child);
    go.set();
    co_await child;

    EXPECT_EQ(got, "kept");
  });
}

TEST_P(Spawn, Arguments_MoveIntoTheChild) {
  run([]() -> task<> {
    const auto take = [](std::unique_ptr<int> value, std::string text) -> task<std::string> {
      co_await yield();
      co_return text + std::to_string(*value);
    };

    auto child = spawn(take, std::make_unique<int>(7), "x");
    const std::string got = co_await child;

    EXPECT_EQ(got, "x7");
  });
}

TEST_P(Spawn, Awaitable_BecomesATask) {
  run([]() -> task<> {
    auto sleeping = spawn(sleep(1ms));

    co_await sleeping;

    EXPECT_TRUE(sleeping.done());
  });
}

TEST_P(Spawn, SpawnOfAnAwaitedTask_Throws) {
  run([]() -> task<> {
    task<int> once = seven_after_a_yield();
    (void)co_await once;

    EXPECT_THROW((void)spawn(std::move(once)), invalid_state_error);
  });
}

TEST(SpawnOutside, Spawn_OutsideOfARuntimeThrowsAndDestroysTheTaskUnrun) {
  std::string log;

  EXPECT_THROW((void)spawn(append(log, 'a')), std::logic_error);

  EXPECT_EQ(log, "");
}

TEST_P(Spawn, ManyTasks_AllEnd) {
  run([]() -> task<> {
    constexpr int count = 10'000;
    std::atomic<int> ended{0};
    std::vector<join_handle<>> tasks;
    for (int i = 0; i < count; ++i) {
      tasks.push_back(spawn([&ended]() -> task<> {
        co_await yield();
        ++ended;
      }));
    }

    for (auto& each : tasks) co_await each;

    EXPECT_EQ(ended.load(), count);
  });
}

TEST_P(Spawn, Children_MaySpawnChildren) {
  run([]() -> task<> {
    struct tree {
      static task<int> count_leaves(int depth) {
        if (depth == 0) co_return 1;
        auto left = spawn(count_leaves(depth - 1));
        auto right = spawn(count_leaves(depth - 1));
        const int of_left = co_await left;
        const int of_right = co_await right;
        co_return of_left + of_right;
      }
    };

    const int leaves = co_await tree::count_leaves(8);

    EXPECT_EQ(leaves, 256);
  });
}

// ---- The end of a task --------------------------------------------------------------------------

TEST_P(JoinHandle, Await_GivesTheValue) {
  run([]() -> task<> {
    auto child = spawn(seven_after_a_yield());

    const int got = co_await child;

    EXPECT_EQ(got, 7);
    EXPECT_TRUE(child.done());
    EXPECT_FALSE(child.cancelled());
  });
}

TEST_P(JoinHandle, Await_RethrowsTheException) {
  run([]() -> task<> {
    auto child = spawn(fail_after_a_yield());

    const auto ended = co_await catch_all(child);

    EXPECT_TRUE(ended.threw<std::runtime_error>());
    EXPECT_FALSE(child.cancelled());
  });
}

TEST_P(JoinHandle, EveryAwaiter_SeesTheSameOutcome) {
  run([]() -> task<> {
    event go;
    auto child = spawn([&]() -> task<std::string> {
      co_await go.wait();
      co_return "same";
    });
    std::vector<join_handle<std::string>> awaiters;
    for (int i = 0; i < 10; ++i) {
      awaiters.push_back(spawn([&child]() -> task<std::string> { co_return co_await child; }));
    }
    for (auto& each : awaiters) co_await until_waiting(each);

    go.set();

    for (auto& each : awaiters) {
      const std::string got = co_await each;
      EXPECT_EQ(got, "same");
    }
    const std::string late = co_await child;
    EXPECT_EQ(late, "same");
  });
}

TEST_P(JoinHandle, EveryAwaiter_SeesTheSameFailure) {
  run([]() -> task<> {
    event go;
    auto child = spawn([&]() -> task<> {
      co_await go.wait();
      throw std::runtime_error("same");
    });
    std::vector<join_handle<>> awaiters;
    for (int i = 0; i < 10; ++i) {
      awaiters.push_back(spawn([&child]() -> task<> { co_await child; }));
    }

    go.set();

    for (auto& each : awaiters) {
      const auto ended = co_await catch_all(each);
      EXPECT_TRUE(ended.threw<std::runtime_error>());
    }
  });
}

TEST_P(SpawnOrder, AwaitOfAFinishedTask_DoesNotSuspend) {
  run([]() -> task<> {
    std::string log;
    auto finished = spawn(seven_after_a_yield());
    while (!finished.done()) co_await yield();
    auto other = spawn(append(log, 'x'));

    const int got = co_await finished;

    EXPECT_EQ(got, 7);
    EXPECT_EQ(log, "");
    co_await other;
  });
}

TEST_P(JoinHandle, AwaitOfAnRvalue_MovesTheValueOut) {
  run([]() -> task<> {
    auto child = spawn([]() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); });

    const std::unique_ptr<int> got = co_await std::move(child);

    EXPECT_EQ(*got, 7);
  });
}

TEST_P(JoinHandle, AwaitOfOneself_IsAnError) {
  run([]() -> task<> {
    join_handle<> self;
    event assigned;
    bool refused = false;
    self = spawn([&]() -> task<> {
      co_await assigned.wait();
      try {
        co_await self;
      } catch (const invalid_state_error&) {
        refused = true;
      }
    });

    assigned.set();
    (void)co_await ending_of(self);

    EXPECT_TRUE(refused);
  });
}

TEST_P(JoinHandle, AwaitOfOneself_IsAnErrorAlsoWhenTheBudgetIsUsedUp) {
  run([]() -> task<> {
    join_handle<> self;
    event assigned;
    bool refused = false;
    self = spawn([&]() -> task<> {
      co_await assigned.wait();
      co_await use_up_the_budget();
      try {
        co_await self;
      } catch (const invalid_state_error&) {
        refused = true;
      }
    });

    assigned.set();
    (void)co_await ending_of(self);

    EXPECT_TRUE(refused);
  });
}

TEST_P(JoinHandle, AwaitOfAnEmptyHandle_Throws) {
  run([]() -> task<> {
    join_handle<> empty;

    const auto ended = co_await catch_all(empty);

    EXPECT_TRUE(ended.threw<invalid_state_error>());
  });
}

TEST_P(JoinHandle, AwaitOfAnEmptyHandle_ThrowsAlsoWhenTheBudgetIsUsedUp) {
  run([]() -> task<> {
    join_handle<> empty;
    co_await use_up_the_budget();

    const auto ended = co_await catch_all(empty);

    EXPECT_TRUE(ended.threw<invalid_state_error>());
  });
}

TEST(JoinHandleEmpty, Handle_WithoutATaskSaysSo) {
  join_handle<int> empty;

  EXPECT_FALSE(empty);
  EXPECT_FALSE(empty.cancel());
  EXPECT_FALSE(empty.done());
  EXPECT_FALSE(empty.cancelled());
  EXPECT_EQ(empty.id(), 0u);
  EXPECT_EQ(empty.name(), "");
  EXPECT_THROW((void)empty.result(), invalid_state_error);
  EXPECT_THROW((void)empty.exception(), invalid_state_error);
  EXPECT_THROW((void)empty.get(), invalid_state_error);
  EXPECT_THROW(empty.add_done_callback([] {}), invalid_state_error);
}

TEST_P(JoinHandle, ResultBeforeTheEnd_IsAnError) {
  run([]() -> task<> {
    event gate;
    auto child = spawn(wait_on(gate));

    EXPECT_FALSE(child.done());
    EXPECT_THROW(child.result(), invalid_state_error);
    EXPECT_THROW((void)child.exception(), invalid_state_error);

    gate.set();
    co_await child;
    EXPECT_NO_THROW(child.result());
    EXPECT_EQ(child.exception(), nullptr);
  });
}

TEST_P(JoinHandle, Result_GivesTheValueAgainAndAgain) {
  run([]() -> task<> {
    auto child = spawn(seven_after_a_yield());
    (void)co_await ending_of(child);

    EXPECT_EQ(child.result(), 7);
    EXPECT_EQ(child.result(), 7);
    const int awaited = co_await child;
    EXPECT_EQ(awaited, 7);
  });
}

TEST_P(JoinHandle, Result_OfACancelledTaskThrowsCancelledError) {
  run([]() -> task<> {
    event never;
    auto child = spawn(wait_on(never));
    child.cancel();
    (void)co_await ending_of(child);

    EXPECT_THROW(child.result(), cancelled_error);
  });
}

TEST_P(JoinHandle, Parameters_DieWithTheTaskThoughAHandleLives) {
  run([]() -> task<> {
    auto token = std::make_shared<int>(7);
    auto child = spawn([](std::shared_ptr<int> kept) -> task<int> {
      co_await yield();
      co_return *kept;
    }(token));

    const int got = co_await child;

    EXPECT_EQ(got, 7);
    EXPECT_TRUE(child);
    EXPECT_EQ(token.use_count(), 1);
  });
}

TEST_P(JoinHandle, DroppedHandle_LeavesTheTaskRunning) {
  run([]() -> task<> {
    event go;
    event reached;
    {
      const auto dropped = spawn([&]() -> task<> {
        co_await go.wait();
        reached.set();
      });
    }

    go.set();
    co_await reached.wait();

    EXPECT_TRUE(reached.is_set());
  });
}

TEST_P(JoinHandle, DetachedTask_RunsOn) {
  run([]() -> task<> {
    event reached;
    auto child = spawn([&]() -> task<> {
      co_await yield();
      reached.set();
    });

    child.detach();
    co_await reached.wait();

    EXPECT_FALSE(child);
  });
}

TEST_P(JoinHandle, Handle_IsUsableAfterItsRuntime) {
  join_handle<std::string> kept;

  run([&]() -> task<> {
    kept = spawn([]() -> task<std::string> { co_return "still here"; });
    while (!kept.done()) co_await yield();
  });

  EXPECT_EQ(kept.result(), "still here");
  EXPECT_EQ(kept.get(), "still here");
  kept.detach();
}

TEST_P(JoinHandle, FailureInAHandle_IsUsableAfterItsRuntime) {
  join_handle<> kept;

  run([&]() -> task<> {
    kept = spawn(fail_after_a_yield());
    while (!kept.done()) co_await yield();
  });

  EXPECT_THROW(kept.result(), std::runtime_error);
  kept.detach();
}

// ---- Done callbacks -----------------------------------------------------------------------------

TEST_P(JoinHandle, DoneCallbacks_RunOnceInOrderOfRegistration) {
  run([]() -> task<> {
    event go;
    event last;
    std::mutex guard;
    std::string log;
    auto child = spawn(wait_on(go));
    for (const char name : {'a', 'b', 'c', 'd', 'e'}) {
      child.add_done_callback([&, name] {
        const std::lock_guard lock(guard);
        log += name;
        if (log.size() == 5) last.set();
      });
    }

    go.set();
    co_await last.wait();

    EXPECT_EQ(log, "abcde");
  });
}

TEST_P(SpawnOrder, DoneCallbackOfAFinishedTask_IsNotRunInline) {
  run([]() -> task<> {
    auto child = spawn(seven_after_a_yield());
    (void)co_await child;
    bool called = false;

    child.add_done_callback([&] { called = true; });

    EXPECT_FALSE(called);
    co_await yield();
    EXPECT_TRUE(called);
  });
}

TEST_P(SpawnOrder, DoneCallback_SeesTheTaskDone) {
  run([]() -> task<> {
    bool was_done = false;
    auto child = spawn(seven_after_a_yield());
    child.add_done_callback([&] { was_done = child.done(); });

    (void)co_await child;
    co_await yield();

    EXPECT_TRUE(was_done);
  });
}

TEST_P(JoinHandle, DoneCallbackOfADetachedTask_RunsToo) {
  run([]() -> task<> {
    event called;
    event go;
    auto child = spawn(wait_on(go));
    child.add_done_callback([&] { called.set(); });

    child.detach();
    go.set();
    co_await called.wait();

    EXPECT_TRUE(called.is_set());
  });
}

TEST_P(JoinHandle, DoneCallbackOfATaskThatEndsInTheShutdown_RunsToo) {
  std::atomic<int> called{0};

  run([&]() -> task<> {
    auto child = spawn(sleep(1h));
    child.add_done_callback([&] { ++called; });
    co_await yield();
  });

  EXPECT_EQ(called.load(), 1);
}

// ---- Failures that nobody sees ------------------------------------------------------------------

/// What the exception handler was told.
class reports {
 public:
  void install() {
    runtime::current().set_exception_handler([this](const exception_context& context) {
      const std::lock_guard lock(guard_);
      try {
        if (context.exception) std::rethrow_exception(context.exception);
        seen_.push_back(std::string(context.message));
      } catch (const std::exception& error) {
        seen_.push_back(error.what());
      } catch (...) {  // the tests throw nothing else
        seen_.push_back("?");
      }
    });
  }
  [[nodiscard]] std::vector<std::string> seen() {
    const std::lock_guard lock(guard_);
    return seen_;
  }

 private:
  std::mutex guard_;
  std::vector<std::string> seen_;
};

TEST_P(Unretrieved, FailureNobodyLookedAt_IsReportedOnceWhenTheHandleGoes) {
  reports told;
  run([&]() -> task<> {
    told.install();
    auto child = spawn(fail_after_a_yield());
    while (!child.done()) co_await yield();
    EXPECT_EQ(told.seen().size(), 0u);

    child.detach();

    EXPECT_EQ(told.seen(), std::vector<std::string>{"failed"});
  });
  EXPECT_EQ(told.seen().size(), 1u);
}

TEST_P(Unretrieved, FailureOfADetachedTask_IsReportedAtItsEnd) {
  reports told;
  run([&]() -> task<> {
    told.install();

    spawn(fail_after_a_yield()).detach();
    while (told.seen().empty()) co_await yield();
  });
  EXPECT_EQ(told.seen(), std::vector<std::string>{"failed"});
}

TEST_P(Unretrieved, AwaitedFailure_IsNotReported) {
  reports told;
  run([&]() -> task<> {
    told.install();
    auto child = spawn(fail_after_a_yield());

    const auto ended = co_await catch_all(child);

    EXPECT_TRUE(ended.threw<std::runtime_error>());
  });
  EXPECT_EQ(told.seen().size(), 0u);
}

TEST_P(Unretrieved, FailureSeenThroughException_IsNotReported) {
  reports told;
  run([&]() -> task<> {
    told.install();
    auto child = spawn(fail_after_a_yield());
    while (!child.done()) co_await yield();

    EXPECT_NE(child.exception(), nullptr);
  });
  EXPECT_EQ(told.seen().size(), 0u);
}

TEST_P(Unretrieved, FailureSeenThroughResult_IsNotReported) {
  reports told;
  run([&]() -> task<> {
    told.install();
    auto child = spawn(fail_after_a_yield());
    while (!child.done()) co_await yield();

    EXPECT_THROW(child.result(), std::runtime_error);
  });
  EXPECT_EQ(told.seen().size(), 0u);
}

TEST_P(Unretrieved, ValuesAndCancellations_AreNeverReported) {
  reports told;
  run([&]() -> task<> {
    told.install();
    event never;
    auto value = spawn(seven_after_a_yield());
    auto cancelled = spawn(wait_on(never));
    cancelled.cancel();
    while (!value.done() || !cancelled.done()) co_await yield();
  });
  EXPECT_EQ(told.seen().size(), 0u);
}

TEST_P(Unretrieved, CancelOfAFailedTask_DoesNotHideItsFailure) {
  reports told;
  run([&]() -> task<> {
    told.install();
    auto child = spawn(fail_after_a_yield());
    while (!child.done()) co_await yield();

    EXPECT_FALSE(child.cancel());
  });
  EXPECT_EQ(told.seen(), std::vector<std::string>{"failed"});
}

TEST_P(Unretrieved, FailureOfADoneCallback_IsReported) {
  reports told;
  run([&]() -> task<> {
    told.install();
    auto child = spawn(seven_after_a_yield());
    child.add_done_callback([] { throw std::runtime_error("callback"); });

    (void)co_await child;
    while (told.seen().empty()) co_await yield();
  });
  EXPECT_EQ(told.seen(), std::vector<std::string>{"callback"});
}

// ---- Blocking threads ---------------------------------------------------------------------------

TEST(JoinHandleGet, Get_BlocksAForeignThreadUntilTheValueIsThere) {
  runtime rt({.workers = 2});
  event go;
  auto child = rt.spawn([&]() -> task<int> {
    co_await go.wait();
    co_return 7;
  });

  rt.call_later(1ms, [&] { go.set(); });

  EXPECT_EQ(child.get(), 7);
}

TEST(JoinHandleGet, Get_RethrowsTheFailure) {
  runtime rt({.workers = 2});
  auto child = rt.spawn(fail_after_a_yield());

  EXPECT_THROW(child.get(), std::runtime_error);
}

TEST(JoinHandleGet, GetWithALimit_ThrowsWhenItPassesAndTheTaskGoesOn) {
  runtime rt({.workers = 2});
  event go;
  auto child = rt.spawn([&]() -> task<int> {
    co_await go.wait();
    co_return 7;
  });

  EXPECT_THROW((void)child.get(1ms), timeout_error);
  EXPECT_THROW((void)child.get(-1h), timeout_error);
  EXPECT_FALSE(child.done());
  go.set();

  EXPECT_EQ(child.get(std::chrono::hours::max()), 7);
  EXPECT_EQ(child.get(0ms), 7);
}

TEST(JoinHandleGet, LimitThatMeetsTheEnd_IsDecidedOnce) {
  std::mt19937_64 random(stress_seed());
  runtime rt({.workers = 2});
  for (int round = 0; round < 300; ++round) {
    auto child = rt.spawn([duration = std::chrono::microseconds(random() % 200)]() -> task<int> {
      co_await sleep(duration);
      co_return 7;
    });

    try {
      EXPECT_EQ(child.get(std::chrono::microseconds(random() % 400)), 7);
      EXPECT_TRUE(child.done());
    } catch (const timeout_error&) {  // not yet
    }

    EXPECT_EQ(child.get(), 7);
  }
}

TEST(JoinHandleGet, CancelOfAForeignThread_ComesOutOfGet) {
  runtime rt({.workers = 2});
  event never;
  auto child = rt.spawn(wait_on(never));

  EXPECT_TRUE(child.cancel());

  EXPECT_THROW(child.get(1h), cancelled_error);
}

TEST(JoinHandleGet, Get_WhereNobodyRunsTheTaskThrows) {
  runtime rt({.workers = 1});
  auto child = rt.spawn(seven_after_a_yield());

  EXPECT_THROW((void)child.get(), std::logic_error);
}

TEST(JoinHandleGet, Get_WaitsForTheThreadThatRunsTheOneWorker) {
  runtime rt({.workers = 1});
  event running;
  event stop;
  auto child = rt.spawn([&]() -> task<int> {
    co_await running.wait();
    co_return 7;
  });
  std::thread loop([&] {
    rt.run([&]() -> task<> {
      running.set();
      co_await stop.wait();
    });
  });

  int got = 0;
  while (got == 0) {
    try {
      got = child.get();
    } catch (const std::logic_error&) {  // the loop does not run yet
      std::this_thread::yield();
    }
  }
  stop.set();
  loop.join();

  EXPECT_EQ(got, 7);
}

TEST_P(JoinHandle, GetOnAWorker_ThrowsInsteadOfBlockingIt) {
  run([]() -> task<> {
    auto child = spawn(seven_after_a_yield());

    EXPECT_THROW((void)child.get(), std::logic_error);

    (void)co_await child;
  });
}

// ---- Several runtimes ---------------------------------------------------------------------------

TEST(JoinHandleOfTwoRuntimes, TaskOfAnotherRuntime_CanBeAwaited) {
  runtime other({.workers = 2});
  event go;
  auto foreign = other.spawn([&]() -> task<int> {
    co_await go.wait();
    co_return 7;
  });

  weft::run(
      [&]() -> task<> {
        const auto here = std::this_thread::get_id();
        auto waiting = co_await spawn_waiting([&]() -> task<int> {
          const int got = co_await foreign;
          EXPECT_EQ(std::this_thread::get_id(), here);  // resumed by its own runtime
          co_return got;
        });
        go.set();
        const int got = co_await waiting;
        EXPECT_EQ(got, 7);
      },
      {.workers = 1});
}

TEST(SpawnFromOutside, EveryTask_OfManyForeignThreadsRuns) {
  runtime rt({.workers = 2});
  std::atomic<int> ran{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      std::vector<join_handle<>> tasks;
      for (int i = 0; i < 500; ++i) {
        tasks.push_back(rt.spawn([&ran]() -> task<> {
          co_await yield();
          ++ran;
        }));
      }
      for (auto& each : tasks) each.get();
    });
  }

  for (auto& each : threads) each.join();

  EXPECT_EQ(ran.load(), 2000);
}

TEST(SpawnFromOutside, TasksOfOneThread_StartInItsOrder) {
  runtime rt({.workers = 1});
  std::string log;
  std::vector<join_handle<>> tasks;
  for (const char name : {'a', 'b', 'c', 'd'}) tasks.push_back(rt.spawn(append(log, name)));

  rt.run([]() -> task<> { co_await yield(); });

  EXPECT_EQ(log, "abcd");
}

// ---- Pinned tasks -------------------------------------------------------------------------------

TEST_P(Spawn, LocalTask_NeverLeavesItsWorker) {
  run([]() -> task<> {
    std::vector<join_handle<>> tasks;
    event go;
    for (int i = 0; i < 20; ++i) {
      tasks.push_back(spawn_local([&]() -> task<> {
        const auto home = std::this_thread::get_id();
        co_await go.wait();
        for (int turn = 0; turn < 50; ++turn) {
          co_await yield();
          EXPECT_EQ(std::this_thread::get_id(), home);
        }
        co_await sleep(100us);
        EXPECT_EQ(std::this_thread::get_id(), home);
      }));
    }

    auto elsewhere = spawn([&]() -> task<> {
      go.set();
      co_return;
    });
    for (auto& each : tasks) co_await each;
    co_await elsewhere;
  });
}

TEST_P(Spawn, LocalTask_GivesItsValue) {
  run([]() -> task<> {
    auto child = spawn_local(seven_after_a_yield());

    const int got = co_await child;

    EXPECT_EQ(got, 7);
  });
}

TEST_P(Spawn, EveryForm_OfALocalTaskWorks) {
  run([]() -> task<> {
    const auto twice = [](int n) -> task<int> { co_return 2 * n; };

    const int called = co_await spawn_local(twice, 2);
    auto named = spawn_local({.name = "local"}, twice, 3);
    const std::string name = named.name();
    const int with_options = co_await named;
    co_await spawn_local(yield());

    EXPECT_EQ(called, 4);
    EXPECT_EQ(name, "local");
    EXPECT_EQ(with_options, 6);
  });
}

/// The threads that a task sees while it suspends again and again.
task<std::set<std::thread::id>> threads_seen() {
  std::set<std::thread::id> seen;
  for (int i = 0; i < 50; ++i) {
    seen.insert(std::this_thread::get_id());
    co_await yield();
  }
  co_return seen;
}

TEST(SpawnOn, Task_StaysOnTheWorkerItWasGiven) {
  weft::run(
      []() -> task<> {
        std::set<std::thread::id> all;
        for (std::size_t worker = 0; worker < 4; ++worker) {
          const auto seen = co_await spawn_on(worker, threads_seen());
          EXPECT_EQ(seen.size(), 1u);
          all.insert(seen.begin(), seen.end());
        }
        EXPECT_EQ(all.size(), 4u);
      },
      {.workers = 4});
}

TEST_P(Spawn, SpawnOn_TakesEveryForm) {
  run([]() -> task<> {
    const auto twice = [](int n) -> task<int> { co_return 2 * n; };

    const int called = co_await spawn_on(0, twice, 2);
    auto named = spawn_on(0, {.name = "placed"}, twice, 3);
    const std::string name = named.name();
    const int with_options = co_await named;
    co_await spawn_on(0, yield(), {.name = "an awaitable"});

    EXPECT_EQ(called, 4);
    EXPECT_EQ(name, "placed");
    EXPECT_EQ(with_options, 6);
  });
}

TEST_P(Spawn, SpawnOnAWorkerThatThereIsNot_DestroysTheTaskUnrun) {
  run([]() -> task<> {
    bool ran = false;
    const auto mark = [](bool& flag) -> task<> {
      flag = true;
      co_return;
    };

    EXPECT_THROW((void)spawn_on(4, mark(ran)), std::out_of_range);
    co_await yield();

    EXPECT_FALSE(ran);
  });
}

TEST(SpawnPerWorker, EachWorker_RunsOne) {
  weft::run(
      []() -> task<> {
        auto unnumbered = spawn_per_worker(threads_seen);
        auto numbered =
            spawn_per_worker([](std::size_t worker) -> task<std::size_t> { co_return worker; });

        std::set<std::thread::id> all;
        for (auto& each : unnumbered) {
          const auto seen = co_await each;
          EXPECT_EQ(seen.size(), 1u);
          all.insert(seen.begin(), seen.end());
        }
        EXPECT_EQ(all.size(), 4u);
        EXPECT_EQ(numbered.size(), 4u);
        for (std::size_t i = 0; i < numbered.size(); ++i) {
          const std::size_t worker = co_await numbered[i];
          EXPECT_EQ(worker, i);
        }
      },
      {.workers = 4});
}

// ---- yield --------------------------------------------------------------------------------------

TEST_P(Spawn, Yield_IsAwaitedOnce) {
  run([]() -> task<> {
    auto once = yield();
    co_await once;

    const auto await_again = [](auto& operation) -> task<> { co_await operation; };
    const auto again = co_await catch_all(await_again(once));

    EXPECT_TRUE(again.threw<invalid_state_error>());
  });
}

TEST_P(SpawnOrder, Yield_LetsEverythingReadyGoFirstOnce) {
  run([]() -> task<> {
    std::string log;
    auto a = spawn(append(log, 'a'));
    auto b = spawn([&]() -> task<> {
      log += 'b';
      co_await yield();
      log += 'B';
    });

    co_await yield();
    log += '-';
    co_await b;

    EXPECT_EQ(log, "ab-B");
    co_await a;
  });
}

TEST_P(SpawnOrder, AwaitsThatAreAlwaysReady_StillLetOthersRun) {
  run([]() -> task<> {
    auto finished = spawn(seven_after_a_yield());
    (void)co_await finished;
    std::atomic<bool> other_ran{false};
    auto other = spawn([&]() -> task<> {
      other_ran = true;
      co_return;
    });

    int awaits = 0;
    while (!other_ran && awaits < 10'000) {
      (void)co_await finished;
      ++awaits;
    }

    EXPECT_TRUE(other_ran);
    EXPECT_LE(awaits, 256);
    co_await other;
  });
}

// ---- Who am I -----------------------------------------------------------------------------------

TEST_P(Spawn, ThisTask_IsTheTaskThatRuns) {
  run([]() -> task<> {
    const task_id mine = this_task::id();
    std::vector<join_handle<task_id>> tasks;
    for (int i = 0; i < 10; ++i) {
      tasks.push_back(spawn([]() -> task<task_id> {
        const task_id at_first = this_task::id();
        for (int turn = 0; turn < 10; ++turn) {
          co_await yield();
          EXPECT_EQ(this_task::id(), at_first);
        }
        co_return at_first;
      }));
    }

    std::set<task_id> seen{mine};
    for (auto& each : tasks) {
      const task_id child = co_await each;
      EXPECT_EQ(child, each.id());
      seen.insert(child);
    }

    EXPECT_EQ(seen.size(), 11u);
    EXPECT_EQ(this_task::id(), mine);
  });
}

TEST(ThisTask, Everything_OutsideOfATaskThrows) {
  EXPECT_THROW(this_task::id(), std::logic_error);
  EXPECT_THROW(this_task::name(), std::logic_error);
  EXPECT_THROW(this_task::cancelling(), std::logic_error);
  EXPECT_THROW(this_task::uncancel(), std::logic_error);
  EXPECT_THROW(this_task::check_cancelled(), std::logic_error);
}

TEST_P(Spawn, Name_IsTheGivenOneOrAUniqueOne) {
  run([]() -> task<> {
    auto named =
        spawn([]() -> task<std::string> { co_return this_task::name(); }(), {.name = "worker bee"});
    auto one = spawn(seven_after_a_yield());
    auto two = spawn(seven_after_a_yield());

    const std::string inside = co_await named;

    EXPECT_EQ(inside, "worker bee");
    EXPECT_EQ(named.name(), "worker bee");
    EXPECT_EQ(one.name(), "task-" + std::to_string(one.id()));
    EXPECT_NE(one.name(), two.name());
    (void)co_await one;
    (void)co_await two;
  });
}

TEST_P(Spawn, AllTasks_AreExactlyTheUnfinishedOnes) {
  run([]() -> task<> {
    event gate;
    auto waiting = spawn(wait_on(gate), {.name = "waiting"});
    auto finished = spawn(seven_after_a_yield(), {.name = "finished"});
    (void)co_await finished;
    co_await until_waiting(waiting);

    std::set<std::string> names;
    for (const task_info& each : all_tasks()) {
      names.insert(each.name);
      if (each.name == "waiting") {
        EXPECT_EQ(each.state, task_state::suspended);
        EXPECT_EQ(each.where, "event::wait()");
      }
      if (each.id == this_task::id()) {
        EXPECT_EQ(each.state, task_state::running);
      }
    }

    EXPECT_TRUE(names.contains("waiting"));
    EXPECT_TRUE(names.contains(this_task::name()));
    EXPECT_FALSE(names.contains("finished"));
    EXPECT_EQ(names.size(), 2u);
    gate.set();
    co_await waiting;
  });
}

TEST_P(Spawn, AllTasks_WhileTasksComeAndGoHoldsThoseThatLive) {
  run([]() -> task<> {
    event gate;
    std::atomic<bool> stop{false};
    auto lives = spawn(wait_on(gate), {.name = "lives"});
    auto churn = spawn([&]() -> task<> {
      while (!stop) {
        auto short_lived = spawn(seven_after_a_yield());
        (void)co_await short_lived;
      }
    });

    for (int round = 0; round < 200; ++round) {
      bool found = false;
      for (const task_info& each : all_tasks()) found |= each.name == "lives";
      EXPECT_TRUE(found);
      co_await yield();
    }

    stop = true;
    gate.set();
    co_await churn;
    co_await lives;
  });
}

TEST_P(Spawn, AllTasks_WhileNamedTasksComeAndGoIsSafe) {
  run([]() -> task<> {
    std::atomic<bool> stop{false};
    auto churn = spawn([&]() -> task<> {
      while (!stop) {
        auto named = spawn(seven_after_a_yield(), {.name = "a name too long for the small buffer"});
        (void)co_await named;
      }
    });

    for (int round = 0; round < 200; ++round) {
      for (const task_info& each : all_tasks()) EXPECT_NE(each.name, "");
      co_await yield();
    }

    stop = true;
    co_await churn;
  });
}

TEST_P(Spawn, DumpOfTasks_NamesEach) {
  run([]() -> task<> {
    event gate;
    auto waiting = spawn(wait_on(gate), {.name = "the one that waits"});
    co_await until_waiting(waiting);
    std::ostringstream text;

    dump_tasks(text);

    EXPECT_THAT(text.str(), HasSubstr("the one that waits suspended in event::wait()"));
    gate.set();
    co_await waiting;
  });
}

TEST(SpawnOutside, AllTasks_OutsideOfARuntimeThrows) {
  EXPECT_THROW((void)all_tasks(), std::logic_error);
}

}  // namespace
}  // namespace weft::testing
