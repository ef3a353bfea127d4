#include "runtimes.h"
#include <weft/runtime/async_generator.h>
#include <weft/runtime/cancel.h>
#include <weft/runtime/detail/scheduler.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/stop_token.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/to_thread.h>
#include <weft/sync/event.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <latch>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <signal.h>
#include <unistd.h>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class Run : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Run, every_kind(), name_of);
class CallSoon : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, CallSoon, every_kind(), name_of);

/// Real runtimes, by their number of workers.
class Runtime : public ::testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Workers, Runtime, ::testing::Values(1, 4));

task<int> seven_after_a_yield() {
  co_await yield();
  co_return 7;
}
task<> sleep_an_hour() {
  co_await sleep(1h);
}

// ---- run ----------------------------------------------------------------------------------------

TEST_P(Runtime, Run_GivesTheValueOfMain) {
  EXPECT_EQ(weft::run(seven_after_a_yield(), {.workers = GetParam()}), 7);
}

TEST_P(Runtime, Run_RethrowsTheExceptionOfMain) {
  const auto fail = []() -> task<> {
    co_await yield();
    throw std::runtime_error("main");
  };

  EXPECT_THROW(weft::run(fail, {.workers = GetParam()}), std::runtime_error);
}

TEST_P(Run, RunInsideOfARuntime_IsRefusedBeforeAnythingStarts) {
  run([]() -> task<> {
    bool ran = false;
    const auto note = [&]() -> task<> {
      ran = true;
      co_return;
    };

    EXPECT_THROW(weft::run(note), std::logic_error);
    EXPECT_THROW(runtime::current().run(note), std::logic_error);

    EXPECT_FALSE(ran);
    co_return;
  });
}

TEST_P(Runtime, Run_TakesEveryForm) {
  const auto sum = [](int a, int b) -> task<int> { co_return a + b; };
  const runtime_options options{.workers = GetParam()};

  weft::run(yield(), options);
  const int with_options = weft::run(options, sum, 1, 2);
  const int with_arguments = weft::run(sum, 3, 4);
  runtime rt(options);
  rt.run(yield());
  const int of_runtime = rt.run(sum, 5, 6);

  EXPECT_EQ(with_options, 3);
  EXPECT_EQ(with_arguments, 7);
  EXPECT_EQ(of_runtime, 11);
}

TEST_P(Runtime, Spawn_TakesAnyAwaitable) {
  runtime rt({.workers = GetParam()});

  rt.run([&rt]() -> task<> {
    auto named = rt.spawn(yield(), {.name = "an awaitable"});
    EXPECT_EQ(named.name(), "an awaitable");
    co_await named;
  });
}

// ---- SIGINT -------------------------------------------------------------------------------------

// Each in a process of its own, which ends as the run says.
class Sigint : public ::testing::TestWithParam<std::size_t> {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  /// Runs a main that is interrupted when it has begun to wait; exits with what it gives.
  template <class F>
  static void run_interrupted(F main, runtime_options options = {}) {
    options.workers = GetParam();
    std::exit(weft::run(
        [&]() -> task<int> {
          const auto interrupt = call_later(10ms, [] { ::kill(::getpid(), SIGINT); });
          co_return co_await main();
        },
        options));
  }
};
INSTANTIATE_TEST_SUITE_P(Workers, Sigint, ::testing::Values(1, 4));

task<int> wait_and_give(int value) {
  co_await sleep(1h);
  co_return value;
}

TEST_P(Sigint, MainThatEndsCancelled_IsRaisedAgain) {
  EXPECT_EXIT(run_interrupted([] { return wait_and_give(1); }), ::testing::KilledBySignal(SIGINT),
              "");
}

TEST_P(Sigint, CleanUp_IsAwaitedBefore) {
  const auto main = []() -> task<int> {
    co_return co_await try_finally([] { return wait_and_give(1); },
                                   []() -> task<> {
                                     co_await sleep(1ms);
                                     std::cerr << "cleaned up" << std::endl;
                                   });
  };

  EXPECT_EXIT(run_interrupted(main), ::testing::KilledBySignal(SIGINT), "cleaned up");
}

TEST_P(Sigint, MainThatGoesOn_GivesItsValue) {
  const auto main = []() -> task<int> {
    try {
      co_await sleep(1h);
    } catch (const cancelled_error&) {
      co_return 5;
    }
    co_return 6;
  };

  EXPECT_EXIT(run_interrupted(main), ::testing::ExitedWithCode(5), "");
}

TEST_P(Sigint, MainThatSomebodyElseCancelledToo_IsNotRaisedAgain) {
  const auto main = []() -> task<int> {
    std::stop_source somebody_else;
    const cancel_on also(somebody_else.get_token());
    try {
      co_await sleep(1h);
    } catch (const cancelled_error&) {
      somebody_else.request_stop();
      throw;
    }
    co_return 6;
  };
  const auto run_main = [&] {
    try {
      run_interrupted(main);
    } catch (const cancelled_error&) {
      std::exit(5);
    }
  };

  EXPECT_EXIT(run_main(), ::testing::ExitedWithCode(5), "");
}

TEST_P(Sigint, SecondOne_EndsTheProcessAtOnce) {
  const auto main = []() -> task<int> {
    for (;;) {
      try {
        co_await sleep(1h);
      } catch (const cancelled_error&) {
        ::kill(::getpid(), SIGINT);
      }
    }
  };

  EXPECT_EXIT(run_interrupted(main), ::testing::KilledBySignal(SIGINT), "");
}

TEST_P(Sigint, HandlerOfTheProgram_IsLeftAlone) {
  static std::atomic<bool> seen{false};  // lock-free: a handler may set it
  const auto main = []() -> task<int> {
    while (!seen) co_await sleep(1ms);
    co_return 7;
  };

  EXPECT_EXIT(
      {
        std::signal(SIGINT, [](int) { seen = true; });
        run_interrupted(main);
      },
      ::testing::ExitedWithCode(7), "");
}

TEST_P(Sigint, NotHandled_HasItsDefaultEffect) {
  const auto main = []() -> task<int> {
    try {
      co_await sleep(1h);
    } catch (const cancelled_error&) {
      co_return 5;
    }
    co_return 6;
  };

  EXPECT_EXIT(run_interrupted(main, {.handle_sigint = false}), ::testing::KilledBySignal(SIGINT),
              "");
}

TEST_P(Sigint, MainThatComputes_IsCancelledAtItsNextSuspension) {
  const auto main = []() -> task<int> {
    for (;;) co_await yield();
  };

  EXPECT_EXIT(run_interrupted(main), ::testing::KilledBySignal(SIGINT), "");
}

TEST_P(Sigint, Disposition_IsTheOldOneAfterTheRun) {
  weft::run(yield(), {.workers = GetParam()});

  struct sigaction now = {};
  ::sigaction(SIGINT, nullptr, &now);

  EXPECT_EQ(now.sa_handler, SIG_DFL);
}

TEST(RuntimeRun, ManyMains_RunInSequenceOnOneRuntime) {
  for (const std::size_t workers : {1u, 4u}) {
    runtime rt({.workers = workers});
    for (int i = 0; i < 20; ++i) EXPECT_EQ(rt.run(seven_after_a_yield()), 7);
  }
}

TEST(RuntimeRun, SecondThread_IsRefusedWhileAnotherRunsTheOneWorker) {
  runtime rt({.workers = 1});
  event stop;
  std::atomic<bool> running{false};
  std::thread loop([&] {
    rt.run([&]() -> task<> {
      running = true;
      co_await stop.wait();
    });
  });
  while (!running) std::this_thread::yield();

  EXPECT_THROW(rt.run(seven_after_a_yield()), std::logic_error);

  stop.set();
  loop.join();
}

TEST(RuntimeOptions, TooManyWorkers_AreRefused) {
  EXPECT_THROW(const runtime rt({.workers = 65}), std::invalid_argument);
}

TEST(RuntimeCurrent, Current_OutsideOfARuntimeThrows) {
  EXPECT_THROW((void)runtime::current(), std::logic_error);
}

TEST(RuntimeCurrent, SeveralRuntimes_LiveSideBySide) {
  runtime one({.workers = 2});
  runtime two({.workers = 2});

  const auto which = []() -> task<runtime*> { co_return &runtime::current(); };

  EXPECT_EQ(one.run(which()), &one);
  EXPECT_EQ(two.run(which()), &two);
}

TEST(DeadlockReport, EachTask_IsNamedWithWhatItWaitsFor) {
  test_runtime rt;
  event never;
  const auto stuck = [&]() -> task<> {
    auto child = spawn(never.wait(), {.name = "the one in the way"});
    co_await child;
  };

  try {
    rt.run(stuck());
    ADD_FAILURE();
  } catch (const deadlock_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("main waits for a task"));
    EXPECT_THAT(error.what(), HasSubstr("the one in the way waits for event::wait()"));
  }
}

TEST(OneWorker, Everything_RunsOnTheThreadThatCallsRun) {
  const auto caller = std::this_thread::get_id();

  weft::run(
      [&]() -> task<> {
        auto child = spawn([&]() -> task<> {
          co_await sleep(100us);
          EXPECT_EQ(std::this_thread::get_id(), caller);
        });
        co_await child;
        EXPECT_EQ(std::this_thread::get_id(), caller);
      },
      {.workers = 1});
}

// ---- The end of a run ---------------------------------------------------------------------------

TEST_P(Run, LeftoverTasks_AreCancelledAndAwaited) {
  std::atomic<int> cleaned{0};

  run([&]() -> task<> {
    for (int i = 0; i < 10; ++i) {
      spawn([&]() -> task<> {
        co_await try_finally(sleep_an_hour, [&]() -> task<> {
          co_await yield();
          ++cleaned;
        });
      }).detach();
    }
    co_await until_waiters(10);
  });

  EXPECT_EQ(cleaned.load(), 10);
}

TEST_P(Runtime, RunWithTasksLeftOver_GivesTheOutcomeOfMain) {
  std::atomic<int> cancelled{0};
  const auto main = [&](bool fails) -> task<int> {
    auto left_over = co_await spawn_waiting([&]() -> task<> {
      try {
        co_await sleep(1h);
      } catch (const cancelled_error&) {
        ++cancelled;
        throw;
      }
    });
    if (fails) throw std::runtime_error("main");
    co_return 7;
  };
  const runtime_options options{.workers = GetParam()};

  EXPECT_EQ(weft::run(options, main, false), 7);
  EXPECT_THROW(weft::run(options, main, true), std::runtime_error);

  EXPECT_EQ(cancelled.load(), 2);
}

TEST_P(Run, TasksSpawnedByCleanUp_AreCancelledAndAwaitedToo) {
  std::atomic<int> ended{0};
  struct chain {
    static task<> link(std::atomic<int>& count, int left) {
      try {
        co_await sleep(1h);
      } catch (const cancelled_error&) {
        ++count;
        if (left > 0) {
          auto next = spawn(link(count, left - 1));
          next.detach();
        }
        throw;
      }
    }
  };

  run([&]() -> task<> {
    auto first = spawn(chain::link(ended, 3));
    co_await until_waiting(first);
  });

  EXPECT_GE(ended.load(), 1);
  EXPECT_EQ(take_ledger().tasks, 0);
}

TEST_P(Run, FailuresInTheSweep_GoToTheHandlerAndLeaveTheOutcome) {
  std::atomic<int> reports{0};

  run([&]() -> task<> {
    runtime::current().set_exception_handler([&](const exception_context&) { ++reports; });
    for (int i = 0; i < 3; ++i) {
      spawn([]() -> task<> {
        try {
          co_await sleep(1h);
        } catch (const cancelled_error&) {
          throw std::runtime_error("clean-up");
        }
      }).detach();
    }
    co_await until_waiters(3);
  });

  EXPECT_EQ(reports.load(), 3);
}

/// Calls on_close() when it is closed, after an await.
async_generator<int> note_close(std::function<void()> on_close) {
  bool closed = false;
  try {
    co_yield 1;
  } catch (const cancelled_error&) {
    closed = true;
  }
  if (!closed) co_return;
  co_await yield();
  on_close();
}

// The call waits for the generator: the run could not end if the pool were joined first.
TEST_P(Runtime, TearDown_EndsTasksThenGeneratorsThenBlockingCalls) {
  std::string log;  // by one after the other
  std::atomic<bool> begun{false};
  std::latch closed(1);
  auto numbers = note_close([&] {
    log += "generator ";
    closed.count_down();
  });
  const auto job = [&] {
    begun = true;
    closed.wait();
    log += "call ";
  };

  weft::run(
      [&]() -> task<> {
        auto abandoned = spawn(to_thread(abandon_on_cancel, job));
        while (!begun) co_await yield();
        abandoned.cancel();
        (void)co_await ending_of(abandoned);
        (void)co_await numbers.next();
        auto left_over = co_await spawn_waiting([&]() -> task<> {
          co_await try_finally(sleep_an_hour, [&]() -> task<> {
            co_await sleep(1ms);
            log += "task ";
          });
        });
      },
      {.workers = GetParam(), .shutdown_timeout = 10s});

  EXPECT_EQ(log, "task generator call ");
}

task<> swallow_for_ever() {
  for (;;) {
    try {
      co_await sleep(1h);
    } catch (const cancelled_error&) {  // swallowed on purpose
    }
  }
}
task<> yield_for_ever() {
  for (;;) {
    try {
      co_await yield();
    } catch (const cancelled_error&) {  // swallowed on purpose
    }
  }
}

/// What a shutdown says about a task that does not end.
std::string report_of_survivor(std::size_t workers, task<> (*survivor)()) {
  std::string told;
  std::mutex guard;
  runtime rt({.workers = workers});
  rt.set_exception_handler([&](const exception_context& context) {
    const std::lock_guard lock(guard);
    told += context.message;
  });
  auto child = rt.spawn(survivor(), {.name = "the stubborn one"});
  rt.run([]() -> task<> { co_await yield(); });

  EXPECT_FALSE(rt.shutdown(20ms));

  EXPECT_EQ(take_ledger().tasks, 0);
  return told;
}

TEST_P(Runtime, ShutdownTimeOut_NamesAndDestroysATaskThatSwallowsEveryRequest) {
  EXPECT_THAT(report_of_survivor(GetParam(), swallow_for_ever), HasSubstr("the stubborn one"));
}

TEST_P(Runtime, ShutdownTimeOut_NamesAndDestroysATaskThatNeverWaits) {
  EXPECT_THAT(report_of_survivor(GetParam(), yield_for_ever), HasSubstr("the stubborn one"));
}

task<> spawn_in_clean_up() {
  co_await try_finally(sleep_an_hour,
                       []() -> task<> { co_await spawn(swallow_for_ever(), {.name = "late"}); });
}

// It was begun after the shutdown had told all.
TEST_P(Runtime, ShutdownTimeOut_DestroysATaskThatWasBegunInACleanUp) {
  EXPECT_THAT(report_of_survivor(GetParam(), spawn_in_clean_up), HasSubstr("late"));
}

TEST_P(Runtime, RuntimeDestroyedWhileBusy_LeavesNothing) {
  auto token = std::make_shared<int>();
  {
    runtime rt({.workers = GetParam()});
    for (int i = 0; i < 100; ++i) {
      rt.spawn([](std::shared_ptr<int>) -> task<> {
          for (;;) co_await sleep(10us);
        }(token))
          .detach();
      rt.spawn([](std::shared_ptr<int>) -> task<> {
          for (;;) co_await yield();
        }(token))
          .detach();
    }
  }
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_EQ(take_ledger().tasks, 0);
}

TEST_P(Runtime, RuntimeDestroyedOnAnotherThread_LeavesNothing) {
  auto token = std::make_shared<int>();
  auto rt = std::make_unique<runtime>(runtime_options{.workers = GetParam()});
  for (int i = 0; i < 100; ++i) {
    rt->spawn([](std::shared_ptr<int>) -> task<> {
        for (;;) co_await sleep(10us);
      }(token))
        .detach();
  }
  rt->run([]() -> task<> { co_await sleep(100us); });

  std::thread([&] { rt.reset(); }).join();

  EXPECT_EQ(token.use_count(), 1);
  EXPECT_EQ(take_ledger().tasks, 0);
}

TEST_P(Runtime, Shutdown_OfAQuietRuntimeIsTrueAgainAndAgain) {
  runtime rt({.workers = GetParam()});

  EXPECT_TRUE(rt.shutdown(1s));
  EXPECT_TRUE(rt.shutdown(1s));
}

TEST_P(Runtime, ShutdownByAnotherThread_EndsWhatRuns) {
  runtime rt({.workers = GetParam()});
  std::atomic<bool> runs = false;
  std::thread other([&] {
    while (!runs) std::this_thread::yield();
    EXPECT_TRUE(rt.shutdown(10s));
  });

  EXPECT_THROW(rt.run([&]() -> task<> {
    runs = true;
    co_await sleep(1h);
  }),
               cancelled_error);

  other.join();
  EXPECT_EQ(rt.run(seven_after_a_yield()), 7);
}

// The limit ends while the loop of the one worker runs on another thread, and with timers of its
// own.
TEST_P(Runtime, ShutdownByAnotherThread_KeepsItsLimit) {
  runtime rt({.workers = GetParam()});
  rt.set_exception_handler([](const exception_context&) {});  // of survivors
  std::atomic<bool> runs = false;
  std::thread other([&] {
    while (!runs) std::this_thread::yield();
    EXPECT_FALSE(rt.shutdown(1ms));
  });

  EXPECT_THROW(rt.run([&]() -> task<> {
    runs = true;
    co_await swallow_for_ever();
  }),
               cancelled_error);

  other.join();
  rt.run([]() -> task<> { co_await sleep(2ms); });
}

TEST_P(Runtime, TwoShutdownsAtATime_BothAwaitWhatCleansUp) {
  runtime rt({.workers = GetParam()});
  std::atomic<bool> cleans_up = false;
  const auto cleaning = rt.spawn([&]() -> task<> {
    co_await try_finally(sleep_an_hour, [&]() -> task<> {
      cleans_up = true;
      co_await sleep(20ms);
    });
  });
  rt.run([]() -> task<> { co_await yield(); });
  std::thread other([&] {
    EXPECT_TRUE(rt.shutdown(10s));
    EXPECT_TRUE(cleaning.done());
  });
  while (!cleans_up) std::this_thread::yield();

  EXPECT_TRUE(rt.shutdown(10s));

  EXPECT_TRUE(cleaning.done());
  other.join();
}

// A task that blocks its worker outlives the limit; the next shutdown awaits it.
TEST_P(Runtime, ShutdownThatGaveUp_IsFollowedByOneThatWaits) {
  runtime rt({.workers = GetParam()});
  rt.set_exception_handler([](const exception_context&) {});  // of survivors
  std::atomic<bool> blocks = false;
  std::atomic<bool> ended = false;
  std::atomic<bool> over = false;
  std::thread running([&] {
    rt.run([&]() -> task<> {
      blocks = true;
      while (!over) std::this_thread::yield();
      ended = true;
      co_return;
    });
  });
  while (!blocks) std::this_thread::yield();

  EXPECT_FALSE(rt.shutdown(1ms));
  EXPECT_FALSE(ended);
  over = true;
  EXPECT_TRUE(rt.shutdown(10s));

  EXPECT_TRUE(ended);
  running.join();
}

TEST_P(Runtime, Shutdown_LeavesARuntimeThatTakesTasks) {
  runtime rt({.workers = GetParam()});
  auto before = rt.spawn([]() -> task<> { co_await sleep(24h); });
  EXPECT_TRUE(rt.shutdown(10s));
  auto after = rt.spawn([]() -> task<int> {
    co_await yield();
    co_return 7;
  });

  const int value = rt.run([&]() -> task<int> { co_return co_await after; });

  EXPECT_TRUE(before.cancelled());
  EXPECT_EQ(value, 7);
}

TEST_P(Run, ShutdownOnAWorker_IsRefused) {
  run([]() -> task<> {
    EXPECT_THROW(runtime::current().shutdown(1s), std::logic_error);
    co_return;
  });
}

// ---- Callbacks ----------------------------------------------------------------------------------

TEST_P(CallSoon, Callbacks_RunOnceInTheOrderOfTheCalls) {
  run([]() -> task<> {
    std::mutex guard;
    std::string log;
    event last;
    for (const char name : {'a', 'b', 'c', 'd'}) {
      call_soon([&, name] {
        const std::lock_guard lock(guard);
        log += name;
        if (log.size() == 4) last.set();
      });
    }

    co_await last.wait();

    EXPECT_EQ(log, "abcd");
  });
}

TEST_P(CallSoon, CallbackIsNeverRun_OnTheCallersStack) {
  run([]() -> task<> {
    event called;
    std::mutex guard;
    {
      const std::lock_guard lock(guard);
      call_soon([&] {
        const std::lock_guard inner(guard);
        called.set();
      });
    }
    co_await called.wait();
  });
}

TEST_P(CallSoon, Callback_IsATaskOfItsOwn) {
  run([]() -> task<> {
    event called;
    task_id inside = 0;
    call_soon([&] {
      inside = this_task::id();
      called.set();
    });

    co_await called.wait();

    EXPECT_NE(inside, 0u);
    EXPECT_NE(inside, this_task::id());
  });
}

TEST_P(CallSoon, FailureOfACallback_IsReportedAndTheRuntimeGoesOn) {
  std::atomic<int> reports{0};
  run([&]() -> task<> {
    runtime::current().set_exception_handler([&](const exception_context& context) {
      EXPECT_NE(context.exception, nullptr);
      ++reports;
    });
    call_soon([] { throw std::runtime_error("callback"); });
    while (reports == 0) co_await yield();
  });
  EXPECT_EQ(reports.load(), 1);
}

TEST_P(CallSoon, Later_NeverComesEarly) {
  run([]() -> task<> {
    const auto begin = now();
    clock::time_point called_at;
    event called;

    call_later(1ms, [&] {
      called_at = now();
      called.set();
    });
    co_await called.wait();

    EXPECT_GE(called_at - begin, 1ms);
  });
}

TEST_P(CallSoon, LaterThanThePast_ComesSoon) {
  run([]() -> task<> {
    event called;
    call_at(now() - 1h, [&] { called.set(); });

    co_await called.wait();
  });
}

TEST_P(CallSoon, CancelledTimer_NeverCalls) {
  run([]() -> task<> {
    std::atomic<bool> called{false};
    auto timer = call_later(500us, [&] { called = true; });

    const bool won = timer.cancel();
    co_await sleep(1ms);

    EXPECT_TRUE(won);
    EXPECT_FALSE(called);
    timer.cancel();  // harmless
  });
}

TEST_P(CallSoon, CancelOfATimerThatHasCalled_IsFalse) {
  run([]() -> task<> {
    event called;
    auto timer = call_later(10us, [&] { called.set(); });
    co_await called.wait();

    EXPECT_FALSE(timer.cancel());
  });
}

TEST_P(CallSoon, CancelledTimers_CostNoMemory) {
  run([]() -> task<> {
    for (int round = 0; round < 20; ++round) {
      std::vector<timer_handle> timers;
      for (int i = 0; i < 100; ++i) timers.push_back(call_later(std::chrono::hours(1 + i), [] {}));
      co_await yield();

      for (auto& each : timers) EXPECT_TRUE(each.cancel());

      while (all_tasks().size() > 1) co_await yield();
      EXPECT_EQ(take_ledger().timers, 0);
    }
  });
}

TEST_P(CallSoon, DroppedTimer_StillCalls) {
  run([]() -> task<> {
    event called;
    {
      auto dropped = call_later(10us, [&] { called.set(); });
    }

    co_await called.wait();
  });
}

TEST(CallSoonOutside, Callbacks_OutsideOfARuntimeThrow) {
  EXPECT_THROW(call_soon([] {}), std::logic_error);
  EXPECT_THROW(call_later(1ms, [] {}), std::logic_error);
  EXPECT_THROW(call_at(clock::time_point(), [] {}), std::logic_error);
}

TEST(CallSoonOutside, CallsOfForeignThreads_AllRunInTheOrderOfEach) {
  runtime rt({.workers = 1});
  std::vector<int> order;
  event last;
  std::thread caller;
  rt.run([&]() -> task<> {
    caller = std::thread([&] {
      for (int i = 0; i < 500; ++i) {
        rt.call_soon([&, i] {
          order.push_back(i);
          if (i == 499) last.set();
        });
      }
    });
    co_await last.wait();
  });
  caller.join();

  EXPECT_EQ(order.size(), 500u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(CallSoonStress, CancelThatMeetsTheCall_HasOneWinner) {
  std::mt19937_64 random(stress_seed());
  constexpr std::size_t rounds = 500;
  std::vector<std::atomic<int>> calls(rounds);
  std::vector<int> expected(rounds);
  runtime rt({.workers = 4});

  for (std::size_t i = 0; i < rounds; ++i) {
    auto timer =
        rt.call_later(std::chrono::microseconds(random() % 100), [&calls, i] { ++calls[i]; });
    const auto until = clock::now() + std::chrono::microseconds(random() % 200);
    while (clock::now() < until) std::this_thread::yield();
    expected[i] = timer.cancel() ? 0 : 1;
  }
  rt.shutdown(10s);

  for (std::size_t i = 0; i < rounds; ++i) EXPECT_EQ(calls[i], expected[i]) << "round " << i;
}

// ---- The exception handler ----------------------------------------------------------------------

TEST(ExceptionHandler, HandlerThatThrows_DoesNotTakeTheRuntimeDown) {
  runtime rt({.workers = 2});
  std::atomic<int> calls{0};
  rt.set_exception_handler([&](const exception_context&) {
    ++calls;
    throw std::logic_error("handler");
  });

  rt.call_soon([] { throw std::runtime_error("callback"); });
  while (calls == 0) std::this_thread::yield();

  EXPECT_EQ(rt.run(seven_after_a_yield()), 7);
}

// What it destroys may have something to report as well.
TEST(ExceptionHandler, ReportFromInside_IsPrintedNotHandled) {
  runtime rt({.workers = 2});
  std::optional<join_handle<>> failed = rt.spawn([]() -> task<> {
    throw std::runtime_error("nobody asks");
    co_return;
  });
  while (!failed->done()) std::this_thread::yield();
  std::atomic<int> calls{0};
  rt.set_exception_handler([&](const exception_context&) {
    ++calls;
    failed.reset();
  });

  ::testing::internal::CaptureStderr();
  rt.call_soon([] { throw std::runtime_error("callback"); });
  while (calls == 0) std::this_thread::yield();
  rt.shutdown(10s);

  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("nobody asks"));
  EXPECT_EQ(calls, 1);
}

TEST(ExceptionHandler, HandlerThatReplacesItself_LivesUntilItReturns) {
  runtime rt({.workers = 2});
  std::atomic<int> calls{0};
  auto token = std::make_shared<int>(7);
  rt.set_exception_handler([&, token](const exception_context&) {
    rt.set_exception_handler([&](const exception_context&) { calls += 10; });
    calls += *token == 7 ? 1 : 100;
  });
  token.reset();

  rt.call_soon([] { throw std::runtime_error("callback"); });
  while (calls < 1) std::this_thread::yield();
  rt.call_soon([] { throw std::runtime_error("callback"); });
  while (calls < 11) std::this_thread::yield();

  EXPECT_EQ(calls, 11);
}

TEST(ExceptionHandler, Calls_AreSerialised) {
  runtime rt({.workers = 4});
  std::atomic<int> inside{0};
  std::atomic<int> calls{0};
  rt.set_exception_handler([&](const exception_context&) {
    EXPECT_EQ(++inside, 1);
    --inside;
    ++calls;
  });

  for (int i = 0; i < 200; ++i) rt.call_soon([] { throw std::runtime_error("callback"); });
  while (calls < 200) std::this_thread::yield();
}

// ---- A busy worker ------------------------------------------------------------------------------
// These end only if others run while one worker computes: no time is measured.

TEST(BusyWorker, TaskItHasSpawned_RunsElsewhere) {
  runtime rt({.workers = 2});
  while (rt.metrics().parks < 2) std::this_thread::yield();

  for (int round = 0; round < 50; ++round) {
    auto busy = rt.spawn([]() -> task<> {
      std::atomic<bool> other_ran{false};
      auto other = spawn([&]() -> task<> {
        other_ran = true;
        co_return;
      });
      while (!other_ran) std::this_thread::yield();
      co_await other;
    });
    busy.get();
  }
}

TEST(BusyWorker, TimersItHasArmed_FireElsewhere) {
  weft::run(
      []() -> task<> {
        std::atomic<bool> woken{false};
        auto sleeper = co_await spawn_waiting([&]() -> task<> {
          co_await sleep(1ms);
          woken = true;
        });
        while (!woken) std::this_thread::yield();
        co_await sleeper;
      },
      {.workers = 2});
}

TEST(BusyWorker, TasksOfForeignThreads_RunElsewhere) {
  runtime rt({.workers = 2});
  for (int round = 0; round < 50; ++round) {
    std::atomic<bool> second_ran{false};
    std::atomic<bool> first_runs{false};
    auto first = rt.spawn([&]() -> task<> {
      first_runs = true;
      while (!second_ran) std::this_thread::yield();
      co_return;
    });
    while (!first_runs) std::this_thread::yield();
    auto second = rt.spawn([&]() -> task<> {
      second_ran = true;
      co_return;
    });
    first.get();
    second.get();
  }
}

/// Runs `stuck` on one of two workers while a task that only yields keeps the other one awake: it
/// never sleeps, so nobody watches by profession.
template <class Stuck>
void run_beside_a_yielding_worker(Stuck stuck) {
  weft::run(
      [](Stuck body) -> task<> {
        std::atomic<bool> over{false};
        auto yielding = spawn([&]() -> task<> {
          while (!over) co_await yield();
        });
        co_await body();
        over = true;
        co_await yielding;
      }(std::move(stuck)),
      {.workers = 2});
}

TEST(BusyWorker, TasksItHasSpawned_RunOnAWorkerThatIsBusyToo) {
  run_beside_a_yielding_worker([]() -> task<> {
    std::atomic<int> others_ran{0};
    std::vector<join_handle<>> others;
    for (int i = 0; i < 100; ++i) {
      others.push_back(spawn([&]() -> task<> {
        ++others_ran;
        co_return;
      }));
    }
    while (others_ran < 100) std::this_thread::yield();
    for (auto& other : others) co_await other;
  });
}

TEST(BusyWorker, TimersItHasArmed_FireOnAWorkerThatIsBusyToo) {
  run_beside_a_yielding_worker([]() -> task<> {
    std::atomic<bool> woken{false};
    auto sleeper = co_await spawn_waiting([&]() -> task<> {
      co_await sleep(1ms);
      woken = true;
    });
    while (!woken) std::this_thread::yield();
    co_await sleeper;
  });
}

/// Two workers. One runs `busy`, pinned, which calls `told_to_search` in the middle of a step:
/// there the other one tells this worker to search for work, as it would if it were asleep.
class told_to_search {
 public:
  ~told_to_search() { core_.shutdown(10s); }
  told_to_search() = default;
  told_to_search(const told_to_search&) = delete;
  told_to_search& operator=(const told_to_search&) = delete;

  template <class F>
  void run(F busy) {
    auto starter = start([](F body) -> task<> {
      auto pinned = spawn_local(std::move(body));
      co_await pinned;
    }(std::move(busy)));
    while (worker_ == nullptr) std::this_thread::yield();
    auto other = start([](told_to_search& self) -> task<> {
      self.core_.idle().fall_asleep(self.worker_.load()->index());
      detail::worker::current()->offer_forks();
      self.on_marked_();
      self.marked_ = true;
      while (!self.ended_) std::this_thread::yield();
      co_return;
    }(*this));
    starter.get();
    other.get();
  }
  /// Returns when the calling worker has been told; `also` runs on the other one just before.
  void operator()(std::function<void()> also = [] {}) {
    on_marked_ = std::move(also);
    worker_ = detail::worker::current();
    while (!marked_) std::this_thread::yield();
  }
  /// What the test is about: while it is true, nobody else is woken.
  bool somebody_searches() {
    const bool answer = core_.idle().anyone_searching();
    ended_ = true;
    return answer;
  }

 private:
  join_handle<> start(task<> body) {
    return detail::spawn_task(core_, std::move(body), spawn_options{}, 0);
  }

  detail::scheduler core_{{.workers = 2}};
  std::function<void()> on_marked_;
  std::atomic<detail::worker*> worker_{nullptr};
  std::atomic<bool> marked_{false};
  std::atomic<bool> ended_{false};
};

TEST(BusyWorker, WorkerToldToSearchThatFindsWorkInItsInbox_LetsOthersBeWoken) {
  told_to_search told;
  bool searching = true;

  told.run([&]() -> task<> {
    event gate;
    auto waiting = spawn_local([&]() -> task<> {
      co_await gate.wait();
      searching = told.somebody_searches();
    });
    co_await until_waiting(waiting);
    told([&] { gate.set(); });
    co_await waiting;
  });

  EXPECT_FALSE(searching);
}

TEST(BusyWorker, WorkerToldToSearchThatIsAtWorkAlready_LetsOthersBeWokenSoon) {
  constexpr int more_than_a_batch = 3000;
  told_to_search told;
  bool searching = true;

  told.run([&]() -> task<> {
    told();
    for (int i = 0; i < more_than_a_batch; ++i) co_await yield();
    searching = told.somebody_searches();
  });

  EXPECT_FALSE(searching);
}

TEST(BusyWorker, TaskThatOnlyYields_DoesNotStarveTimers) {
  weft::run(
      []() -> task<> {
        std::atomic<bool> woken{false};
        auto sleeper = spawn([&]() -> task<> {
          co_await sleep(1ms);
          woken = true;
        });
        while (!woken) co_await yield();
        co_await sleeper;
      },
      {.workers = 1});
}

TEST(BusyWorker, CallbackThatReschedulesItself_DoesNotStarveTimers) {
  weft::run(
      []() -> task<> {
        struct again {
          std::shared_ptr<std::atomic<bool>> stop;
          void operator()() const {
            if (!*stop) call_soon(again(*this));
          }
        };
        auto stop = std::make_shared<std::atomic<bool>>(false);
        call_soon(again{stop});

        co_await sleep(1ms);

        *stop = true;
      },
      {.workers = 1});
}

// ---- Lost wake-ups ------------------------------------------------------------------------------

/// Spins a little, so that two threads meet at all possible moments.
void spin(std::uint64_t turns) {
  for (std::atomic<std::uint64_t> i{0}; i < turns; ++i) {
  }
}

task<> sleep_in_a_group() {
  co_await with_task_group([](task_group& group) { group.spawn(sleep(1h)); });
}
task<> yield_in_a_group() {
  co_await with_task_group([](task_group& group) {
    group.spawn([]() -> task<> {
      for (;;) co_await yield();
    });
  });
}

/// How many parents whose children a shutdown cancels go on as if these were done, because they are
/// told of it themselves a moment later.
int parents_that_go_on(int rounds, int parents, task<> (*wait_for_a_child)()) {
  std::atomic<int> went_on{0};
  for (int round = 0; round < rounds; ++round) {
    runtime rt({.workers = 4});
    rt.run(sleep(1ns));  // so that children lie in front of their parents, and are told first
    std::vector<join_handle<>> running;
    for (int i = 0; i < parents; ++i) {
      running.push_back(rt.spawn([&]() -> task<> {
        co_await wait_for_a_child();
        ++went_on;
      }));
    }
    rt.run([&]() -> task<> { co_await until_waiters(parents); });

    if (!rt.shutdown(10s)) return 255;
  }
  return went_on;
}

/// In a process of its own: shutdowns walk over all blocks that a process has ever had, and those of
/// the other tests would become slow.
class ManyTasksDeathTest : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

[[noreturn]] void exit_with_code(int code) {
  std::_Exit(std::min(code, 255));
}

TEST_F(ManyTasksDeathTest, ParentOfASleepingChild_DoesNotGoOnAfterAShutdown) {
  EXPECT_EXIT(exit_with_code(parents_that_go_on(5, 2000, sleep_in_a_group)),
              ::testing::ExitedWithCode(0), "");
}

TEST_F(ManyTasksDeathTest, ParentOfARunningChild_DoesNotGoOnAfterAShutdown) {
  EXPECT_EXIT(exit_with_code(parents_that_go_on(20, 1000, yield_in_a_group)),
              ::testing::ExitedWithCode(0), "");
}

// That no task is left is seen in counters that order nothing; shutdown() has to.
TEST(RuntimeStress, ShutdownThatFindsNoTask_HasSeenWhatTheyDid) {
  for (int round = 0; round < 100; ++round) {
    runtime rt({.workers = 2});
    int written = 0;
    rt.spawn([&]() -> task<> {
        for (int i = 0; i < 20; ++i) co_await yield();
        written = 7;
      }).detach();
    while (rt.metrics().tasks_alive > 0) std::this_thread::yield();

    EXPECT_TRUE(rt.shutdown(1s));

    EXPECT_EQ(written, 7);
  }
}

// Each task of a foreign thread is swept by one shutdown or another, and none is dropped.
TEST(RuntimeStress, SpawnsThatMeetAShutdown_AllEnd) {
  for (const std::size_t workers : {1u, 4u}) {
    runtime rt({.workers = workers});
    std::atomic<int> spawning{3};
    std::vector<std::vector<join_handle<>>> spawned(3);
    std::vector<std::thread> spawners;
    for (auto& mine : spawned) {
      spawners.emplace_back([&] {
        for (int i = 0; i < 500; ++i) mine.push_back(rt.spawn(sleep_an_hour()));
        --spawning;
      });
    }

    while (spawning > 0) EXPECT_TRUE(rt.shutdown(10s));
    for (std::thread& each : spawners) each.join();
    EXPECT_TRUE(rt.shutdown(10s));

    for (const auto& by_one : spawned) {
      for (const auto& each : by_one) EXPECT_TRUE(each.cancelled());
    }
    EXPECT_EQ(take_ledger().tasks, 0);
  }
}

TEST(WakeUpStress, WakeOfAForeignThread_IsNeverLost) {
  std::mt19937_64 random(stress_seed());
  for (const std::size_t workers : {1u, 2u, 4u}) {
    constexpr int rounds = 2000;
    std::vector<event> gates(rounds);
    std::atomic<int> arrived{0};
    std::vector<std::uint64_t> delays(rounds);
    for (auto& each : delays) each = random() % 3000;
    std::thread waker([&] {
      for (int i = 0; i < rounds; ++i) {
        while (arrived < i) std::this_thread::yield();
        spin(delays[static_cast<std::size_t>(i)]);
        gates[static_cast<std::size_t>(i)].set();
      }
    });

    weft::run(
        [&]() -> task<> {
          for (int i = 0; i < rounds; ++i) {
            arrived = i;
            co_await gates[static_cast<std::size_t>(i)].wait();
          }
        },
        {.workers = workers});

    waker.join();
    EXPECT_EQ(arrived.load(), rounds - 1);
  }
}

TEST(WakeUpStress, PinnedTaskOfAWorkerThatComputes_IsNeverForgotten) {
  std::mt19937_64 random(stress_seed());
  runtime rt({.workers = 2});
  for (int round = 0; round < 100; ++round) {
    event gate;
    std::atomic<bool> waits{false};
    auto pinned = rt.spawn([&]() -> task<> {
      auto child = spawn_local([&]() -> task<> {
        waits = true;
        co_await gate.wait();
      });
      co_await child;
    });
    while (!waits) std::this_thread::yield();
    auto computing = rt.spawn([turns = random() % 200'000]() -> task<> {
      spin(turns);
      co_return;
    });
    spin(random() % 200'000);
    gate.set();
    pinned.get();
    computing.get();
  }
}

TEST(WakeUpStress, TasksThatWakeEachOther_AllEnd) {
  std::mt19937_64 random(stress_seed());
  weft::run(
      [&]() -> task<> {
        constexpr std::size_t count = 50;
        constexpr int rounds = 100;
        std::vector<event> gates(count * rounds);
        std::vector<join_handle<>> tasks;
        for (std::size_t i = 0; i < count; ++i) {
          tasks.push_back(spawn([&gates, i, choice = random()]() -> task<> {
            for (std::size_t round = 0; round < rounds; ++round) {
              gates[round * count + (i + choice % count) % count].set();
              gates[round * count + i].set();
              co_await gates[round * count + (i + 1) % count].wait();
            }
          }));
        }
        for (auto& each : tasks) co_await each;
      },
      {.workers = 4});
}

}  // namespace
}  // namespace weft::testing
