// Where the next task of a worker comes from, and what happens around it; seen through tasks that
// note their order, and through the worker's own members.

#include "manual_gate.h"
#include "readable_pipe.h"
#include "runtimes.h"
#include <weft/runtime/detail/scheduler.h>
#include <weft/runtime/detail/worker.h>
#include <weft/runtime/fork.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/test_runtime.h>
#include <weft/runtime/to_thread.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using detail::run_queue;
using detail::scheduler;
using detail::worker;

worker& this_worker() {
  return *worker::current();
}

/// Runs `body` as a task of two workers of which the other one is kept busy, so that nobody steals;
/// body(two, over) may set it free again: `over`.
template <class F>
void run_beside_a_busy_worker(F body) {
  scheduler two({.workers = 2});
  std::atomic<bool> over{false};
  std::atomic<int> busy_on{-1};
  std::atomic<bool> begun{false};
  // Pinned to worker 0: it looks after nobody while it computes.
  auto busy = detail::spawn_task(
      two,
      [](std::atomic<int>& where, std::atomic<bool>& stop) -> task<> {
        where = static_cast<int>(this_worker().index());
        while (!stop) std::this_thread::yield();
        co_return;
      }(busy_on, over),
      {}, 0);
  while (busy_on < 0) std::this_thread::yield();
  auto observed = detail::spawn_task(
      two,
      [](F run, scheduler& core, std::atomic<bool>& free, std::atomic<bool>& flag) -> task<> {
        flag = true;
        if constexpr (std::invocable<F&>) {
          co_await run();
        } else {
          co_await run(core, free);
        }
      }(std::move(body), two, over, begun),
      {}, 0);
  two.run_until_done(*observed.state());
  over = true;
  two.run_until_done(*busy.state());
  observed.result();
}

/// Tasks that note their number when they run.
task<> note(std::vector<int>& order, int number) {
  order.push_back(number);
  co_return;
}

task<> sleep_20ms() {
  co_await sleep(20ms);
}

// ---- One worker --------------------------------------------------------------------------------

TEST(WorkerOfOne, ReadyTasks_RunFirstInFirstOut) {
  test_runtime rt;
  std::vector<int> order;

  rt.run([&]() -> task<> {
    for (int i = 0; i < 3000; ++i) spawn(note(order, i)).detach();  // more than a ring holds
    co_await yield();
  });

  EXPECT_EQ(order.size(), 3000u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(WorkerOfOne, WokenTask_GoesBehindWhatIsReady) {
  test_runtime rt;
  std::vector<int> order;
  manual_gate gate;

  rt.run([&]() -> task<> {
    auto woken = co_await spawn_waiting([&]() -> task<> {
      co_await gate.wait();
      order.push_back(2);
    });
    spawn(note(order, 1)).detach();
    gate.open();
    spawn(note(order, 3)).detach();
    co_await woken;
    co_await yield();
  });

  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(WorkerOfOne, Steps_CountTheResumptions) {
  test_runtime rt;

  rt.run([]() -> task<> {
    const std::uint64_t before = this_worker().steps();
    for (int i = 0; i < 10; ++i) co_await yield();
    EXPECT_EQ(this_worker().steps() - before, 10u);
  });
}

/// Steps that a task makes, each of a millisecond of computing, until a call in a thread is back;
/// after many short steps, so that the worker expects short ones.
task<int> slow_steps_beside_a_call() {
  for (int i = 0; i < 100'000; ++i) co_await yield();
  auto call = spawn(to_thread([] {}));
  int steps = 0;
  for (; !call.done() && steps < 2000; ++steps) {
    const auto until = std::chrono::steady_clock::now() + 1ms;
    while (std::chrono::steady_clock::now() < until) {
    }
    co_await yield();
  }
  co_await std::move(call);
  co_return steps;
}

// A look at the reactor comes after 1024 short steps; when they become long, we notice in 64.
TEST(WorkerOfOne, StepsThatBecomeLong_DoNotKeepTheReactorWaiting) {
  EXPECT_LE(weft::run(slow_steps_beside_a_call, {.workers = 1}), 200);
}

TEST(WorkerOfOne, StepsThatBecomeLong_DoNotKeepCallsWaitingUnderAVirtualClock) {
  EXPECT_LE(test_runtime().run(slow_steps_beside_a_call), 200);
}

TEST(WorkerOfOne, Attachment_MakesTheThreadAWorkerWhileItLasts) {
  scheduler one({.workers = 1});
  EXPECT_EQ(worker::current(), nullptr);
  {
    const worker::attachment attached(one.worker_at(0));
    EXPECT_EQ(worker::current(), &one.worker_at(0));
    EXPECT_EQ(detail::here.runtime, one.index());
    EXPECT_EQ(&scheduler::current("test"), &one);
  }
  EXPECT_EQ(worker::current(), nullptr);
  EXPECT_EQ(detail::here.runtime, detail::no_runtime);
}

// ---- Several workers ---------------------------------------------------------------------------

TEST(WorkerQueues, SpawnedTasks_RunInOrderWhereNobodySteals) {
  std::vector<int> order;

  run_beside_a_busy_worker([&]() -> task<> {
    for (int i = 0; i < 100; ++i) spawn(note(order, i)).detach();
    while (order.size() < 100) co_await yield();
  });

  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

// The task that was woken last is in the cache: it runs next, but only a few times in a row.
TEST(WorkerQueues, TaskThatWasWokenLast_RunsNextAndDoesNotStarveTheRing) {
  std::string order;

  run_beside_a_busy_worker([&]() -> task<> {
    manual_gate ping;
    manual_gate pong;
    bool over = false;
    auto a = co_await spawn_waiting([&]() -> task<> {
      while (!over) {
        co_await ping.wait();
        order += 'a';
        pong.open();
      }
      pong.open();
    });
    auto b = co_await spawn_waiting([&]() -> task<> {
      while (!over) {
        co_await pong.wait();
        order += 'b';
        ping.open();
      }
      ping.open();
    });
    for (int i = 0; i < 3; ++i) {
      spawn([](std::string& log) -> task<> {
        log += 'r';
        co_return;
      }(order))
          .detach();
    }
    ping.open();
    while (std::count(order.begin(), order.end(), 'r') < 3) co_await yield();
    over = true;
    ping.open();
    pong.open();
    co_await a;
    co_await b;
  });

  EXPECT_EQ(order.substr(0, 2), "ab");  // they overtake the three that were ready
  const std::size_t third = order.find('r', order.find('r', order.find('r') + 1) + 1);
  EXPECT_LE(third, 16u) << order;  // a few woken tasks between two of the ring, no more
}

TEST(WorkerQueues, MoreTasksThanTheRingHolds_KeepTheirOrder) {
  constexpr int count = 3 * static_cast<int>(run_queue::capacity);
  std::vector<int> order;

  run_beside_a_busy_worker([&]() -> task<> {
    for (int i = 0; i < count; ++i) spawn(note(order, i)).detach();
    while (order.size() < static_cast<std::size_t>(count)) co_await yield();
  });

  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(WorkerQueues, YieldingTask_GoesBehindTheOverflow) {
  constexpr int count = 2 * static_cast<int>(run_queue::capacity);
  std::vector<int> order;

  run_beside_a_busy_worker([&]() -> task<> {
    for (int i = 0; i < count; ++i) spawn(note(order, i)).detach();
    co_await yield();
    EXPECT_EQ(order.size(), static_cast<std::size_t>(count));
  });
}

TEST(WorkerQueues, PinnedAndSharedTasks_TakeTurns) {
  std::string order;

  run_beside_a_busy_worker([&]() -> task<> {
    const auto write = [](std::string& log, char letter) -> task<> {
      for (int i = 0; i < 5; ++i) {
        log += letter;
        co_await yield();
      }
    };
    auto pinned = spawn_local(write(order, 'p'));
    auto shared = spawn(write(order, 's'));
    co_await pinned;
    co_await shared;
  });

  EXPECT_THAT(order, ::testing::AnyOf("pspspspsps", "spspspspsp"));
}

TEST(WorkerQueues, PinnedTask_WokenElsewhereComesBack) {
  weft::run(
      []() -> task<> {
        for (int round = 0; round < 50; ++round) {
          manual_gate gate;
          std::set<unsigned> seen;
          auto pinned = spawn_local([&]() -> task<> {
            for (int i = 0; i < 5; ++i) {
              seen.insert(this_worker().index());
              co_await gate.wait();
            }
            seen.insert(this_worker().index());
          });
          auto waker = spawn([&]() -> task<> {
            for (int i = 0; i < 5; ++i) {
              while (!gate.open()) co_await yield();
            }
          });
          co_await pinned;
          co_await waker;
          EXPECT_EQ(seen.size(), 1u);
        }
      },
      {.workers = 4});
}

// ---- Stealing, waking, rescue ------------------------------------------------------------------

TEST(WorkerHelp, Backlog_IsSharedWithASleeper) {
  scheduler two({.workers = 2});
  auto main = detail::spawn_task(
      two,
      []() -> task<> {
        std::atomic<int> left{4000};
        std::vector<join_handle<>> children;
        for (int i = 0; i < 4000; ++i) {
          children.push_back(spawn([](std::atomic<int>& count) -> task<> {
            for (std::atomic<int> turns{0}; turns < 300; ++turns) {
            }
            --count;
            co_return;
          }(left)));
        }
        for (auto& each : children) co_await each;
      }(),
      {}, 0);
  two.run_until_done(*main.state());

  std::uint64_t steals = 0;
  for (unsigned i = 0; i < 2; ++i) steals += two.worker_at(i).counters().steals.load();

  EXPECT_GE(steals, 1u);
}

TEST(WorkerHelp, EverythingOfAStuckWorker_IsTakenOver) {
  scheduler two({.workers = 2});
  auto main = detail::spawn_task(
      two,
      []() -> task<> {
        std::atomic<int> ran{0};
        const auto count = [&]() -> task<> {
          ++ran;
          co_return;
        };
        manual_gate gate;
        auto woken = co_await spawn_waiting([&]() -> task<> {
          co_await gate.wait();
          ++ran;
        });
        auto sleeper = co_await spawn_waiting([&]() -> task<> {
          co_await sleep(1ms);
          ++ran;
        });
        std::vector<join_handle<>> children;
        for (int i = 0; i < 2000; ++i) children.push_back(spawn(count()));  // the ring
        auto forked = fork(count());                                        // the fork deque
        gate.open();                                                        // the next slot
        while (ran < 2003) std::this_thread::yield();  // this worker stands still
        for (auto& each : children) co_await each;
        co_await forked;
        co_await woken;
        co_await sleeper;
      }(),
      {}, 0);

  two.run_until_done(*main.state());

  EXPECT_NO_THROW(main.result());
}

/// Tasks that do not fit into the ring, on a worker alone and on one that another rescues. 0: each
/// has run once.
int overflow_a_worker(bool stands_still) {
  constexpr int many = static_cast<int>(detail::run_queue::capacity) + 2000;
  std::atomic<int> ran{0};
  std::vector<std::atomic<int>> times(many);
  runtime rt({.workers = 2});
  rt.run([&]() -> task<> {
    const auto count = [&](int number) -> task<> {
      ++times[static_cast<std::size_t>(number)];
      ++ran;
      co_return;
    };
    std::vector<join_handle<>> children;
    for (int i = 0; i < many; ++i) children.push_back(spawn(count(i)));
    while (stands_still && ran < many) std::this_thread::yield();
    for (auto& each : children) co_await each;
  });
  return std::all_of(times.begin(), times.end(), [](const auto& each) { return each == 1; }) ? 0
                                                                                             : 1;
}

/// In a process of its own: shutdowns walk over all blocks that a process has ever had, and those of
/// the other tests would become slow.
class WorkerOverflowDeathTest : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(WorkerOverflowDeathTest, TasksBeyondTheRing_AllRun) {
  EXPECT_EXIT(std::_Exit(overflow_a_worker(false)), ::testing::ExitedWithCode(0), "");
}

TEST_F(WorkerOverflowDeathTest, TasksBeyondTheRingOfAStuckWorker_AreTakenOver) {
  EXPECT_EXIT(std::_Exit(overflow_a_worker(true)), ::testing::ExitedWithCode(0), "");
}

/// A pipe that a child of this task waits to read, registered with the poller of this worker.
struct waiting_reader {
  readable_pipe pipe;
  std::atomic<int> served_by{-1};  // the worker that has read
  join_handle<> reading;
  std::atomic<int> parked_on{-1};
  std::uint64_t looks = 0;  // of that worker until then: published by served_by
};
task<> read_and_tell(waiting_reader& self) {
  self.parked_on = static_cast<int>(this_worker().index());
  (void)co_await self.pipe.read();
  self.looks = this_worker().counters().parks;
  self.served_by = static_cast<int>(this_worker().index());
}
/// Stands still until the bytes that come now were read by another worker.
void stand_still_until_read(waiting_reader& reader) {
  reader.pipe.write("x");
  while (reader.served_by < 0) std::this_thread::yield();
}

TEST(WorkerHelp, EventsOfAStuckWorker_AreServedByAnother) {
  run_beside_a_busy_worker([](scheduler&, std::atomic<bool>& set_free) -> task<> {
    waiting_reader reader;
    reader.reading = co_await spawn_waiting(read_and_tell, std::ref(reader));
    EXPECT_EQ(reader.parked_on, static_cast<int>(this_worker().index()));
    EXPECT_TRUE(reader.pipe.source().registered());

    set_free = true;
    stand_still_until_read(reader);

    EXPECT_NE(reader.served_by, reader.parked_on);
    co_await reader.reading;
  });
}

// An idle worker looks every 4 ms or sooner, and its second look tells a worker that stands still
// from one in a short step. Counted in its sleeps, since a busy machine makes each of them longer;
// how long one may be is the matter of the best of several rounds.
TEST(WorkerHelp, EventsOfAStuckWorker_WaitForAFewLooksOfAnIdleOne) {
  constexpr std::uint64_t looks_max = 8;
  constexpr auto generous = 100ms;  // for eight looks
  auto best = std::chrono::steady_clock::duration::max();
  for (int round = 0; round < 10; ++round) {
    run_beside_a_busy_worker([&](scheduler& core, std::atomic<bool>& set_free) -> task<> {
      waiting_reader reader;
      co_await spawn_local([&]() -> task<> {
        const auto& looks = core.worker_at(1 - this_worker().index()).counters().parks;
        reader.reading = co_await spawn_waiting(read_and_tell, std::ref(reader));
        set_free = true;
        // Until the other one has settled: it looks less often while all is well.
        for (const std::uint64_t first = looks; looks - first < 12;) co_await yield();
        const std::uint64_t before = looks;
        const auto begin = std::chrono::steady_clock::now();

        stand_still_until_read(reader);

        best = std::min(best, std::chrono::steady_clock::now() - begin);
        EXPECT_LE(reader.looks - before, looks_max);
      });
      co_await reader.reading;
    });
  }

  EXPECT_LE(best, generous);
}

// Nobody sleeps, so nobody watches by profession.
TEST(WorkerHelp, EventsOfAStuckWorker_AreServedByOneThatIsBusyToo) {
  run_beside_a_busy_worker([](scheduler&, std::atomic<bool>& set_free) -> task<> {
    std::atomic<bool> over{false};
    auto yielding = spawn([&]() -> task<> {
      while (!over) co_await yield();
    });
    waiting_reader reader;
    reader.reading = co_await spawn_waiting(read_and_tell, std::ref(reader));
    EXPECT_EQ(reader.parked_on, static_cast<int>(this_worker().index()));

    set_free = true;
    stand_still_until_read(reader);

    EXPECT_NE(reader.served_by, reader.parked_on);
    over = true;
    co_await yielding;
    co_await reader.reading;
  });
}

TEST(WorkerHelp, ForksThatAreLeftBehind_BecomeTasksWhenTheirParentWaits) {
  for (const unsigned workers : {1u, 2u}) {
    weft::run(
        [workers]() -> task<> {
          std::atomic<bool> ran{false};
          const auto child = [&]() -> task<> {
            ran = true;
            co_return;
          };
          auto forked = fork(child());
          if (workers == 1) {  // else the other one may have it by now
            EXPECT_FALSE(this_worker().forks().empty_approx());
          }
          while (!ran) co_await sleep(100us);

          EXPECT_TRUE(this_worker().forks().empty_approx());
          co_await forked;
        },
        {.workers = workers});
  }
}

TEST(WorkerSleep, Notification_EndsTheSleepOfAnIdleWorker) {
  scheduler two({.workers = 2});
  for (int round = 0; round < 200; ++round) {
    while (two.idle().sleepers() != two.everyone()) std::this_thread::yield();
    auto child = detail::spawn_task(two, []() -> task<> { co_return; }(), {}, 0);

    two.run_until_done(*child.state());  // ends only if somebody woke up
  }
}

TEST(WorkerSleep, NotificationBeforeTheSleep_IsNotLost) {
  scheduler one({.workers = 1});
  one.worker_at(0).notify();
  auto child = detail::spawn_task(one, []() -> task<> { co_await sleep(100us); }(), {}, 0);

  one.run_until_done(*child.state());

  EXPECT_TRUE(child.done());
}

TEST(WorkerSleep, IdleWorkers_AreAllInTheIdleSet) {
  scheduler three({.workers = 3});

  while (three.idle().sleepers() != three.everyone()) std::this_thread::yield();

  EXPECT_TRUE(three.idle().anyone_asleep());
}

// Nothing happens: nobody wakes up again and again. (The watcher ends its rounds when all sleep.)
TEST(WorkerSleep, IdleRuntime_ComesToRest) {
  scheduler two({.workers = 2});
  auto child = detail::spawn_task(two, []() -> task<> { co_await sleep(1ms); }(), {}, 0);
  two.run_until_done(*child.state());
  const auto parks = [&] {
    return two.worker_at(0).counters().parks.load() + two.worker_at(1).counters().parks.load();
  };
  const auto let_time_pass = [] { weft::run(sleep_20ms(), {.workers = 1}); };

  // Two looks that find the same, apart by several rounds of a watcher.
  std::uint64_t seen = 0;
  int looks = 0;
  do {
    seen = parks();
    let_time_pass();
  } while (parks() != seen && ++looks < 100);

  EXPECT_LT(looks, 100);
}

// ---- Nested tasks ------------------------------------------------------------------------------

// A fork that was taken and is abandoned: its parent's worker runs others until it has ended.
TEST(WorkerHelp, AbandonedFork_IsWaitedForWhileOthersRun) {
  weft::run(
      []() -> task<> {
        for (int round = 0; round < 50; ++round) {
          std::atomic<bool> others_ran{false};
          std::atomic<bool> taken{false};
          const auto child = [&]() -> task<> {
            taken = true;
            try {
              co_await sleep(1h);
            } catch (const cancelled_error&) {  // goes on until others have run
            }
            while (!others_ran) co_await yield();
          };
          auto other = spawn([&]() -> task<> {
            while (!taken) co_await yield();
            others_ran = true;
          });
          {
            auto forked = fork(child());
            while (!taken) co_await yield();
          }  // cancelled and waited for here
          co_await other;
          EXPECT_TRUE(others_ran);
        }
      },
      {.workers = 2});
}

}  // namespace
}  // namespace weft::testing
