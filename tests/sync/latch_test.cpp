#include "every_runtime.h"
#include <weft/runtime/select.h>
#include <weft/sync/event.h>
#include <weft/sync/latch.h>

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

class Latch : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Latch, every_kind(), name_of);

constinit latch made_before_main(0);

task<> pass(latch& through) {
  co_await through.wait();
}
task<> arrive(latch& through) {
  co_await through.arrive_and_wait();
}

TEST_P(Latch, Zero_LetsAllPassForGood) {
  run([]() -> task<> {
    latch two(2);
    auto a = co_await spawn_waiting(pass, std::ref(two));
    auto b = co_await spawn_waiting(pass, std::ref(two));

    two.count_down();
    EXPECT_FALSE(two.try_wait());
    EXPECT_FALSE(a.done());
    two.count_down();

    co_await a;
    co_await b;
    EXPECT_TRUE(two.try_wait());
    co_await two.wait();
    two.count_down();  // stays at zero
    co_await two.wait();
  });
}

TEST_P(Latch, Arrivals_CountDownAndWait) {
  run([]() -> task<> {
    latch three(3);
    auto a = co_await spawn_waiting(arrive, std::ref(three));
    auto b = co_await spawn_waiting(arrive, std::ref(three));
    EXPECT_FALSE(a.done());

    co_await three.arrive_and_wait();

    co_await a;
    co_await b;
  });
}

TEST_P(Latch, CancelledArrival_TakesItsCountBack) {
  run([]() -> task<> {
    latch two(2);
    auto gone = co_await spawn_waiting(arrive, std::ref(two));

    gone.cancel();
    EXPECT_EQ(co_await end_of(gone), ending::cancelled);
    two.count_down();

    EXPECT_FALSE(two.try_wait());
    two.count_down();
    EXPECT_TRUE(two.try_wait());
  });
}

TEST_P(Latch, CancelledWait_LeavesNothingBehind) {
  run([]() -> task<> {
    latch one(1);
    auto gone = co_await spawn_waiting(pass, std::ref(one));
    gone.cancel();
    EXPECT_EQ(co_await end_of(gone), ending::cancelled);
    one.count_down();
    co_await one.wait();
  });
}

TEST_P(Latch, LosingArrivalOfASelect_TakesItsCountBack) {
  run([]() -> task<> {
    latch two(2);
    event ready;
    auto selecting = co_await spawn_waiting([&]() -> task<std::size_t> {
      auto first = co_await select(two.arrive_and_wait(), ready.wait());
      co_return first.index();
    });

    ready.set();

    EXPECT_EQ(co_await selecting, 1u);
    two.count_down();
    EXPECT_FALSE(two.try_wait());
  });
}

TEST_P(Latch, DestroyedByWhoWaited_IsNotTouchedAnyMore) {
  run([]() -> task<> {
    for (int i = 0; i < 500; ++i) {
      auto done = std::make_unique<latch>(2);
      auto a = spawn([&target = *done]() -> task<> {
        target.count_down();
        co_return;
      });
      auto b = spawn([&target = *done]() -> task<> {
        target.count_down();
        co_return;
      });
      co_await done->wait();
      done.reset();
      co_await a;
      co_await b;
    }
  });
}

TEST_P(Latch, MadeAtZero_NeverWaits) {
  run([]() -> task<> {
    co_await made_before_main.wait();
    co_await made_before_main.arrive_and_wait();
  });
}

}  // namespace
}  // namespace weft::testing
