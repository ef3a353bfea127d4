#include "runtimes.h"
#include <weft/runtime/sleep.h>
#include <weft/runtime/timeout.h>
#include <weft/runtime/wait.h>
#include <weft/sync/event.h>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <list>
#include <random>
#include <ranges>
#include <span>
#include <stdexcept>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using indices = std::vector<std::size_t>;

class Wait : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Wait, every_kind(), name_of);

task<int> seven_behind(event& gate) {
  co_await gate.wait();
  co_return 7;
}
task<int> fail_behind(event& gate) {
  co_await gate.wait();
  throw std::runtime_error("observed");
}

TEST_P(Wait, FirstCompleted_TellsWhichAndLeavesTheOthersRunning) {
  run([]() -> task<> {
    event first, second;
    std::vector<join_handle<int>> handles;
    handles.push_back(spawn(seven_behind(first)));
    handles.push_back(spawn(seven_behind(second)));
    second.set();

    const wait_result found = co_await wait(handles, return_when::first_completed);

    EXPECT_EQ(found.done, indices{1});
    EXPECT_EQ(found.pending, indices{0});
    EXPECT_FALSE(handles[0].done());
    first.set();
    (void)co_await handles[0];
  });
}

TEST_P(Wait, FirstCompletedOfSeveralThatAreDone_TellsAll) {
  run([]() -> task<> {
    event open, never;
    open.set();
    std::array handles{spawn(seven_behind(open)), spawn(seven_behind(never)),
                       spawn(seven_behind(open))};
    while (!handles[0].done() || !handles[2].done()) co_await yield();

    const wait_result found = co_await wait(handles, return_when::first_completed);

    EXPECT_EQ(found.done, (indices{0, 2}));
    EXPECT_EQ(found.pending, indices{1});
    handles[1].cancel();
  });
}

TEST_P(Wait, AllCompleted_IsTheDefaultAndThrowsNothing) {
  run([]() -> task<> {
    event open;
    open.set();
    std::array handles{spawn(seven_behind(open)), spawn(fail_behind(open))};

    const wait_result found = co_await wait(handles);

    EXPECT_EQ(found.done, (indices{0, 1}));
    EXPECT_TRUE(found.pending.empty());
    EXPECT_NE(handles[1].exception(), nullptr);
  });
}

TEST_P(Wait, FirstException_IgnoresCancelledTasks) {
  run([]() -> task<> {
    event failing, never;
    std::array handles{spawn(seven_behind(never)), spawn(fail_behind(failing)),
                       spawn(seven_behind(never))};
    auto waiter = co_await spawn_waiting([&]() -> task<wait_result> {
      co_return co_await wait(handles, return_when::first_exception);
    });
    handles[0].cancel();
    (void)co_await ending_of(handles[0]);
    EXPECT_FALSE(waiter.done());

    failing.set();
    const wait_result found = co_await waiter;

    EXPECT_EQ(found.done, (indices{0, 1}));
    EXPECT_EQ(found.pending, indices{2});
    EXPECT_NE(handles[1].exception(), nullptr);
    handles[2].cancel();
  });
}

TEST_P(Wait, FirstExceptionWithoutOne_WaitsForAll) {
  run([]() -> task<> {
    event open;
    open.set();
    std::array handles{spawn(seven_behind(open)), spawn(seven_behind(open))};

    const wait_result found = co_await wait(handles, return_when::first_exception);

    EXPECT_EQ(found.done, (indices{0, 1}));
  });
}

TEST(WaitInTime, TimeOut_IsNoErrorAndCancelsNothing) {
  test_runtime rt;
  rt.run([&]() -> task<> {
    event never;
    std::array handles{spawn(seven_behind(never))};

    const wait_result found = co_await wait(handles, return_when::all_completed, 50ms);

    EXPECT_EQ(rt.clock().elapsed(), 50ms);
    EXPECT_EQ(found.pending, indices{0});
    EXPECT_FALSE(handles[0].done());
    handles[0].cancel();
  });
}

TEST(WaitInTime, CompletionInTime_DisarmsTheLimit) {
  test_runtime rt;
  rt.run([&]() -> task<> {
    event gate;
    std::array handles{spawn(seven_behind(gate))};
    gate.set();

    const wait_result found = co_await wait(handles, return_when::all_completed, 1h);

    EXPECT_EQ(found.done, indices{0});
    EXPECT_EQ(take_ledger().timers, 0);
  });
  EXPECT_EQ(rt.clock().elapsed(), 0ms);
}

TEST_P(Wait, AnyLvalueRange_OfHandlesMayBeWaitedFor) {
  run([]() -> task<> {
    event open;
    open.set();
    std::list<join_handle<int>> listed;
    listed.push_back(spawn(seven_behind(open)));
    std::vector<join_handle<int>> handles;
    handles.push_back(spawn(seven_behind(open)));
    handles.push_back(spawn(seven_behind(open)));

    const wait_result of_list = co_await wait(listed);
    const wait_result of_span = co_await wait(std::span(handles).first(1));
    const wait_result of_view = co_await wait(handles | std::views::drop(1));

    EXPECT_EQ(of_list.done, indices{0});
    EXPECT_EQ(of_span.done, indices{0});
    EXPECT_EQ(of_view.done, indices{0});
  });
}

TEST_P(Wait, NoHandles_AreRefused) {
  run([]() -> task<> {
    std::vector<join_handle<int>> none;

    EXPECT_THROW((void)wait(none), std::invalid_argument);
    co_return;
  });
}

TEST_P(Wait, EmptyHandleAndOneself_AreRefused) {
  run([]() -> task<> {
    std::array<join_handle<int>, 1> empty;
    const auto with_empty = co_await catch_all(wait(empty));
    EXPECT_TRUE(with_empty.threw<invalid_state_error>());

    event started;
    std::vector<join_handle<>> self(1);
    self[0] = spawn([&]() -> task<> {
      co_await started.wait();
      const auto with_self = co_await catch_all(wait(self));
      EXPECT_TRUE(with_self.threw<invalid_state_error>());
    });
    started.set();
    co_await self[0];
  });
}

TEST_P(Wait, CancelledWait_LeavesTheTasksRunning) {
  run([]() -> task<> {
    event gate;
    std::array handles{spawn(seven_behind(gate))};
    auto waiter = co_await spawn_waiting([&]() -> task<> { (void)co_await wait(handles); });

    waiter.cancel();
    const ending how = co_await ending_of(waiter);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_FALSE(handles[0].done());
    gate.set();
    const int got = co_await handles[0];
    EXPECT_EQ(got, 7);
  });
}

TEST_P(Wait, WaitingAgainAndAgainOnOneTask_LeavesNothingOnIt) {
  run([]() -> task<> {
    event gate;
    std::array handles{spawn(seven_behind(gate))};

    for (int i = 0; i < 100; ++i) {
      const wait_result found = co_await wait(handles, return_when::all_completed, 1us);
      EXPECT_EQ(found.pending, indices{0});
    }

    gate.set();
    const int got = co_await handles[0];
    EXPECT_EQ(got, 7);
  });
}

TEST_P(Wait, SecondAwait_Throws) {
  run([]() -> task<> {
    event open;
    open.set();
    std::array handles{spawn(seven_behind(open))};
    auto once = wait(handles);
    auto moved = std::move(once);
    (void)co_await moved;

    const auto wait_again = [](auto& operation) -> task<> { (void)co_await operation; };
    const auto again = co_await catch_all(wait_again(moved));

    EXPECT_TRUE(again.threw<invalid_state_error>());
  });
}

// On four workers ends, limits and cancellations meet.
TEST(WaitStress, EndsLimitsAndCancellations_AreDecidedOnce) {
  std::minstd_rand random(static_cast<unsigned>(stress_seed()));
  weft::run(
      [&]() -> task<> {
        for (int round = 0; round < 300; ++round) {
          std::vector<join_handle<>> handles;
          for (int i = 0; i < 4; ++i)
            handles.push_back(spawn(sleep(std::chrono::microseconds(random() % 200))));
          auto waiter = spawn([&]() -> task<wait_result> {
            co_return co_await wait(handles, return_when::all_completed,
                                    std::chrono::microseconds(random() % 400));
          });
          if (random() % 3 == 0) waiter.cancel();
          const auto outcome = co_await catch_all(waiter);
          if (outcome.ok()) {
            const wait_result found = waiter.result();
            EXPECT_EQ(found.done.size() + found.pending.size(), 4u);
          }
          for (auto& each : handles) co_await each;
        }
      },
      {.workers = 4});
}

}  // namespace
}  // namespace weft::testing
