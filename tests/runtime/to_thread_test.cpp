#include "runtimes.h"
#include <weft/runtime/detail/sys.h>
#include <weft/runtime/gather.h>
#include <weft/runtime/select.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/timeout.h>
#include <weft/runtime/to_thread.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
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

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class ToThread : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, ToThread, every_kind(), name_of);

/// One worker or several, and a single thread for blocking calls.
class ToOneThread : public ::testing::TestWithParam<std::size_t> {
 protected:
  template <class F>
  void run(F body) {
    weft::run(std::move(body), {.workers = GetParam(), .max_blocking_threads = 1});
  }
};
INSTANTIATE_TEST_SUITE_P(Workers, ToOneThread, ::testing::Values(1, 4));

class ToThreadShutdown : public ::testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Workers, ToThreadShutdown, ::testing::Values(1, 4));

static_assert(!detail::leaf_awaitable<detail::thread_operation<void (*)()>>,
              "select must give a job a task: its end is awaited even if it lost");

/// Lets a job say that it has begun, and holds it until the test lets it go.
class gate {
 public:
  void pass() {
    begun_.count_down();
    open_.wait();
  }
  void open() { open_.count_down(); }
  task<> begun() {
    while (!begun_.try_wait()) co_await yield();
  }

 private:
  std::latch begun_{1};
  std::latch open_{1};
};

/// Waits until somebody asks to stop.
void wait_for_stop(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait(lock, stop, [] { return false; });
}

template <class A>
task<await_result_t<A>> await_it(A awaited) {
  co_return co_await std::move(awaited);
}

// ---- Calls --------------------------------------------------------------------------------------

TEST_P(ToThread, Function_RunsOnAnotherThread) {
  run([]() -> task<> {
    const std::thread::id job = co_await to_thread([] { return std::this_thread::get_id(); });

    EXPECT_NE(job, std::this_thread::get_id());
    EXPECT_NO_THROW((void)runtime::current());
  });
}

TEST_P(ToThread, Exception_ComesBack) {
  run([]() -> task<> {
    const auto got = co_await catch_all(to_thread([] { throw std::runtime_error("failed"); }));

    EXPECT_TRUE(got.threw<std::runtime_error>());
  });
}

TEST_P(ToThread, ArgumentsAndResult_AreMoved) {
  run([]() -> task<> {
    auto twice = [](std::unique_ptr<int> in) { return std::make_unique<int>(*in * 2); };

    const std::unique_ptr<int> out = co_await to_thread(twice, std::make_unique<int>(21));

    EXPECT_EQ(*out, 42);
  });
}

TEST_P(ToThread, Callable_IsCalledOnce) {
  run([]() -> task<> {
    std::atomic<int> calls = 0;

    co_await to_thread([&calls] { ++calls; });

    EXPECT_EQ(calls, 1);
  });
}

TEST_P(ToThread, ReferenceResult_IsTheObject) {
  run([]() -> task<> {
    int object = 1;
    auto same = [](int& in) -> int& { return in; };

    int& got = co_await to_thread(same, std::ref(object));

    EXPECT_EQ(&got, &object);
  });
}

TEST_P(ToThread, MemberFunction_IsCalledOnItsObject) {
  run([]() -> task<> {
    const std::size_t size = co_await to_thread(&std::string::size, std::string("four"));

    EXPECT_EQ(size, 4U);
  });
}

TEST_P(ToThread, BorrowedCallable_StaysTheCallers) {
  run([]() -> task<> {
    auto counter = [calls = std::make_unique<int>(0)] { return ++*calls; };

    const int first = co_await to_thread(std::ref(counter));
    const int second = co_await to_thread(std::ref(counter));

    EXPECT_EQ(first, 1);
    EXPECT_EQ(second, 2);
  });
}

TEST_P(ToThread, StopTokenParameter_IsGivenWhenAskedFor) {
  run([]() -> task<> {
    const bool stopped = co_await to_thread(
        [](const std::stop_token& stop, int) { return stop.stop_requested(); }, 1);

    EXPECT_FALSE(stopped);
  });
}

TEST_P(ToThread, ManyJobs_RunBesideEachOtherAndTheLoop) {
  run([]() -> task<> {
    constexpr int count = 8;
    std::latch all_here(count);
    std::vector<task<>> jobs;
    for (int i = 0; i < count; ++i) {
      jobs.push_back(await_it(to_thread([&all_here] { all_here.arrive_and_wait(); })));
    }

    co_await gather(std::move(jobs));

    EXPECT_TRUE(all_here.try_wait());
  });
}

TEST_P(ToThread, BlockedJob_LeavesTheLoopFree) {
  run([]() -> task<> {
    gate job;
    auto blocked = spawn(to_thread([&job] { job.pass(); }));
    co_await job.begun();

    for (int i = 0; i < 100; ++i) co_await yield();
    job.open();

    co_await blocked;
  });
}

TEST_P(ToThread, TenThousandCalls_AllComeBack) {
  run([]() -> task<> {
    long sum = 0;
    for (int i = 0; i < 10'000; ++i) {
      const int value = co_await to_thread([](int x) { return x; }, i);
      sum += value;
    }

    EXPECT_EQ(sum, 10'000L * 9'999 / 2);
  });
}

TEST_P(ToOneThread, CallsBeyondTheLimit_WaitInLine) {
  run([]() -> task<> {
    gate before;
    auto blocker = spawn(to_thread([&before] { before.pass(); }));
    co_await before.begun();
    std::string log;  // one thread writes it
    std::vector<join_handle<>> jobs;
    for (const char name : {'a', 'b', 'c', 'd'}) {
      jobs.push_back(spawn(to_thread([&log, name] { log += name; })));
      co_await until_waiting(jobs.back());
    }

    before.open();
    co_await gather(jobs);
    co_await blocker;

    EXPECT_EQ(log, "abcd");
  });
}

// ---- Cancellation -------------------------------------------------------------------------------

TEST_P(ToOneThread, CancelledBeforeItStarts_NeverRuns) {
  run([]() -> task<> {
    gate job;
    auto blocker = spawn(to_thread([&job] { job.pass(); }));
    co_await job.begun();
    std::atomic<bool> ran = false;
    auto queued = spawn(to_thread([&ran] { ran = true; }));
    co_await until_waiting(queued);

    queued.cancel();
    const ending end = co_await end_of(queued);  // while the only thread is busy
    job.open();
    co_await blocker;

    EXPECT_EQ(end, ending::cancelled);
    EXPECT_FALSE(ran);
  });
}

TEST_P(ToThread, PendingCancellation_KeepsItFromStarting) {
  run([]() -> task<> {
    std::atomic<bool> ran = false;
    auto child = spawn([&ran]() -> task<> { co_await to_thread([&ran] { ran = true; }); });
    child.cancel();

    const ending end = co_await end_of(child);

    EXPECT_EQ(end, ending::cancelled);
    EXPECT_FALSE(ran);
  });
}

TEST_P(ToThread, CancelledWhileItRuns_StopIsRequestedAndItsEndAwaited) {
  run([]() -> task<> {
    std::latch begun(1);
    std::atomic<bool> ended = false;
    bool request_was_pending = false;
    auto child = spawn([&]() -> task<int> {
      const int value = co_await to_thread([&](const std::stop_token& stop) {
        begun.count_down();
        wait_for_stop(stop);
        ended = true;
        return 7;
      });
      EXPECT_TRUE(ended);
      request_was_pending = this_task::cancelling() == 1;
      co_return value;
    });
    while (!begun.try_wait()) co_await yield();

    child.cancel();

    const int value = co_await child;
    EXPECT_EQ(value, 7);
    EXPECT_TRUE(request_was_pending);
    EXPECT_FALSE(child.cancelled());
  });
}

TEST_P(ToThread, CancelledWhileItRuns_TheNextSuspensionThrows) {
  run([]() -> task<> {
    gate job;
    auto child = spawn([&job]() -> task<> {
      co_await to_thread([&job] { job.pass(); });
      co_await sleep(1h);
    });
    co_await job.begun();

    child.cancel();
    for (int i = 0; i < 100; ++i) co_await yield();
    EXPECT_FALSE(child.done());  // references stay valid: the end is awaited
    job.open();

    const ending end = co_await end_of(child);
    EXPECT_EQ(end, ending::cancelled);
  });
}

TEST(ToThreadTime, ExpiredLimit_StopsTheJobAndGivesItsValue) {
  weft::run(
      []() -> task<> {
        const auto job = [](const std::stop_token& stop) {
          wait_for_stop(stop);
          return 7;
        };
        // One that had not begun when the limit expired never runs.
        auto ended = co_await as_result(wait_for(to_thread(job), 1ms));
        for (auto limit = 2ms; !ended.has_value(); limit *= 2)
          ended = co_await as_result(wait_for(to_thread(job), limit));

        EXPECT_EQ(ended.value(), 7);
      },
      {.workers = 1});
}

TEST_P(ToThread, LoserOfASelect_IsAwaited) {
  run([]() -> task<> {
    std::atomic<bool> ended = false;
    gate job;

    auto first = select(to_thread([&](const std::stop_token& stop) {
                          job.open();
                          wait_for_stop(stop);
                          ended = true;
                        }),
                        to_thread([&job] { job.pass(); }));
    const auto won = co_await std::move(first);

    EXPECT_EQ(won.index(), 1U);
    EXPECT_TRUE(ended);
  });
}

// ---- abandon_on_cancel --------------------------------------------------------------------------

TEST_P(ToThread, AbandonableJob_GivesItsOutcome) {
  run([]() -> task<> {
    const int value = co_await to_thread(abandon_on_cancel, [](int x) { return x + 1; }, 1);
    const auto failed = co_await catch_all(
        to_thread(abandon_on_cancel, [] { throw std::runtime_error("failed"); }));

    EXPECT_EQ(value, 2);
    EXPECT_TRUE(failed.threw<std::runtime_error>());
  });
}

TEST_P(ToThread, AbandonedJob_LetsItsAwaiterGoAtOnce) {
  const auto job = std::make_shared<gate>();
  const auto token = std::make_shared<int>(0);
  run([job, token]() -> task<> {
    auto call = [job, token] {
      job->pass();
      throw std::runtime_error("nobody hears this");
    };
    auto child = spawn(to_thread(abandon_on_cancel, call));
    co_await job->begun();

    child.cancel();
    const ending end = co_await end_of(child);

    EXPECT_EQ(end, ending::cancelled);
    EXPECT_GT(token.use_count(), 3);  // the job is still at it
    job->open();
  });
  // The pool was joined with the runtime.
  EXPECT_EQ(token.use_count(), 1);
}

TEST_P(ToThread, AbandonedJob_IsAskedToStop) {
  std::atomic<bool> stopped = false;
  run([&stopped]() -> task<> {
    const auto begun = std::make_shared<std::latch>(1);
    const auto job = [begun, &stopped](const std::stop_token& stop) {
      begun->count_down();
      wait_for_stop(stop);
      stopped = true;
    };
    auto child = spawn(to_thread(abandon_on_cancel, job));
    while (!begun->try_wait()) co_await yield();

    child.cancel();
    const ending end = co_await end_of(child);

    EXPECT_EQ(end, ending::cancelled);
  });
  EXPECT_TRUE(stopped);
}

TEST_P(ToOneThread, AbandonableJob_CancelledBeforeItStarts_NeverRuns) {
  run([]() -> task<> {
    gate job;
    auto blocker = spawn(to_thread([&job] { job.pass(); }));
    co_await job.begun();
    std::atomic<bool> ran = false;
    auto queued = spawn(to_thread(abandon_on_cancel, [&ran] { ran = true; }));
    co_await until_waiting(queued);

    queued.cancel();
    const ending end = co_await end_of(queued);
    job.open();
    co_await blocker;

    EXPECT_EQ(end, ending::cancelled);
    EXPECT_FALSE(ran);
  });
}

TEST_P(ToThread, AbandonMeetsCompletion_OneOutcome) {
  run([]() -> task<> {
    for (int i = 0; i < 300; ++i) {
      auto child = spawn(to_thread(abandon_on_cancel, [] { return 1; }));
      if (i % 2 == 0) co_await until_waiting(child);

      child.cancel();
      const ending end = co_await end_of(child);

      EXPECT_NE(end, ending::error);
    }
  });
}

// ---- Name look-ups ------------------------------------------------------------------------------

TEST_P(ToOneThread, LookUp_DoesNotWaitForAThreadOfTheOthers) {
  run([]() -> task<> {
    gate job;
    auto busy = spawn(to_thread([&job] { job.pass(); }));
    co_await job.begun();

    const int found = co_await detail::to_look_up_thread([] { return 7; });

    EXPECT_EQ(found, 7);
    job.open();
    co_await busy;
  });
}

TEST_P(ToThread, Calls_StartNoThreadForLookUps) {
  run([]() -> task<> {
    co_await to_thread([] {});
    const auto of_calls = runtime::current().metrics().blocking_threads;
    co_await detail::to_look_up_thread([] {});
    const auto of_both = runtime::current().metrics().blocking_threads;

    EXPECT_EQ(of_calls, 1U);
    EXPECT_EQ(of_both, 2U);
  });
}

TEST_P(ToThread, LookUpsBeyondTheirLimit_WaitInLine) {
  run([]() -> task<> {
    constexpr int limit = 32;
    std::latch open(1);
    std::atomic<int> begun{0};
    std::vector<join_handle<>> look_ups;
    for (int i = 0; i < limit + 1; ++i) {
      look_ups.push_back(spawn(detail::to_look_up_thread([&] {
        ++begun;
        open.wait();
      })));
    }
    while (begun < limit) co_await yield();

    EXPECT_EQ(runtime::current().metrics().blocking_threads, std::uint64_t{limit});
    open.count_down();
    for (join_handle<>& each : look_ups) co_await each;
    EXPECT_EQ(begun, limit + 1);
  });
}

TEST_P(ToThread, LookUp_IsNamedWhereItsTaskWaits) {
  run([]() -> task<> {
    gate look_up;
    auto waiting = spawn(detail::to_look_up_thread([&look_up] { look_up.pass(); }));
    co_await until_waiting(waiting);

    std::string where;
    for (const task_info& each : all_tasks()) {
      if (each.id == waiting.id()) where = each.where;
    }

    EXPECT_EQ(where, "resolve()");
    look_up.open();
    co_await waiting;
  });
}

// It uses what lies in the frame of its task.
TEST_P(ToThreadShutdown, CallThatATaskWaitsFor_OutlastsTheTimeOut) {
  gate call;
  bool ended = false;
  std::latch reported(1);
  std::thread opener([&] {
    reported.wait();
    call.open();
  });
  {
    runtime rt({.workers = GetParam(), .shutdown_timeout = 1ms});
    rt.set_exception_handler([&](const exception_context& context) {
      EXPECT_THAT(context.message, HasSubstr("did not end within the shutdown time-out"));
      reported.count_down();
    });
    auto waiting = rt.spawn(to_thread([&] {
      call.pass();
      ended = true;
    }));
    rt.run([&]() -> task<> { co_await call.begun(); });
  }

  EXPECT_TRUE(ended);
  opener.join();
}

TEST(LookUpShutdown, LookUpThatHangs_IsReportedAndLeftAlone) {
  gate look_up;  // outlives the call
  std::atomic<bool> ended{false};
  std::vector<std::string> reports;
  {
    runtime rt({.workers = 1, .shutdown_timeout = std::chrono::milliseconds(1)});
    rt.set_exception_handler(
        [&](const exception_context& context) { reports.emplace_back(context.message); });
    rt.run([&]() -> task<> {
      auto hanging = spawn(detail::to_look_up_thread([&] {
        look_up.pass();
        ended = true;
      }));
      co_await look_up.begun();
      hanging.cancel();
      (void)co_await ending_of(hanging);
    });
  }

  EXPECT_THAT(reports, ::testing::ElementsAre(HasSubstr("name look-ups that still run")));
  EXPECT_FALSE(ended);
  look_up.open();
  while (!ended) std::this_thread::yield();
}

// ---- Failures -----------------------------------------------------------------------------------

int no_threads(detail::sys::call which, int) noexcept {
  return which == detail::sys::call::thread_start ? EAGAIN : 0;
}

TEST_P(ToThread, NoThreadCanBeStarted_IsASystemError) {
  run([]() -> task<> {
    detail::sys::interposer = no_threads;

    std::error_code code;
    std::string what;
    try {
      co_await to_thread([] {});
    } catch (const std::system_error& error) {
      code = error.code();
      what = error.what();
    }
    const auto abandonable = co_await catch_all(to_thread(abandon_on_cancel, [] {}));

    detail::sys::interposer = nullptr;
    EXPECT_EQ(code.value(), EAGAIN);
    EXPECT_THAT(what, HasSubstr("no thread could be started"));
    EXPECT_TRUE(abandonable.threw<std::system_error>());
  });
}

TEST_P(ToThread, NoThreadForALookUp_IsASystemErrorOfResolve) {
  run([]() -> task<> {
    detail::sys::interposer = no_threads;

    std::string what;
    try {
      co_await detail::to_look_up_thread([] {});
    } catch (const std::system_error& error) {
      what = error.what();
    }

    detail::sys::interposer = nullptr;
    EXPECT_THAT(what, HasSubstr("resolve: no thread could be started"));
  });
}

TEST_P(ToThread, AwaitedTwice_IsAnInvalidState) {
  run([]() -> task<> {
    auto call = to_thread([] { return 1; });
    const int once = co_await call;
    bool refused = false;
    try {
      [[maybe_unused]] const int twice = co_await call;
    } catch (const invalid_state_error&) {
      refused = true;
    }

    EXPECT_EQ(once, 1);
    EXPECT_TRUE(refused);
  });
}

}  // namespace
}  // namespace weft::testing
