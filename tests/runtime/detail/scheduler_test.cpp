#include "runtimes.h"
#include <weft/runtime/detail/scheduler.h>
#include <weft/runtime/detail/sys.h>
#include <weft/runtime/exception_context.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/sleep.h>
#include <weft/sync/event.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <signal.h>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using detail::scheduler;
using ::testing::HasSubstr;
namespace sys = detail::sys;

class Scheduler : public ::testing::TestWithParam<unsigned> {
 protected:
  /// Spawns on `on` from this thread, which is none of its workers.
  template <class T>
  static join_handle<T> spawn_on(scheduler& on, task<T> child, std::string_view name = {}) {
    return detail::spawn_task(on, std::move(child), {.name = name}, 0);
  }
};
INSTANTIATE_TEST_SUITE_P(Workers, Scheduler, ::testing::Values(1u, 3u));

task<> wait_on(event& gate) {
  co_await gate.wait();
}
task<> swallow_for_ever() {
  for (;;) {
    try {
      co_await sleep(1h);
    } catch (const cancelled_error&) {  // swallowed on purpose
    }
  }
}

// ---- The table of schedulers -------------------------------------------------------------------

TEST_P(Scheduler, Index_LeadsToIt) {
  scheduler one({.workers = GetParam(), .name = "one"});
  scheduler two({.workers = GetParam()});

  EXPECT_NE(one.index(), two.index());
  EXPECT_EQ(&scheduler::at(one.index()), &one);
  EXPECT_EQ(scheduler::find(two.index()), &two);
  EXPECT_EQ(one.name(), "one");
}

TEST_P(Scheduler, IndexOfADeadOne_LeadsNowhereAndIsUsedAgain) {
  std::uint8_t index = 0;
  {
    const scheduler gone({.workers = GetParam()});
    index = gone.index();
  }
  EXPECT_EQ(scheduler::find(index), nullptr);

  const scheduler next({.workers = GetParam()});

  EXPECT_EQ(next.index(), index);
}

TEST(SchedulerTable, TooManySchedulers_AreRefused) {
  std::vector<std::unique_ptr<scheduler>> all;
  const auto make_one_too_many = [&] {
    for (;;) all.push_back(std::make_unique<scheduler>(detail::scheduler_options{.workers = 1}));
  };

  EXPECT_THROW(make_one_too_many(), std::runtime_error);

  EXPECT_EQ(all.size(), 255u);
  all.pop_back();
  EXPECT_NO_THROW(
      all.push_back(std::make_unique<scheduler>(detail::scheduler_options{.workers = 1})));
}

TEST(SchedulerTable, Construction_ThatFailsGivesItsIndexBack) {
  const std::uint8_t free_index = [] { return scheduler({.workers = 1}).index(); }();
  const std::int64_t descriptors = sys::open_descriptors();
  for (const auto failing : {sys::call::epoll_create, sys::call::eventfd_create}) {
    static std::atomic<sys::call> chosen;
    static std::atomic<int> let_through;
    chosen = failing;
    let_through = 1;  // the second worker has none
    sys::interposer = [](sys::call which, int) noexcept {
      return which == chosen && let_through-- <= 0 ? EMFILE : 0;
    };
    EXPECT_THROW(const scheduler refused({.workers = 2}), std::system_error);
    sys::interposer = nullptr;
    EXPECT_EQ(sys::open_descriptors(), descriptors);
  }

  const scheduler next({.workers = 1});

  EXPECT_EQ(next.index(), free_index);
}

TEST(SchedulerTable, Current_NamesTheOperationThatNeedsIt) {
  try {
    (void)scheduler::current("frobnicate()");
    FAIL();
  } catch (const std::logic_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("frobnicate()"));
  }
}

// ---- Workers -----------------------------------------------------------------------------------

TEST(SchedulerWorkers, SizeAndMask_FollowTheirNumber) {
  scheduler one({.workers = 1});
  scheduler three({.workers = 3});

  EXPECT_TRUE(one.single());
  EXPECT_EQ(one.size(), 1u);
  EXPECT_EQ(one.everyone(), 1u);
  EXPECT_FALSE(three.single());
  EXPECT_EQ(three.size(), 3u);
  EXPECT_EQ(three.everyone(), 7u);
  for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(three.worker_at(i).index(), i);
  EXPECT_EQ(scheduler({.workers = 64}).everyone(), ~std::uint64_t{0});
}

TEST(SchedulerWorkers, SpawnsOfForeignThreads_GoRoundTheWorkers) {
  scheduler three({.workers = 3});
  std::map<std::uint16_t, int> placed;

  for (int i = 0; i < 3 * 16 * 4; ++i) ++placed[three.place_foreign()];

  EXPECT_EQ(placed.size(), 3u);
  for (const auto& [worker, count] : placed) EXPECT_EQ(count, 64) << "worker " << worker;
}

TEST(SchedulerWorkers, WorkerOfOne_RunsOnlyWhileSomebodyRunsTheLoop) {
  scheduler one({.workers = 1});
  bool ran = false;
  auto child = detail::spawn_task(
      one,
      [](bool& flag) -> task<> {
        flag = true;
        co_return;
      }(ran),
      {}, 0);
  EXPECT_FALSE(one.running());
  EXPECT_FALSE(ran);

  one.run_until_done(*child.state());

  EXPECT_TRUE(ran);
  EXPECT_FALSE(one.running());
  EXPECT_EQ(detail::worker::current(), nullptr);  // this thread is a plain one again
}

TEST_P(Scheduler, RunUntilDone_OfADoneTaskReturnsAtOnce) {
  scheduler runs({.workers = GetParam()});
  auto child = spawn_on(runs, []() -> task<> { co_return; }());

  runs.run_until_done(*child.state());
  runs.run_until_done(*child.state());

  EXPECT_TRUE(child.done());
}

TEST_P(Scheduler, TasksOfForeignThreads_AllRun) {
  scheduler runs({.workers = GetParam()});
  std::atomic<int> ran{0};
  std::vector<std::thread> spawners;
  for (int i = 0; i < 3; ++i) {
    spawners.emplace_back([&] {
      for (int k = 0; k < 500; ++k) {
        spawn_on(runs,
                 [](std::atomic<int>& count) -> task<> {
                   ++count;
                   co_return;
                 }(ran))
            .detach();
      }
    });
  }
  for (std::thread& each : spawners) each.join();

  auto last = spawn_on(runs, [](std::atomic<int>& count) -> task<> {
    while (count < 1500) co_await yield();
  }(ran));
  runs.run_until_done(*last.state());

  EXPECT_EQ(ran.load(), 1500);
}

// ---- Counting ----------------------------------------------------------------------------------

TEST_P(Scheduler, Counters_FollowSpawnsAndEnds) {
  scheduler runs({.workers = GetParam()});
  event gate;
  std::vector<join_handle<>> children;
  for (int i = 0; i < 10; ++i) children.push_back(spawn_on(runs, wait_on(gate)));
  EXPECT_EQ(runs.spawned(), 10u);
  EXPECT_EQ(runs.alive(), 10);

  gate.set();
  for (auto& each : children) runs.run_until_done(*each.state());
  while (runs.alive() > 0) std::this_thread::yield();  // a worker counts after it has told

  EXPECT_EQ(runs.spawned(), 10u);
}

TEST_P(Scheduler, PinAll_FindsItsOwnLiveTasksOnly) {
  scheduler runs({.workers = GetParam()});
  scheduler other({.workers = 1});
  event gate;
  auto one = spawn_on(runs, wait_on(gate));
  auto two = spawn_on(runs, wait_on(gate));
  auto foreign = spawn_on(other, wait_on(gate));

  const std::vector<detail::task_state*> pinned = runs.pin_all();
  std::set<detail::task_state*> found(pinned.begin(), pinned.end());
  for (detail::task_state* each : pinned) detail::drop_handle(*each);

  EXPECT_EQ(found, (std::set<detail::task_state*>{one.state(), two.state()}));
  EXPECT_TRUE(runs.shutdown(10s));
  EXPECT_TRUE(other.shutdown(10s));
  EXPECT_TRUE(runs.pin_all().empty());
}

TEST_P(Scheduler, Description_NamesTheFirstTwenty) {
  scheduler runs({.workers = GetParam()});
  event gate;
  std::vector<join_handle<>> children;
  for (int i = 0; i < 25; ++i) children.push_back(spawn_on(runs, wait_on(gate), "waiting"));

  const std::string text = runs.describe_tasks();

  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 21);
  EXPECT_THAT(text, HasSubstr("  waiting"));
  EXPECT_THAT(text, HasSubstr("and 5 more"));
  EXPECT_TRUE(runs.shutdown(10s));
}

TEST(SchedulerAway, Counts_AreOfTheIndex) {
  const scheduler one({.workers = 1});
  const scheduler two({.workers = 1});

  ++scheduler::away(one.index());

  EXPECT_EQ(scheduler::away(one.index()).load(), 1);
  EXPECT_EQ(scheduler::away(two.index()).load(), 0);
  --scheduler::away(one.index());
}

// ---- Shutdown ----------------------------------------------------------------------------------

TEST_P(Scheduler, Shutdown_CancelsAndAwaitsInRounds) {
  scheduler runs({.workers = GetParam()});
  std::atomic<int> ended{0};
  struct chain {
    static task<> link(scheduler& on, std::atomic<int>& count, int left) {
      try {
        co_await sleep(1h);
      } catch (const cancelled_error&) {
        ++count;
      }
      if (left == 0) co_return;
      // Clean-up that spawns: a round more.
      auto next = detail::spawn_task(on, link(on, count, left - 1), {}, 0);
      while (!detail::is_suspended(*next.state())) co_await yield();
    }
  };
  auto first = spawn_on(runs, chain::link(runs, ended, 3));
  if (runs.single()) {
    auto look = spawn_on(runs, []() -> task<> { co_await yield(); }());
    runs.run_until_done(*look.state());
  }
  while (!detail::is_suspended(*first.state())) std::this_thread::yield();

  EXPECT_TRUE(runs.shutdown(10s));

  EXPECT_EQ(ended.load(), 4);
  EXPECT_EQ(runs.alive(), 0);
}

TEST_P(Scheduler, ShutdownThatTakesTooLong_ReportsAndDestroysTheRest) {
  std::string told;
  std::mutex guard;
  scheduler runs({.workers = GetParam()});
  runs.set_exception_handler([&](const exception_context& context) {
    const std::lock_guard lock(guard);
    told += context.message;
  });
  auto survivor = spawn_on(runs, swallow_for_ever(), "survivor");
  if (runs.single()) {
    auto look = spawn_on(runs, []() -> task<> { co_await yield(); }());
    runs.run_until_done(*look.state());
  }
  while (!detail::is_suspended(*survivor.state())) std::this_thread::yield();

  EXPECT_FALSE(runs.shutdown(20ms));

  EXPECT_THAT(told, HasSubstr("survivor"));
  EXPECT_TRUE(survivor.done());
  EXPECT_TRUE(survivor.cancelled());
  EXPECT_TRUE(runs.shutdown(0ms));  // nothing is left, and it can go on
  auto next = spawn_on(runs, []() -> task<int> { co_return 7; }());
  runs.run_until_done(*next.state());
  EXPECT_EQ(next.result(), 7);
}

TEST_P(Scheduler, Shutdown_OfAQuietSchedulerTakesNoTime) {
  scheduler runs({.workers = GetParam()});

  EXPECT_TRUE(runs.shutdown(0ms));
}

// ---- Reports -----------------------------------------------------------------------------------

TEST_P(Scheduler, Reports_GoToTheHandlerOneAtATime) {
  scheduler runs({.workers = GetParam()});
  std::atomic<int> inside{0};
  std::atomic<int> calls{0};
  runs.set_exception_handler([&](const exception_context&) {
    EXPECT_EQ(++inside, 1);
    std::this_thread::yield();
    --inside;
    ++calls;
  });
  std::vector<std::thread> reporters;

  for (int i = 0; i < 3; ++i) {
    reporters.emplace_back([&] {
      for (int k = 0; k < 100; ++k) runs.report({.message = "report", .exception = {}, .task = 0});
    });
  }
  for (std::thread& each : reporters) each.join();

  EXPECT_EQ(calls.load(), 300);
}

TEST_P(Scheduler, HandlerThatThrows_LosesNoReport) {
  scheduler runs({.workers = GetParam()});
  runs.set_exception_handler([](const exception_context&) { throw 7; });

  ::testing::internal::CaptureStderr();
  runs.report({.message = "the message",
               .exception = std::make_exception_ptr(std::runtime_error("the cause")),
               .task = 12});
  const std::string printed = ::testing::internal::GetCapturedStderr();

  EXPECT_EQ(printed, "weft: the message (task 12): the cause\n");
}

// ---- Signals -----------------------------------------------------------------------------------

sigset_t signals_of_this_thread() {
  sigset_t blocked;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  return blocked;
}

TEST(SchedulerSignals, Workers_TakeNoneAndTheStarterKeepsItsOwn) {
  const sigset_t before = signals_of_this_thread();
  scheduler runs({.workers = 2});
  const sigset_t after = signals_of_this_thread();
  std::atomic<bool> blocked{false};

  auto child = detail::spawn_task(
      runs,
      [](std::atomic<bool>& all) -> task<> {
        const sigset_t mine = signals_of_this_thread();
        all = ::sigismember(&mine, SIGINT) == 1 && ::sigismember(&mine, SIGTERM) == 1 &&
              ::sigismember(&mine, SIGUSR1) == 1;
        co_return;
      }(blocked),
      {}, 0);
  runs.run_until_done(*child.state());

  EXPECT_TRUE(blocked);
  for (int signal = 1; signal < 32; ++signal)
    EXPECT_EQ(::sigismember(&before, signal), ::sigismember(&after, signal)) << signal;
}

}  // namespace
}  // namespace weft::testing
