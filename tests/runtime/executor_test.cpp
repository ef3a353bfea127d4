#include "runtimes.h"
#include <weft/runtime/detail/sys.h>
#include <weft/runtime/executor.h>
#include <weft/runtime/fork.h>
#include <weft/runtime/gather.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/test_runtime.h>
#include <weft/runtime/timeout.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <latch>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>
#include <signal.h>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::SizeIs;

class RunInExecutor : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, RunInExecutor, every_kind(), name_of);
class ResumeOn : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, ResumeOn, every_kind(), name_of);
class BlockInPlace : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, BlockInPlace, every_kind(), name_of);

/// Keeps the one thread of a pool busy until it is opened.
class gate {
 public:
  void pass() {
    begun_.count_down();
    open_.wait();
  }
  void open() { open_.count_down(); }
  void wait_until_begun() { begun_.wait(); }
  task<> begun() {
    while (!begun_.try_wait()) co_await yield();
  }

 private:
  std::latch begun_{1};
  std::latch open_{1};
};

void wait_for_stop(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait(lock, stop, [] { return false; });
}

/// Runs what it was given when the test says so, on the thread of the test; cannot take anything
/// back.
class manual_executor : public executor {
 public:
  /// Any thread.
  void run_all() {
    for (;;) {
      std::pair<void (*)(void*), void*> job;
      {
        const std::lock_guard lock(mutex_);
        if (jobs_.empty()) return;
        job = jobs_.front();
        jobs_.erase(jobs_.begin());
      }
      job.first(job.second);
    }
  }
  bool refuse = false;

 private:
  void post(void (*run)(void*), void* job) override {
    if (refuse) throw queue_full();
    const std::lock_guard lock(mutex_);
    jobs_.emplace_back(run, job);
  }

  std::mutex mutex_;
  std::vector<std::pair<void (*)(void*), void*>> jobs_;
};

/// Runs each job at once, inside post().
class inline_executor : public executor {
  void post(void (*run)(void*), void* job) override { run(job); }
};

task<int> fib(int n) {
  if (n < 2) co_return n;
  auto left = fork(fib(n - 1));
  const int right = co_await fib(n - 2);
  const int sum = co_await left;
  co_return sum + right;
}

// ---- thread_pool_executor -----------------------------------------------------------------------

TEST(ThreadPoolExecutor, Submit_GivesTheValue) {
  thread_pool_executor pool(2);

  auto outcome = pool.submit([] { return 7; });

  EXPECT_EQ(outcome.get(), 7);
}

TEST(ThreadPoolExecutor, Submit_GivesTheException) {
  thread_pool_executor pool(1);

  auto outcome = pool.submit([] { throw std::runtime_error("failed"); });

  EXPECT_THROW(outcome.get(), std::runtime_error);
}

TEST(ThreadPoolExecutor, MoveOnlyCallableAndResult_Work) {
  thread_pool_executor pool(1);

  auto outcome = pool.submit([in = std::make_unique<int>(7)]() mutable { return std::move(in); });

  EXPECT_EQ(*outcome.get(), 7);
}

TEST(ThreadPoolExecutor, AllThreads_WorkAtOnce) {
  thread_pool_executor pool(3);
  std::latch together(3);
  std::vector<future<>> jobs;

  for (int i = 0; i < 3; ++i) {
    jobs.push_back(pool.submit([&together] { together.arrive_and_wait(); }));
  }

  for (auto& each : jobs) each.get();
  EXPECT_EQ(pool.threads(), 3U);
}

TEST(ThreadPoolExecutor, OneThread_KeepsTheOrder) {
  std::string log;
  {
    thread_pool_executor pool(1);
    for (const char name : {'a', 'b', 'c', 'd'}) {
      auto dropped = pool.submit([&log, name] { log += name; });
    }
  }
  EXPECT_EQ(log, "abcd");
}

TEST(ThreadPoolExecutor, Destructor_RunsWhatIsQueued) {
  std::atomic<int> ran = 0;
  {
    thread_pool_executor pool(2);
    for (int i = 0; i < 100; ++i) auto dropped = pool.submit([&ran] { ++ran; });
  }
  EXPECT_EQ(ran, 100);
}

TEST(ThreadPoolExecutor, FullQueue_RefusesSubmit) {
  gate job;
  thread_pool_executor pool(1, {.queue_limit = 2});
  auto running = pool.submit([&job] { job.pass(); });
  job.wait_until_begun();
  auto first = pool.submit([] { return 1; });
  auto second = pool.submit([] { return 2; });

  EXPECT_EQ(pool.queued_approx(), 2U);
  EXPECT_THROW((void)pool.submit([] { return 3; }), queue_full);

  job.open();
  EXPECT_EQ(second.get(), 2);
  EXPECT_EQ(first.get(), 1);
}

TEST(ThreadPoolExecutor, CancelledFuture_KeepsItsJobFromRunning) {
  std::atomic<bool> ran = false;
  {
    gate job;
    thread_pool_executor pool(1);
    auto running = pool.submit([&job] { job.pass(); });
    job.wait_until_begun();
    auto queued = pool.submit([&ran] { ran = true; });

    EXPECT_TRUE(queued.cancel());
    job.open();
  }
  EXPECT_FALSE(ran);
}

TEST(ThreadPoolExecutor, CancelledFutureOfARunningJob_DropsItsOutcome) {
  gate job;
  thread_pool_executor pool(1);
  auto running = pool.submit([&job] {
    job.pass();
    return 1;
  });
  job.wait_until_begun();

  EXPECT_TRUE(running.cancel());
  job.open();

  EXPECT_THROW((void)running.get(), cancelled_error);
}

TEST(ThreadPoolExecutor, Jobs_MaySubmitMore) {
  thread_pool_executor pool(1);
  auto outer = pool.submit([&pool] { return pool.submit([] { return 7; }); });

  auto inner = outer.get();

  EXPECT_EQ(inner.get(), 7);
}

TEST(ThreadPoolExecutor, ZeroThreads_AreRefused) {
  EXPECT_THROW(thread_pool_executor(0), std::invalid_argument);
}

std::atomic<int> threads_allowed = 0;
int few_threads(detail::sys::call which, int) noexcept {
  return which == detail::sys::call::thread_start && threads_allowed-- <= 0 ? EAGAIN : 0;
}

TEST(ThreadPoolExecutor, ThreadsThatCannotStart_AreASystemError) {
  threads_allowed = 2;
  detail::sys::interposer = few_threads;

  EXPECT_THROW(thread_pool_executor(3), std::system_error);

  detail::sys::interposer = nullptr;
}

TEST(ThreadPoolExecutor, Threads_TakeNoSignals) {
  thread_pool_executor pool(1);

  auto blocked = pool.submit([] {
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    return sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGINT) == 1;
  });

  EXPECT_TRUE(blocked.get());
  sigset_t mine;
  pthread_sigmask(SIG_BLOCK, nullptr, &mine);
  EXPECT_EQ(sigismember(&mine, SIGTERM), 0);
}

TEST(ThreadPoolExecutor, DestroyedOnItsOwnThread_LeavesThatThreadToEnd) {
  auto pool = std::make_unique<thread_pool_executor>(1);
  gate job;
  auto& submitting = *pool;

  auto last = submitting.submit([&job, mine = std::move(pool)]() mutable {
    job.pass();
    mine.reset();
    return 7;
  });
  job.open();

  EXPECT_EQ(last.get(), 7);
}

TEST(ThreadPoolExecutor, ManySubmitters_LoseNothing) {
  std::atomic<int> ran = 0;
  {
    thread_pool_executor pool(2);
    std::vector<std::jthread> submitters;
    for (int i = 0; i < 4; ++i) {
      submitters.emplace_back([&pool, &ran] {
        for (int k = 0; k < 500; ++k) auto dropped = pool.submit([&ran] { ++ran; });
      });
    }
  }
  EXPECT_EQ(ran, 2000);
}

// ---- run_in_executor ----------------------------------------------------------------------------

TEST_P(RunInExecutor, Function_RunsThereAndTheTaskResumesHere) {
  run([]() -> task<> {
    thread_pool_executor pool(1);
    auto known = pool.submit([] { return std::this_thread::get_id(); });
    const std::thread::id there = co_await known;

    const std::thread::id ran_on =
        co_await run_in_executor(pool, [] { return std::this_thread::get_id(); });

    EXPECT_EQ(ran_on, there);
    EXPECT_NE(std::this_thread::get_id(), there);
    EXPECT_NO_THROW((void)runtime::current());
  });
}

TEST_P(RunInExecutor, Exception_ComesBack) {
  run([]() -> task<> {
    thread_pool_executor pool(1);

    const auto got =
        co_await catch_all(run_in_executor(pool, [] { throw std::runtime_error("failed"); }));

    EXPECT_TRUE(got.threw<std::runtime_error>());
  });
}

TEST_P(RunInExecutor, ArgumentsAndResult_AreMoved) {
  run([]() -> task<> {
    thread_pool_executor pool(1);
    auto twice = [](std::unique_ptr<int> in) { return std::make_unique<int>(*in * 2); };

    const std::unique_ptr<int> out =
        co_await run_in_executor(pool, twice, std::make_unique<int>(21));

    EXPECT_EQ(*out, 42);
  });
}

TEST_P(RunInExecutor, TasksBeyondTheLimit_WaitTheirTurn) {
  run([]() -> task<> {
    thread_pool_executor pool(1, {.queue_limit = 1});
    std::atomic<int> ran = 0;
    std::vector<join_handle<>> jobs;
    for (int i = 0; i < 50; ++i) jobs.push_back(spawn(run_in_executor(pool, [&ran] { ++ran; })));

    for (auto& each : jobs) co_await each;

    EXPECT_EQ(ran, 50);
  });
}

TEST_P(RunInExecutor, CancelledBeforeItStarts_NeverRuns) {
  run([]() -> task<> {
    gate job;
    thread_pool_executor pool(1);
    auto blocker = spawn(run_in_executor(pool, [&job] { job.pass(); }));
    co_await job.begun();
    std::atomic<bool> ran = false;
    auto queued = spawn(run_in_executor(pool, [&ran] { ran = true; }));
    co_await until_waiting(queued);

    queued.cancel();
    const ending end = co_await end_of(queued);
    job.open();
    co_await blocker;

    EXPECT_EQ(end, ending::cancelled);
    EXPECT_FALSE(ran);
  });
}

TEST_P(RunInExecutor, CancelledWhileItRuns_StopIsRequestedAndItsEndAwaited) {
  run([]() -> task<> {
    thread_pool_executor pool(1);
    std::latch begun(1);
    auto child = spawn([&]() -> task<int> {
      const int value = co_await run_in_executor(pool, [&begun](const std::stop_token& stop) {
        begun.count_down();
        wait_for_stop(stop);
        return 7;
      });
      EXPECT_EQ(this_task::cancelling(), 1);
      co_return value;
    });
    while (!begun.try_wait()) co_await yield();

    child.cancel();

    const int value = co_await child;
    EXPECT_EQ(value, 7);
  });
}

TEST_P(RunInExecutor, ExecutorThatTakesNothingBack_SkipsWhatWasCancelled) {
  run([]() -> task<> {
    manual_executor manual;
    std::atomic<bool> ran = false;
    auto queued = spawn(run_in_executor(manual, [&ran] { ran = true; }));
    co_await until_waiting(queued);

    queued.cancel();
    for (int i = 0; i < 10; ++i) co_await yield();
    EXPECT_FALSE(queued.done());  // the executor still has the job
    manual.run_all();

    const ending end = co_await end_of(queued);
    EXPECT_EQ(end, ending::cancelled);
    EXPECT_FALSE(ran);
  });
}

TEST_P(RunInExecutor, RefusedJob_Throws) {
  run([]() -> task<> {
    manual_executor manual;
    manual.refuse = true;

    const auto got = co_await catch_all(run_in_executor(manual, [] {}));

    EXPECT_TRUE(got.threw<queue_full>());
    EXPECT_THROW((void)manual.submit([] {}), queue_full);
  });
}

TEST_P(RunInExecutor, ExecutorThatRunsAtOnce_IsAllowed) {
  run([]() -> task<> {
    inline_executor at_once;

    const int value = co_await run_in_executor(at_once, [](int x) { return x + 1; }, 1);

    EXPECT_EQ(value, 2);
  });
}

TEST_P(RunInExecutor, ManyTasks_AllComeBack) {
  run([]() -> task<> {
    thread_pool_executor pool(2);
    std::vector<join_handle<int>> jobs;
    for (int i = 0; i < 1000; ++i) {
      jobs.push_back(spawn(run_in_executor(pool, [](int x) { return x; }, i)));
    }

    int sum = 0;
    for (auto& each : jobs) {
      const int value = co_await each;
      sum += value;
    }

    EXPECT_EQ(sum, 1000 * 999 / 2);
  });
}

// ---- resume_on ----------------------------------------------------------------------------------

/// The thread of a pool of one.
task<std::thread::id> thread_of(thread_pool_executor& pool) {
  auto asked = pool.submit([] { return std::this_thread::get_id(); });
  co_return co_await asked;
}

TEST_P(ResumeOn, HopAwaitedTwice_IsRefused) {
  run([]() -> task<> {
    thread_pool_executor pool(1);
    auto there = resume_on(pool);
    auto back = resume_on(runtime::current());
    co_await there;
    co_await back;

    EXPECT_THROW(co_await there, invalid_state_error);
    EXPECT_THROW(co_await back, invalid_state_error);
  });
}

TEST_P(ResumeOn, Executor_MovesTheTaskUntilItsNextSuspension) {
  run([]() -> task<> {
    thread_pool_executor pool(1);
    const std::thread::id there = co_await thread_of(pool);
    const task_id id = this_task::id();

    co_await resume_on(pool);

    EXPECT_EQ(std::this_thread::get_id(), there);
    EXPECT_EQ(this_task::id(), id);
    co_await yield();
    EXPECT_NE(std::this_thread::get_id(), there);
  });
}

TEST_P(ResumeOn, EveryOperation_BringsTheTaskBack) {
  run([]() -> task<> {
    thread_pool_executor pool(1);
    const std::thread::id there = co_await thread_of(pool);

    co_await resume_on(pool);
    co_await sleep(1ms);
    EXPECT_NE(std::this_thread::get_id(), there);

    co_await resume_on(pool);
    auto child = spawn([]() -> task<int> { co_return 7; });
    const int value = co_await child;  // may be done by now, and then it stays here
    EXPECT_EQ(value, 7);

    co_await resume_on(pool);
    promise<> source;
    auto completer = spawn(
        [](promise<>& mine) -> task<> {
          co_await yield();
          mine.set_value();
        },
        std::ref(source));
    co_await source.get_future();
    co_await completer;

    co_await resume_on(pool);
    co_await to_thread([] {});  // as above

    co_await resume_on(pool);
    co_await resume_on(runtime::current());
    EXPECT_NE(std::this_thread::get_id(), there);
  });
}

TEST_P(ResumeOn, ForksMadeThere_AreOrdinaryTasks) {
  run([]() -> task<> {
    thread_pool_executor pool(1);
    for (int i = 0; i < 20; ++i) {
      co_await resume_on(pool);

      const int value = co_await fib(8);

      EXPECT_EQ(value, 21);
    }
  });
}

TEST_P(ResumeOn, ForkThatOutlivesTheMove_IsAwaitedThere) {
  run([]() -> task<> {
    thread_pool_executor pool(1);
    for (int i = 0; i < 100; ++i) {
      auto child = fork(fib(3));
      co_await resume_on(pool);

      const int value = co_await child;

      EXPECT_EQ(value, 2);
    }
  });
}

TEST_P(ResumeOn, TaskThatEndsThere_IsCompleted) {
  thread_pool_executor pool(1);
  run([&pool]() -> task<> {
    auto value = spawn([&pool]() -> task<int> {
      co_await resume_on(pool);
      co_return 7;
    });
    auto failed = spawn([&pool]() -> task<> {
      co_await resume_on(pool);
      throw std::runtime_error("failed");
    });

    const int got = co_await value;
    const auto error = co_await catch_all(failed);

    EXPECT_EQ(got, 7);
    EXPECT_TRUE(error.threw<std::runtime_error>());
  });
}

TEST_P(ResumeOn, MainThatEndsThere_EndsTheRun) {
  thread_pool_executor pool(1);

  run([&pool]() -> task<> { co_await resume_on(pool); });
}

TEST_P(ResumeOn, CancellationOnTheWay_IsDeliveredOnArrival) {
  run([]() -> task<> {
    gate job;
    thread_pool_executor pool(1);
    auto blocker = spawn(run_in_executor(pool, [&job] { job.pass(); }));
    co_await job.begun();
    std::atomic<bool> leaving = false;
    auto child = spawn(
        [](executor& where, std::atomic<bool>& mark) -> task<> {
          mark = true;
          co_await resume_on(where);
          ADD_FAILURE() << "cancelled on the way";
        },
        std::ref(pool), std::ref(leaving));
    while (!leaving) co_await yield();
    for (int i = 0; i < 10; ++i) co_await yield();

    child.cancel();
    job.open();

    const ending end = co_await end_of(child);
    EXPECT_EQ(end, ending::cancelled);
    co_await blocker;
  });
}

TEST_P(ResumeOn, RefusedMove_Throws) {
  run([]() -> task<> {
    manual_executor manual;
    manual.refuse = true;
    bool refused = false;

    try {
      co_await resume_on(manual);
    } catch (const queue_full&) {
      refused = true;
    }

    EXPECT_TRUE(refused);
    co_await yield();
  });
}

TEST_P(ResumeOn, ExecutorThatRunsAtOnce_IsAllowed) {
  run([]() -> task<> {
    inline_executor at_once;
    const task_id id = this_task::id();

    co_await resume_on(at_once);
    EXPECT_EQ(this_task::id(), id);
    co_await yield();
    co_await resume_on(at_once);
  });
}

TEST_P(ResumeOn, OwnRuntime_LetsOthersRunFirst) {
  run([this_is_single = single()]() -> task<> {
    bool ran = false;
    auto other = spawn([&ran]() -> task<> {
      ran = true;
      co_return;
    });

    co_await resume_on(runtime::current());

    EXPECT_TRUE(ran || !this_is_single);
    co_await other;
  });
}

TEST_P(ResumeOn, AnotherRuntime_IsRefused) {
  runtime other({.workers = 1});
  run([&other]() -> task<> {
    bool refused = false;
    try {
      co_await resume_on(other);
    } catch (const std::invalid_argument&) {
      refused = true;
    }

    EXPECT_TRUE(refused);
  });
}

TEST_P(ResumeOn, ManyTasksThatComeAndGo_AllArrive) {
  run([]() -> task<> {
    thread_pool_executor pool(2);
    std::atomic<int> arrived = 0;
    std::vector<join_handle<>> travellers;
    for (int i = 0; i < 50; ++i) {
      travellers.push_back(spawn(
          [](executor& where, std::atomic<int>& count) -> task<> {
            for (int k = 0; k < 20; ++k) {
              co_await resume_on(where);
              ++count;
              co_await yield();
            }
          },
          std::ref(pool), std::ref(arrived)));
    }

    for (auto& each : travellers) co_await each;

    EXPECT_EQ(arrived, 1000);
  });
}

TEST(ResumeOnTime, VirtualTime_StandsStillWhileTheTaskIsAway) {
  test_runtime rt;
  thread_pool_executor pool(1);
  rt.run([&pool]() -> task<> {
    gate job;
    auto blocker = spawn(run_in_executor(pool, [&job] { job.pass(); }));
    co_await job.begun();
    auto mover = spawn(
        [](executor& where) -> task<clock::time_point> {
          co_await resume_on(where);
          co_return now();
        },
        std::ref(pool));
    co_await yield();
    const auto before = now();
    auto sleeper = spawn(sleep(1h));
    co_await yield();
    job.open();

    const auto there = co_await mover;
    co_await blocker;

    EXPECT_EQ(there, before);
    EXPECT_FALSE(sleeper.done());
  });
  EXPECT_EQ(rt.clock().elapsed(), 0s);
}

// ---- block_in_place -----------------------------------------------------------------------------

TEST_P(BlockInPlace, Function_RunsOnThisThread) {
  run([]() -> task<> {
    const auto ran_on = block_in_place([] { return std::this_thread::get_id(); });

    EXPECT_EQ(ran_on, std::this_thread::get_id());
    EXPECT_THROW(block_in_place([] { throw std::runtime_error("failed"); }), std::runtime_error);
    co_return;
  });
}

TEST(BlockInPlaceWorkers, WhatWaitsBehindIt_RunsElsewhere) {
  weft::run(
      []() -> task<> {
        std::latch ran(3);
        std::vector<join_handle<>> behind;
        for (int i = 0; i < 3; ++i) {
          behind.push_back(spawn([&ran]() -> task<> {
            ran.count_down();
            co_return;
          }));
        }

        block_in_place([&ran] { ran.wait(); });

        for (auto& each : behind) co_await each;
      },
      {.workers = 2});
}

}  // namespace
}  // namespace weft::testing
