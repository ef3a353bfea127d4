#include "runtimes.h"
#include <weft/runtime/as_result.h>
#include <weft/runtime/async_generator.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/debug.h>
#include <weft/runtime/executor.h>
#include <weft/runtime/fork.h>
#include <weft/runtime/gather.h>
#include <weft/runtime/select.h>
#include <weft/runtime/signal_set.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/timeout.h>
#include <weft/runtime/to_thread.h>
#include <weft/sync/condition_variable.h>
#include <weft/sync/event.h>
#include <weft/sync/mutex.h>
#include <weft/sync/shared_mutex.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <optional>
#include <source_location>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <unistd.h>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

/// What a runtime has reported; outlives it.
class reports {
 public:
  /// `also` is called after each report, by whoever has reported.
  void listen_to(runtime& of, std::function<void()> also = [] {}) {
    of.set_exception_handler([this, also = std::move(also)](const exception_context& context) {
      {
        const std::lock_guard guard(mutex_);
        messages_.emplace_back(context.message);
        changed_.notify_all();
      }
      also();
    });
  }
  [[nodiscard]] std::vector<std::string> all() {
    const std::lock_guard guard(mutex_);
    return messages_;
  }
  void wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return messages_.size() >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> messages_;  // guarded by mutex_
};

/// Blocks its thread for several times the patience of the tests below.
void let_time_pass() {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  (void)never.wait_for(lock, 30ms, [] { return false; });
}

// ---- Deadlocks ----------------------------------------------------------------------------------

/// Of runtimes with a real clock, by their number of workers.
class Deadlock : public ::testing::TestWithParam<std::size_t> {
 protected:
  [[nodiscard]] static runtime_options options(deadlock_action action,
                                               std::chrono::milliseconds patience = 2ms) {
    return {.workers = GetParam(), .on_deadlock = action, .deadlock_patience = patience};
  }
};
INSTANTIATE_TEST_SUITE_P(Workers, Deadlock, ::testing::Values(std::size_t{1}, std::size_t{4}),
                         [](const auto& each) {
                           return each.param == 1 ? "OneWorker" : "FourWorkers";
                         });

TEST_P(Deadlock, Fail_MakesRunThrowWithWhatEachTaskWaitsFor) {
  event never;
  std::string what;
  {
    runtime rt(options(deadlock_action::fail));
    try {
      rt.run([&]() -> task<> {
        auto child = spawn(never.wait(), {.name = "the one in the way"});
        co_await child;
      });
    } catch (const deadlock_error& error) {
      what = error.what();
    }
  }

  EXPECT_THAT(what, HasSubstr("main waits for a task"));
  EXPECT_THAT(what, HasSubstr("the one in the way waits for event::wait()"));
  EXPECT_FALSE(never.has_waiters());  // they were cancelled with the runtime
}

TEST_P(Deadlock, RuntimeAfterOne_IsUsable) {
  event never;
  runtime rt(options(deadlock_action::fail));
  EXPECT_THROW(rt.run([&]() -> task<> { co_await never.wait(); }), deadlock_error);

  const int value = rt.run([]() -> task<int> {
    co_await sleep(1ms);
    co_return 7;
  });

  EXPECT_EQ(value, 7);
}

TEST_P(Deadlock, TwoTasksThatWaitForEachOther_AreOne) {
  mutex first, second;
  runtime rt(options(deadlock_action::fail));
  const auto lock_both = [](mutex& one, mutex& other) -> task<> {
    const auto outer = co_await one.lock();
    co_await yield();
    while (!other.locked()) co_await yield();
    const auto inner = co_await other.lock();
  };

  EXPECT_THROW(rt.run([&]() -> task<> {
    auto forwards = spawn(lock_both, std::ref(first), std::ref(second));
    auto backwards = spawn(lock_both, std::ref(second), std::ref(first));
    co_await forwards;
    co_await backwards;
  }),
               deadlock_error);
}

TEST_P(Deadlock, Report_NamesEachTaskOnceForEachStandstill) {
  event gate;
  runtime_options chosen = options(deadlock_action::report);
  chosen.debug = true;
  reports seen;
  runtime rt(chosen);
  seen.listen_to(rt);
  std::thread foreign([&] {
    seen.wait_for(1);
    let_time_pass();  // many looks later there is no second report
    EXPECT_EQ(seen.all().size(), 1u);
    gate.set();
  });

  rt.run([&]() -> task<> {
    std::vector<join_handle<>> waiting;
    for (int i = 0; i < 30; ++i) {
      const std::string name = "waiter " + std::to_string(i);
      waiting.push_back(spawn(gate.wait(), {.name = name}));
    }
    for (auto& each : waiting) co_await each;
  });

  foreign.join();
  const std::string message = seen.all().front();
  for (int i = 0; i < 30; ++i)
    EXPECT_THAT(message, HasSubstr("waiter " + std::to_string(i) + " waits for event::wait()\n"));
}

TEST_P(Deadlock, SecondStandstill_IsReportedAgain) {
  event first, second;
  reports seen;
  runtime rt(options(deadlock_action::report));
  seen.listen_to(rt);
  std::thread foreign([&] {
    seen.wait_for(1);
    first.set();
    seen.wait_for(2);
    second.set();
  });

  rt.run([&]() -> task<> {
    co_await first.wait();
    co_await second.wait();
  });

  foreign.join();
}

TEST_P(Deadlock, DebugMode_Reports) {
  event gate;
  runtime_options chosen = options(deadlock_action::by_mode);
  chosen.debug = true;
  runtime rt(chosen);
  rt.set_exception_handler([&](const exception_context& context) {
    EXPECT_THAT(std::string(context.message), HasSubstr("deadlock"));
    gate.set();
  });

  rt.run([&]() -> task<> { co_await gate.wait(); });
}

TEST_P(Deadlock, OnlyDebugMode_LooksUnasked) {
  event gate;
  reports seen;
  runtime rt(options(deadlock_action::by_mode));
  seen.listen_to(rt);
  std::thread foreign([&] {
    let_time_pass();
    gate.set();
  });

  rt.run([&]() -> task<> { co_await gate.wait(); });

  foreign.join();
  EXPECT_TRUE(seen.all().empty());
}

// What can still come is waited for, however long it takes. None of these throws.

TEST_P(Deadlock, PendingTimer_IsNone) {
  runtime rt(options(deadlock_action::fail));

  rt.run([]() -> task<> { co_await sleep(30ms); });
}

TEST_P(Deadlock, PendingDeadline_IsNone) {
  event never;
  runtime rt(options(deadlock_action::fail));

  rt.run([&]() -> task<> {
    const auto ended = co_await catch_all(wait_for(never.wait(), 30ms));
    EXPECT_TRUE(ended.threw<timeout_error>());
  });
}

TEST_P(Deadlock, PendingBlockingCall_IsNone) {
  runtime rt(options(deadlock_action::fail));

  rt.run([]() -> task<> { co_await to_thread(let_time_pass); });
}

TEST_P(Deadlock, JobOfAnExecutor_IsNone) {
  thread_pool_executor pool(1);
  runtime rt(options(deadlock_action::fail));

  rt.run([&]() -> task<> {
    co_await run_in_executor(pool, let_time_pass);
    co_await pool.submit(let_time_pass);
    co_await resume_on(pool);
    let_time_pass();
  });
}

TEST_P(Deadlock, SignalThatIsWaitedFor_IsNone) {
  signal_set signals(SIGUSR1);
  runtime rt(options(deadlock_action::fail));
  std::thread foreign([] {
    let_time_pass();
    ::kill(::getpid(), SIGUSR1);
  });

  rt.run([&]() -> task<> { EXPECT_EQ(co_await signals.wait(), SIGUSR1); });

  foreign.join();
}

TEST_P(Deadlock, LongStep_IsNone) {
  runtime rt(options(deadlock_action::fail));

  rt.run([]() -> task<> {
    let_time_pass();
    co_return;
  });
}

// ---- Debug mode ---------------------------------------------------------------------------------

/// Each kind of runtime, in debug mode.
class Debug : public every_runtime {
 protected:
  /// What is reported from the start of `body() -> task<>` to the end of its runtime: a worker
  /// reports a step after it, when what the step completed may have ended run() already.
  template <class F>
  std::vector<std::string> reports_of(F body, const std::function<void()>& on_report = [] {}) {
    reports seen;
    runtime_options options{.debug = true, .on_deadlock = deadlock_action::ignore};
    if (GetParam() == runtime_kind::virtual_time) {
      test_runtime rt(options);
      seen.listen_to(rt.inner(), on_report);
      rt.run(body);
    } else {
      options.workers = single() ? 1 : 4;
      runtime rt(options);
      seen.listen_to(rt, on_report);
      rt.run(body);
    }
    return seen.all();
  }
};
INSTANTIATE_TEST_SUITE_P(Runtimes, Debug, every_kind(), name_of);

void compute_for(std::chrono::milliseconds time) {
  const auto until = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < until) {
  }
}

TEST_P(Debug, LongStep_IsReportedWithItsTaskAndWhatItWaitsFor) {
  event reported;
  const auto first_step = [](event& until) -> task<> { compute_for(110ms), co_await until.wait(); };
  const unsigned line = std::source_location::current().line() - 1;

  const auto seen = reports_of(
      [&]() -> task<> {
        auto slow = spawn({.name = "the slow one"}, first_step, std::ref(reported));
        co_await wait_for(std::move(slow), 1h);
      },
      [&] { reported.set(); });

  ASSERT_EQ(seen.size(), 1u);
  EXPECT_THAT(seen.front(), HasSubstr("a step of the slow one took 1"));
  EXPECT_THAT(seen.front(), ContainsRegex(" ms, from .* at .*:[1-9][0-9]* on; "));
  EXPECT_THAT(seen.front(),
              ContainsRegex("; now it waits for event::wait\\(\\) in .* at .*debug_test.cpp:" +
                            std::to_string(line) + "$"));
}

TEST_P(Debug, LongLastStep_IsReportedToo) {
  const auto seen = reports_of([]() -> task<> {
    auto slow = spawn({.name = "the slow one"}, []() -> task<> {
      compute_for(110ms);
      co_return;
    });
    co_await slow;
    co_await yield();
  });

  ASSERT_EQ(seen.size(), 1u);
  EXPECT_THAT(seen.front(), HasSubstr("a step of the slow one took 1"));
}

TEST_P(Debug, LongStepBehindAnAwait_IsReportedWithItsLine) {
  std::source_location await_site;

  const auto seen = reports_of([&]() -> task<> {
    auto slow = spawn(
        [](std::source_location& site) -> task<> {
          // One line: where the step goes on.
          site = std::source_location::current(), co_await yield();
          compute_for(110ms);
        },
        std::ref(await_site));
    co_await slow;
  });

  ASSERT_EQ(seen.size(), 1u);
  EXPECT_THAT(seen.front(),
              HasSubstr("debug_test.cpp:" + std::to_string(await_site.line()) + " on"));
}

task<int> forgotten() {
  co_return 7;
}

TEST_P(Debug, TaskThatIsNeverAwaited_IsReportedWithItsCode) {
  const auto seen = reports_of([]() -> task<> {
    [[maybe_unused]] const auto dropped = forgotten();
    co_return;
  });

  ASSERT_EQ(seen.size(), 1u);
  EXPECT_THAT(seen.front(), HasSubstr("neither awaited nor spawned: "));
  EXPECT_THAT(seen.front(), ContainsRegex("forgotten.* at .*debug_test.cpp:[1-9]"));
}

TEST_P(Debug, ChildrenOfWhatIsNeverAwaited_AreReported) {
  const auto seen = reports_of([]() -> task<> {
    const auto several = [] {
      std::vector<task<int>> made;
      made.push_back(forgotten());
      made.push_back(forgotten());
      return made;
    };
    {
      [[maybe_unused]] const auto of_two = gather(forgotten(), forgotten());
    }
    {
      [[maybe_unused]] const auto of_range = gather(several());
    }
    {
      [[maybe_unused]] const auto first_of_range = select(several());
    }
    {
      [[maybe_unused]] const auto first_of_two = select(forgotten(), forgotten());
    }
    co_return;
  });

  EXPECT_EQ(seen.size(), 8u);
}

TEST_P(Debug, ChildrenThatOthersMadeNeedless_AreNotReported) {
  const auto seen = reports_of([]() -> task<> {
    event set;
    set.set();
    const auto first = co_await select(set.wait(), forgotten());
    EXPECT_EQ(first.index(), 0u);
    cancel_scope scope;
    scope.cancel();
    co_await with_cancel_scope(scope, []() -> task<> {
      EXPECT_TRUE((co_await as_result(gather(forgotten(), forgotten()))).cancelled());
      EXPECT_TRUE((co_await as_result(select(forgotten(), forgotten()))).cancelled());
    });
  });

  EXPECT_THAT(seen, ::testing::IsEmpty());
}

TEST_P(Debug, TaskThatIsReplaced_IsReported) {
  const auto seen = reports_of([]() -> task<> {
    auto kept = forgotten();
    kept = forgotten();
    EXPECT_EQ(co_await kept, 7);
  });

  EXPECT_EQ(seen.size(), 1u);
}

TEST_P(Debug, TaskThatIsUsed_IsNoMistake) {
  const auto seen = reports_of([]() -> task<> {
    auto kept = forgotten();
    EXPECT_EQ(co_await kept, 7);
    EXPECT_EQ(co_await forgotten(), 7);
    EXPECT_EQ(co_await spawn(forgotten()), 7);
    const auto both = co_await gather(forgotten(), forgotten());
    EXPECT_EQ(std::get<0>(both), 7);
    auto forked = fork(forgotten());
    EXPECT_EQ(co_await forked, 7);
    const auto first = co_await select(forgotten(), forgotten());
    EXPECT_EQ(std::get<0>(first), 7);
    EXPECT_EQ(co_await wait_for(forgotten(), 1h), 7);
  });

  EXPECT_THAT(seen, ::testing::IsEmpty());
}

TEST_P(Debug, TaskDroppedByAnException_IsNotReportedBesideIt) {
  const auto seen = reports_of([]() -> task<> {
    bool failed = false;
    try {
      [[maybe_unused]] const auto dropped = forgotten();
      throw std::runtime_error("first");
    } catch (const std::runtime_error&) {
      failed = true;
    }
    EXPECT_TRUE(failed);
    co_return;
  });

  EXPECT_THAT(seen, ::testing::IsEmpty());
}

TEST_P(Debug, DeadlineThatAnotherTaskEnds_IsReported) {
  const auto seen = reports_of([]() -> task<> {
    event gate;
    std::optional<deadline> limit;
    auto entered = co_await spawn_waiting(
        [](std::optional<deadline>& made, event& until) -> task<> {
          made.emplace(1h);
          co_await until.wait();
        },
        std::ref(limit), std::ref(gate));

    limit.reset();

    gate.set();
    co_await entered;
  });

  ASSERT_EQ(seen.size(), 1u);
  EXPECT_THAT(seen.front(), HasSubstr("was left by another task"));
}

TEST_P(Debug, LocalTaskThatLeavesItsWorker_IsReported) {
  thread_pool_executor pool(1);

  const auto seen = reports_of([&]() -> task<> {
    co_await spawn_local([&]() -> task<> { co_await resume_on(pool); });
    co_await spawn([&]() -> task<> { co_await resume_on(pool); });
  });

  ASSERT_EQ(seen.size(), 1u);
  EXPECT_THAT(seen.front(), HasSubstr("away from its worker"));
}

TEST_P(Debug, LockHeldAtTaskEnd_IsReportedByName) {
  mutex held;
  lock_guard kept;

  const auto seen = reports_of([&]() -> task<> {
    co_await spawn({.name = "the forgetful one"}, [&]() -> task<> { kept = co_await held.lock(); });
  });

  ASSERT_EQ(seen.size(), 1u);
  EXPECT_THAT(seen.front(), HasSubstr("the forgetful one has ended and still holds a lock"));
}

TEST_P(Debug, LocksHeldAtTheEndOfMain_AreCounted) {
  mutex first, second;
  shared_mutex third;
  std::vector<lock_guard> kept;

  const auto seen = reports_of([&]() -> task<> {
    kept.push_back(co_await first.lock());
    kept.push_back(second.try_lock());
    kept.push_back(co_await third.lock());
  });

  ASSERT_EQ(seen.size(), 1u);
  EXPECT_THAT(seen.front(), HasSubstr("main has ended and still holds 3 locks"));
}

TEST_P(Debug, LockThatWasWaitedFor_IsTheWaiters) {
  mutex wanted;
  lock_guard kept;

  const auto seen = reports_of([&]() -> task<> {
    lock_guard before = co_await wanted.lock();
    auto waiter = spawn({.name = "the waiter"}, [&]() -> task<> { kept = co_await wanted.lock(); });
    co_await until_waiting(waiter);
    before.unlock();
    co_await waiter;
  });

  ASSERT_EQ(seen.size(), 1u);
  EXPECT_THAT(seen.front(), HasSubstr("the waiter has ended and still holds a lock"));
}

TEST_P(Debug, LockHeldAgainAfterACondition_IsReported) {
  mutex held;
  condition_variable changed;
  lock_guard kept;

  const auto seen = reports_of([&]() -> task<> {
    auto waiter = spawn({.name = "the waiter"}, [&]() -> task<> {
      kept = co_await held.lock();
      co_await changed.wait(kept);
    });
    while (!changed.has_waiters()) co_await yield();
    changed.notify_one();
    co_await waiter;
  });

  ASSERT_EQ(seen.size(), 1u);
  EXPECT_THAT(seen.front(), HasSubstr("the waiter has ended and still holds a lock"));
}

TEST_P(Debug, LocksThatAreGivenBack_AreNoMistake) {
  mutex plain;
  shared_mutex shared;
  condition_variable changed;

  const auto seen = reports_of([&]() -> task<> {
    const auto use_all = [&]() -> task<> {
      auto guard = co_await plain.lock();
      co_await yield();
      guard.unlock();
      const auto again = plain.try_lock();
      const auto writing = co_await shared.lock();
    };
    co_await gather(use_all(), use_all(), use_all());
    const auto wait_for_change = [&]() -> task<> {
      auto guard = co_await plain.lock();
      co_await changed.wait(guard);
    };
    auto waiter = spawn(wait_for_change);
    while (!changed.has_waiters()) co_await yield();
    changed.notify_all();
    co_await waiter;
    const auto unlock_by_hand = [&]() -> task<> {
      auto guard = co_await plain.lock();
      auto other = spawn([&]() -> task<> {
        guard.unlock();
        co_return;
      });
      co_await other;
    };
    co_await spawn(unlock_by_hand);
  });

  EXPECT_THAT(seen, ::testing::IsEmpty());
}

TEST_P(Debug, ExceptionNobodyRetrieves_IsReportedOnce) {
  const auto seen = reports_of([]() -> task<> {
    spawn([]() -> task<> {
      throw std::runtime_error("lost");
      co_return;
    }).detach();
    for (int i = 0; i < 10; ++i) co_await yield();
  });

  EXPECT_EQ(seen.size(), 1u);
  EXPECT_THAT(seen.front(), HasSubstr("never retrieved"));
}

void forget_a_task_outside() {
  [[maybe_unused]] const auto dropped = forgotten();
}

TEST(DebugEnvironment, Variable_TurnsItOn) {
  const auto in_a_child = [](const char* value) {
    ::setenv("WEFT_DEBUG", value, 1);  // NOLINT(concurrency-mt-unsafe): one thread
    forget_a_task_outside();
    weft::run(
        []() -> task<> {
          forget_a_task_outside();
          co_return;
        },
        {.workers = 1});
    std::_Exit(0);
  };

  constexpr const char* twice = "neither awaited nor spawned: .*\n.*neither awaited nor spawned: ";
  EXPECT_EXIT(in_a_child("1"), ::testing::ExitedWithCode(0), ::testing::ContainsRegex(twice));
  EXPECT_EXIT(in_a_child("0"), ::testing::ExitedWithCode(0), ::testing::StrEq(""));
  EXPECT_EXIT(in_a_child(""), ::testing::ExitedWithCode(0), ::testing::StrEq(""));
}

TEST(WithoutDebug, Mistakes_AreNotReported) {
  reports seen;
  runtime rt({.workers = 1});
  seen.listen_to(rt);

  rt.run([]() -> task<> {
    forget_a_task_outside();
    co_return;
  });

  EXPECT_THAT(seen.all(), ::testing::IsEmpty());
}

// ---- dump_tasks ---------------------------------------------------------------------------------

class Dump : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Dump, every_kind(), name_of);

std::vector<std::string> dump_lines() {
  std::stringstream text;
  dump_tasks(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}
/// The number of the line about the task of this name.
std::size_t line_of(const std::vector<std::string>& lines, const std::string& name) {
  std::size_t at = 0;
  while (at < lines.size() && lines[at].find(' ' + name + ' ') == std::string::npos) ++at;
  EXPECT_LT(at, lines.size()) << "no line about " << name;
  return at;
}
std::size_t indent_of(const std::string& line) {
  return line.find_first_not_of(' ');
}

task<> wait_inside(event& gate) {
  co_await gate.wait();
}
task<> wait_in_the_middle(event& gate) {
  co_await wait_inside(gate);
}
task<> wait_outside(event& gate) {
  co_await wait_in_the_middle(gate);
}

TEST_P(Dump, TaskThatWaits_IsFollowedByTheCoroutinesItWaitsIn) {
  run([]() -> task<> {
    event gate;
    auto waiting = spawn(wait_outside(gate), {.name = "waiting"});
    co_await until_waiting(waiting);

    const std::vector<std::string> lines = dump_lines();

    const std::size_t at = line_of(lines, "waiting");
    EXPECT_THAT(lines.at(at), HasSubstr("waiting suspended in event::wait()"));
    std::size_t deep = 0;
    while (at + deep + 1 < lines.size() && indent_of(lines[at + deep + 1]) == 4) ++deep;
    EXPECT_EQ(deep, 3u);
    const char* const names[] = {"wait_inside", "wait_in_the_middle", "wait_outside"};
    for (std::size_t i = 1; i <= deep; ++i) {
      EXPECT_THAT(lines[at + i],
                  AllOf(HasSubstr(names[i - 1]), ContainsRegex(R"(debug_test\.cpp:[0-9]+$)")));
    }
    gate.set();
    co_await waiting;
  });
}

TEST_P(Dump, RunningTask_HasNoChain) {
  run([]() -> task<> {
    const std::vector<std::string> lines = dump_lines();

    EXPECT_THAT(lines.front(), HasSubstr("main running"));
    EXPECT_EQ(lines.size(), 1u);
    co_return;
  });
}

task<> nest(event& gate, int depth) {
  if (depth > 1) {
    co_await nest(gate, depth - 1);
  } else {
    co_await gate.wait();
  }
}

TEST_P(Dump, VeryDeepChain_IsCutOff) {
  run([]() -> task<> {
    event gate;
    auto deep = spawn(nest(gate, 1000), {.name = "deep"});
    co_await until_waiting(deep);

    const std::vector<std::string> lines = dump_lines();

    EXPECT_EQ(lines.at(line_of(lines, "deep") + 65), "    and 936 more");
    gate.set();
    co_await deep;
  });
}

TEST_P(Dump, GeneratorThatWaits_IsPartOfTheChain) {
  run([]() -> task<> {
    event gate;
    const auto values = [](event& until) -> async_generator<int> {
      co_await wait_inside(until);
      co_yield 7;
    };
    const auto consume = [](async_generator<int> from) -> task<int> {
      co_return (co_await from.next()).value();
    };
    auto consumer = spawn(consume(values(gate)), {.name = "consumer"});
    co_await until_waiting(consumer);

    const std::vector<std::string> lines = dump_lines();

    const std::size_t at = line_of(lines, "consumer");
    std::size_t deep = 0;
    while (at + deep + 1 < lines.size() && indent_of(lines[at + deep + 1]) == 4) ++deep;
    EXPECT_EQ(deep, 3u);
    gate.set();
    EXPECT_EQ(co_await consumer, 7);
  });
}

TEST_P(Debug, DumpOfTasks_IsATreeOfWhoSpawnedWhom) {
  (void)reports_of([]() -> task<> {
    event gate;
    const auto parent = [](event& until) -> task<> {
      auto named = spawn(until.wait(), {.name = "named-child"});
      auto unnamed = spawn(wait_inside(until));
      co_await named;
      co_await unnamed;
    };
    auto above = spawn({.name = "parent"}, parent, std::ref(gate));
    co_await until_waiters(3);

    const std::vector<std::string> lines = dump_lines();
    const std::vector<task_info> tasks = all_tasks();

    const auto indent = [&](const char* name) { return indent_of(lines[line_of(lines, name)]); };
    EXPECT_EQ(indent("main"), 0u);
    EXPECT_EQ(indent("parent"), 2u);
    EXPECT_EQ(indent("named-child"), 4u);
    EXPECT_EQ(std::count_if(tasks.begin(), tasks.end(),
                            [&](const task_info& each) { return each.parent == above.id(); }),
              2);
    gate.set();
    co_await above;
  });
}

TEST_P(Debug, ChildrenOfAGather_KnowTheirParent) {
  (void)reports_of([]() -> task<> {
    event gate;
    auto above = spawn(
        [](event& until) -> task<> { co_await gather(wait_inside(until), wait_inside(until)); },
        std::ref(gate));
    co_await until_waiters(3);

    const std::vector<task_info> tasks = all_tasks();

    EXPECT_EQ(std::count_if(tasks.begin(), tasks.end(),
                            [&](const task_info& each) { return each.parent == above.id(); }),
              2);
    gate.set();
    co_await above;
  });
}

TEST_P(Dump, WithoutDebugMode_NobodyHasAParent) {
  run([]() -> task<> {
    auto child = spawn(yield());
    for (const task_info& each : all_tasks()) EXPECT_EQ(each.parent, 0u);
    co_await child;
  });
}

}  // namespace
}  // namespace weft::testing
