#include "runtimes.h"
#include <weft/runtime/gather.h>
#include <weft/runtime/shield.h>
#include <weft/runtime/sleep.h>
#include <weft/sync/event.h>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

class Shield : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Shield, every_kind(), name_of);

task<int> seven_behind(event& gate) {
  co_await gate.wait();
  co_return 7;
}
task<> fail_behind(event& gate) {
  co_await gate.wait();
  throw std::runtime_error("inner");
}

TEST_P(Shield, CancelledAwaiter_LeavesTheWorkAlone) {
  run([]() -> task<> {
    event gate;
    auto work = co_await spawn_waiting(seven_behind, std::ref(gate));
    auto outer = co_await spawn_waiting([&]() -> task<> { (void)co_await shield(work); });

    outer.cancel();
    const ending how = co_await ending_of(outer);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_FALSE(work.done());
    gate.set();
    const int got = co_await work;
    EXPECT_EQ(got, 7);
  });
}

TEST_P(Shield, Value_PassesThrough) {
  run([]() -> task<> {
    event gate;
    auto work = spawn(seven_behind(gate));
    gate.set();

    const int got = co_await shield(work);

    EXPECT_EQ(got, 7);
  });
}

TEST_P(Shield, ShieldOfAnEmptyHandle_Throws) {
  run([]() -> task<> {
    join_handle<> empty;

    const auto ended = co_await catch_all(shield(empty));

    EXPECT_TRUE(ended.threw<invalid_state_error>());
  });
}

TEST_P(Shield, Failure_PassesThrough) {
  run([]() -> task<> {
    event gate;
    auto work = spawn(fail_behind(gate));
    gate.set();

    const auto ended = co_await catch_all(shield(work));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
  });
}

TEST_P(Shield, CancellationOfTheWork_PassesThrough) {
  run([]() -> task<> {
    event never;
    auto work = co_await spawn_waiting(seven_behind, std::ref(never));
    auto outer = co_await spawn_waiting([&]() -> task<> { (void)co_await shield(work); });

    work.cancel();
    const ending how = co_await ending_of(outer);

    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(Shield, FinishedWork_GivesItsValueWithoutSuspending) {
  run([]() -> task<> {
    join_handle<> self;
    event assigned;
    self = spawn([&]() -> task<> {
      auto work = spawn([]() -> task<int> { co_return 7; });
      (void)co_await work;
      co_await assigned.wait();
      self.cancel();
      const int got = co_await shield(work);  // no cancellation point
      EXPECT_EQ(got, 7);
    });

    assigned.set();
    const ending how = co_await ending_of(self);

    EXPECT_EQ(how, ending::value);
  });
}

TEST_P(Shield, ShieldOfATask_StartsItAndTheRuntimeOwnsIt) {
  run([]() -> task<> {
    event gate;
    event finished;
    const auto work = [&]() -> task<> {
      co_await gate.wait();
      finished.set();
    };
    auto outer = co_await spawn_waiting([&]() -> task<> { co_await shield(work()); });

    outer.cancel();
    const ending how = co_await ending_of(outer);
    gate.set();
    co_await finished.wait();

    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(Shield, ShieldedGather_SurvivesItsAwaiter) {
  run([]() -> task<> {
    event gate;
    int got = 0;
    event finished;
    const auto both = [&]() -> task<> {
      const auto [a, b] = co_await gather(seven_behind(gate), seven_behind(gate));
      got = a + b;
      finished.set();
    };
    auto outer = co_await spawn_waiting([&]() -> task<> { co_await shield(both()); });

    outer.cancel();
    const ending how = co_await ending_of(outer);
    gate.set();
    co_await finished.wait();

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_EQ(got, 14);
  });
}

TEST_P(Shield, FailureAfterTheAwaiterWasCancelled_IsReportedOnlyIfNobodyElseLooks) {
  for (const bool somebody_looks : {false, true}) {
    std::atomic<int> reports{0};
    run([&]() -> task<> {
      runtime::current().set_exception_handler([&](const exception_context&) { ++reports; });
      event gate;
      auto work = co_await spawn_waiting(fail_behind, std::ref(gate));
      auto outer = co_await spawn_waiting([&]() -> task<> { co_await shield(work); });
      outer.cancel();
      (void)co_await ending_of(outer);
      gate.set();
      while (!work.done()) co_await yield();
      if (somebody_looks) {
        EXPECT_NE(work.exception(), nullptr);
      }
    });
    EXPECT_EQ(reports.load(), somebody_looks ? 0 : 1);
  }
}

TEST_P(Shield, ManyCancelledShields_LeaveNothingOnTheWork) {
  run([]() -> task<> {
    event gate;
    auto work = co_await spawn_waiting(seven_behind, std::ref(gate));
    for (int i = 0; i < 50; ++i) {
      auto outer = co_await spawn_waiting([&]() -> task<> { (void)co_await shield(work); });
      outer.cancel();
      (void)co_await ending_of(outer);
    }

    gate.set();
    const int got = co_await work;

    EXPECT_EQ(got, 7);
  });
}

}  // namespace
}  // namespace weft::testing
