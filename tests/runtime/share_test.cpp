#include "runtimes.h"
#include <weft/runtime/gather.h>
#include <weft/runtime/share.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/event.h>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

using shared_string = shared_task<std::string>;
static_assert(std::is_same_v<await_result_t<shared_string&>, const std::string&>);
static_assert(std::is_same_v<await_result_t<shared_string>, std::string>);
static_assert(std::is_same_v<await_result_t<shared_task<int&>&>, int&>);
static_assert(std::is_void_v<await_result_t<shared_task<void>&>>);
static_assert(std::is_nothrow_copy_constructible_v<shared_string>);

class Share : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Share, every_kind(), name_of);

task<std::string> count_and_say(std::atomic<int>& runs, event& gate) {
  ++runs;
  co_await gate.wait();
  co_return "said";
}
task<const std::string*> address_of(shared_string work) {
  const std::string& said = co_await work;
  co_return &said;
}
task<> wait_for_it(shared_string work) {
  (void)co_await work;
}

TEST_P(Share, ManyAwaiters_SeeOneRunAndOneValue) {
  run([]() -> task<> {
    std::atomic<int> runs = 0;
    event gate;
    const shared_string work = share(count_and_say(runs, gate));
    std::vector<join_handle<const std::string*>> awaiters;
    for (int i = 0; i < 8; ++i) awaiters.push_back(spawn(address_of(work)));
    co_await yield();
    gate.set();

    const std::vector<const std::string*> seen = co_await gather(awaiters);

    EXPECT_EQ(runs, 1);
    EXPECT_EQ(*seen[0], "said");
    for (const std::string* each : seen) EXPECT_EQ(each, seen[0]);
  });
}

TEST_P(Share, OneThatNobodyAwaits_NeverRuns) {
  run([]() -> task<> {
    std::atomic<int> runs = 0;
    event gate;

    {
      const shared_string dropped = share(count_and_say(runs, gate));
    }
    co_await yield();

    EXPECT_EQ(runs, 0);
  });
}

TEST_P(Share, FinishedTask_GivesItsValueAgainAndToRvaluesACopy) {
  run([]() -> task<> {
    std::atomic<int> runs = 0;
    event gate;
    gate.set();
    shared_string work = share(count_and_say(runs, gate));
    const std::string& first = co_await work;

    const std::string& again = co_await work;
    const std::string copy = co_await std::move(work);

    EXPECT_EQ(&first, &again);
    EXPECT_EQ(copy, "said");
    EXPECT_EQ(runs, 1);
  });
}

TEST_P(Share, VoidReferencesAndMoveOnlyValues_MayBeShared) {
  run([]() -> task<> {
    static int object = 0;
    auto nothing = share([]() -> task<> { co_return; }());
    auto reference = share([]() -> task<int&> { co_return object; }());
    auto unique =
        share([]() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); }());

    co_await nothing;
    int& got = co_await reference;
    const std::unique_ptr<int>& owned = co_await unique;

    EXPECT_EQ(&got, &object);
    EXPECT_EQ(*owned, 3);
  });
}

TEST_P(Share, Failure_ReachesEveryAwaiter) {
  run([]() -> task<> {
    auto work = share([]() -> task<int> {
      co_await yield();
      throw std::runtime_error("shared");
    }());

    for (int i = 0; i < 2; ++i) {
      const auto ended =
          co_await catch_all([](shared_task<int> w) -> task<int> { co_return co_await w; }(work));
      EXPECT_TRUE(ended.threw<std::runtime_error>());
    }
  });
}

TEST_P(Share, CancelledAwaiter_LeavesTheWorkToTheOthers) {
  run([]() -> task<> {
    std::atomic<int> runs = 0;
    event gate;
    const shared_string work = share(count_and_say(runs, gate));
    auto leaving = co_await spawn_waiting(wait_for_it, work);
    auto staying = co_await spawn_waiting(wait_for_it, work);

    leaving.cancel();
    const ending left = co_await ending_of(leaving);
    gate.set();
    const ending stayed = co_await ending_of(staying);

    EXPECT_EQ(left, ending::cancelled);
    EXPECT_EQ(stayed, ending::value);
  });
}

TEST_P(Share, CancellationOfTheLastAwaiter_ReachesTheWorkAndWaitsForItsEnd) {
  run([]() -> task<> {
    event never;
    std::atomic<bool> cleaned = false;
    const shared_string work = share([](event& gate, std::atomic<bool>& done) -> task<std::string> {
      try {
        co_await gate.wait();
      } catch (const cancelled_error&) {
        done = true;
        throw;
      }
      co_return "never";
    }(never, cleaned));
    auto first = co_await spawn_waiting(wait_for_it, work);
    auto last = co_await spawn_waiting(wait_for_it, work);

    first.cancel();
    (void)co_await ending_of(first);
    EXPECT_FALSE(cleaned);
    last.cancel();
    const ending how = co_await ending_of(last);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_TRUE(cleaned);
  });
}

TEST(ShareInTime, TimeLimitOfOneAwaiter_IsItsOwn) {
  test_runtime rt;
  rt.run([&]() -> task<> {
    std::atomic<int> runs = 0;
    event gate;
    const shared_string work = share(count_and_say(runs, gate));
    auto staying = co_await spawn_waiting(wait_for_it, work);

    const auto limited = co_await catch_all(wait_for(shared_string(work), 50ms));

    EXPECT_TRUE(limited.threw<timeout_error>());
    EXPECT_EQ(rt.clock().elapsed(), 50ms);
    gate.set();
    co_await staying;
  });
}

TEST_P(Share, EmptyOne_IsAnInvalidState) {
  run([]() -> task<> {
    std::atomic<int> runs = 0;
    event gate;
    shared_string work = share(count_and_say(runs, gate));
    const shared_string taken = std::move(work);

    const auto ended = co_await catch_all(wait_for_it(std::move(work)));

    EXPECT_TRUE(ended.threw<invalid_state_error>());
  });
}

// On four workers awaiters come and go while the work ends.
TEST(ShareStress, AwaitersThatLeave_NeverEndTheWorkOfOthers) {
  weft::run(
      []() -> task<> {
        for (int round = 0; round < 200; ++round) {
          std::atomic<int> runs = 0;
          event gate;
          const shared_string work = share(count_and_say(runs, gate));
          auto staying = spawn(wait_for_it(work));
          std::vector<join_handle<>> leaving;
          for (int i = 0; i < 6; ++i) leaving.push_back(spawn(wait_for_it(work)));
          co_await yield();
          co_await until_waiting(staying);
          for (auto& each : leaving) each.cancel();
          gate.set();
          const ending how = co_await ending_of(staying);
          EXPECT_EQ(how, ending::value);
          for (auto& each : leaving) (void)co_await ending_of(each);
          EXPECT_EQ(runs, 1);
        }
      },
      {.workers = 4});
}

}  // namespace
}  // namespace weft::testing
