#include "runtimes.h"
#include <weft/runtime/future.h>
#include <weft/runtime/gather.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/test_runtime.h>
#include <weft/runtime/timeout.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Future : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Future, every_kind(), name_of);
class FutureOrder : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, FutureOrder, kinds_in_order(), name_of);
/// Virtual time takes a wait for a foreign thread for a deadlock.
class FutureOfThread : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, FutureOfThread,
                         ::testing::Values(runtime_kind::one_worker, runtime_kind::four_workers),
                         name_of);
class FutureCallback : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, FutureCallback, every_kind(), name_of);
class FutureReport : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, FutureReport, every_kind(), name_of);

std::exception_ptr an_error(const char* what = "failed") {
  return std::make_exception_ptr(std::runtime_error(what));
}

/// Copies and moves of it fail while `armed`.
struct fragile {
  fragile() = default;
  fragile(const fragile&) { fail(); }
  fragile(fragile&&) { fail(); }  // NOLINT(performance-noexcept-move-constructor): it throws
  fragile& operator=(const fragile&) = default;
  fragile& operator=(fragile&&) = default;
  ~fragile() = default;
  static void fail() {
    if (armed) throw std::runtime_error("cannot be moved");
  }
  static inline bool armed = false;
};

task<int> value_of(future<int> pending) {
  co_return co_await std::move(pending);
}
task<int> value_at(future<int>& pending) {
  co_return co_await pending;
}

// ---- States -------------------------------------------------------------------------------------

TEST(FutureState, Future_BeginsPending) {
  promise<int> source;
  auto pending = source.get_future();

  EXPECT_FALSE(pending.done());
  EXPECT_FALSE(pending.cancelled());
  EXPECT_FALSE(source.done());
}

TEST(FutureState, Value_CompletesIt) {
  promise<int> source;
  auto pending = source.get_future();

  source.set_value(7);

  EXPECT_TRUE(pending.done());
  EXPECT_FALSE(pending.cancelled());
  EXPECT_EQ(pending.result(), 7);
}

TEST(FutureState, Exception_CompletesIt) {
  promise<int> source;
  auto pending = source.get_future();

  source.set_exception(an_error());

  EXPECT_TRUE(pending.done());
  EXPECT_FALSE(pending.cancelled());
  EXPECT_THROW((void)pending.result(), std::runtime_error);
}

TEST(FutureState, ResultBeforeCompletion_IsAnInvalidState) {
  promise<int> source;
  auto pending = source.get_future();

  EXPECT_THROW((void)pending.result(), invalid_state_error);
}

TEST(FutureState, SecondCompletion_IsAnInvalidState) {
  promise<int> source;
  auto pending = source.get_future();
  source.set_value(1);

  EXPECT_THROW(source.set_value(2), invalid_state_error);
  EXPECT_THROW(source.set_exception(an_error()), invalid_state_error);
  EXPECT_EQ(pending.result(), 1);
}

TEST(FutureState, SecondTry_IsRefused) {
  promise<int> source;
  auto pending = source.get_future();

  EXPECT_TRUE(source.try_set_value(1));
  EXPECT_FALSE(source.try_set_value(2));
  EXPECT_FALSE(source.try_set_exception(an_error()));
  EXPECT_EQ(pending.result(), 1);
}

TEST(FutureState, Cancel_CompletesAPendingOne) {
  promise<int> source;
  auto pending = source.get_future();

  EXPECT_TRUE(pending.cancel());

  EXPECT_TRUE(pending.done());
  EXPECT_TRUE(pending.cancelled());
  EXPECT_TRUE(source.done());
  EXPECT_THROW((void)pending.result(), cancelled_error);
}

TEST(FutureState, Cancel_ChangesNothingOfAFinishedOne) {
  promise<int> source;
  auto pending = source.get_future();
  source.set_value(7);

  EXPECT_FALSE(pending.cancel());

  EXPECT_FALSE(pending.cancelled());
  EXPECT_EQ(pending.result(), 7);
}

TEST(FutureState, CompletionAfterCancel_IsHarmlessWhenTried) {
  promise<int> source;
  auto pending = source.get_future();
  pending.cancel();

  EXPECT_FALSE(source.try_set_value(1));
  EXPECT_FALSE(source.try_set_exception(an_error()));
  EXPECT_TRUE(pending.cancelled());
}

TEST(FutureState, CancelledErrorAsException_IsACancellation) {
  promise<int> source;
  auto pending = source.get_future();

  source.set_exception(std::make_exception_ptr(cancelled_error()));

  EXPECT_TRUE(pending.cancelled());
}

TEST(FutureState, NoException_IsRefused) {
  promise<int> source;

  EXPECT_THROW(source.set_exception(nullptr), std::invalid_argument);
  EXPECT_FALSE(source.done());
}

TEST(FutureState, DroppedPromise_IsBroken) {
  auto source = std::make_unique<promise<int>>();
  auto pending = source->get_future();

  source.reset();

  EXPECT_TRUE(pending.done());
  EXPECT_THROW((void)pending.result(), broken_promise);
}

TEST(FutureState, AssignedPromise_BreaksTheOneBefore) {
  promise<int> source;
  auto pending = source.get_future();

  source = promise<int>();

  EXPECT_THROW((void)pending.result(), broken_promise);
  EXPECT_FALSE(source.done());
}

TEST(FutureState, MovedPromise_KeepsItsFuture) {
  promise<int> source;
  auto pending = source.get_future();

  promise<int> moved(std::move(source));
  moved.set_value(3);

  EXPECT_EQ(pending.result(), 3);
}

TEST(FutureState, ValueThatCannotBeMoved_LeavesItPending) {
  promise<fragile> source;
  auto pending = source.get_future();
  const fragile value;
  fragile::armed = true;

  EXPECT_THROW(source.set_value(value), std::runtime_error);

  fragile::armed = false;
  EXPECT_FALSE(pending.done());
  EXPECT_TRUE(source.try_set_value(value));
}

static_assert(!std::is_copy_constructible_v<future<int>> &&
              !std::is_copy_assignable_v<future<int>>);
static_assert(std::is_nothrow_move_constructible_v<future<int>>);

TEST(FutureState, GetFuture_IsCalledOnce) {
  promise<int> source;
  auto pending = source.get_future();

  EXPECT_THROW((void)source.get_future(), invalid_state_error);
}

TEST(FutureState, EmptyOnes_AreAnInvalidState) {
  future<int> none;
  promise<int> source;
  const promise<int> moved(std::move(source));

  EXPECT_FALSE(none);
  EXPECT_FALSE(none.done());
  EXPECT_FALSE(none.cancel());
  EXPECT_THROW((void)none.result(), invalid_state_error);
  EXPECT_THROW((void)none.get(), invalid_state_error);
  EXPECT_THROW(none.add_done_callback([] {}), invalid_state_error);
  // NOLINTNEXTLINE(bugprone-use-after-move): that is the test
  EXPECT_THROW((void)source.get_future(), invalid_state_error);
  EXPECT_THROW(source.set_value(1), invalid_state_error);
}

TEST(FutureState, Completers_HaveOneWinner) {
  constexpr int rounds = 2000;
  for (int round = 0; round < rounds; ++round) {
    promise<int> source;
    auto pending = source.get_future();
    std::atomic<int> winners{0};
    std::latch start(3);

    {
      std::jthread first([&] {
        start.arrive_and_wait();
        winners += source.try_set_value(1) ? 1 : 0;
      });
      std::jthread second([&] {
        start.arrive_and_wait();
        winners += source.try_set_exception(std::make_exception_ptr(cancelled_error())) ? 1 : 0;
      });
      start.arrive_and_wait();
      winners += pending.cancel() ? 1 : 0;
    }

    ASSERT_EQ(winners, 1);
    ASSERT_TRUE(pending.done());
  }
}

// ---- Awaiting -----------------------------------------------------------------------------------

TEST_P(Future, Await_GivesTheValue) {
  run([]() -> task<> {
    promise<std::string> source;
    auto pending = source.get_future();
    auto waiter = spawn([](future<std::string>& f) -> task<std::string> { co_return co_await f; },
                        std::ref(pending));
    co_await until_waiting(waiter);

    source.set_value("value");

    const std::string got = co_await waiter;
    EXPECT_EQ(got, "value");
  });
}

TEST_P(Future, Await_RethrowsTheException) {
  run([]() -> task<> {
    promise<> source;
    source.set_exception(an_error());

    const auto got = co_await catch_all(source.get_future());

    EXPECT_TRUE(got.threw<std::runtime_error>());
  });
}

TEST_P(Future, AwaitOfACancelledOne_IsACancellation) {
  run([]() -> task<> {
    promise<int> source;
    auto pending = source.get_future();
    auto waiter = co_await spawn_waiting(value_at, std::ref(pending));

    pending.cancel();

    const ending end = co_await end_of(waiter);
    EXPECT_EQ(end, ending::cancelled);
  });
}

TEST_P(Future, AwaitOfABrokenOne_Throws) {
  run([]() -> task<> {
    auto source = std::make_unique<promise<int>>();
    auto waiter = co_await spawn_waiting(value_of, source->get_future());

    source.reset();

    const auto got = co_await catch_all(waiter);
    EXPECT_TRUE(got.threw<broken_promise>());
  });
}

TEST_P(FutureOrder, AwaitOfAFinishedOne_DoesNotSuspend) {
  run([]() -> task<> {
    promise<int> source;
    source.set_value(7);
    bool others_ran = false;
    auto other = spawn([&others_ran]() -> task<> {
      others_ran = true;
      co_return;
    });

    const int value = co_await source.get_future();

    EXPECT_EQ(value, 7);
    EXPECT_FALSE(others_ran);
    co_await other;
  });
}

TEST_P(Future, FinishedOnesInALoop_LetOthersRun) {
  run([]() -> task<> {
    promise<> source;
    const auto pending = source.get_future().share();
    source.set_value();
    std::atomic<bool> others_ran = false;
    auto other = spawn([&others_ran]() -> task<> {
      others_ran = true;
      co_return;
    });

    for (int i = 0; i < 1'000'000 && !others_ran; ++i) co_await pending;

    EXPECT_TRUE(others_ran);
    co_await other;
  });
}

TEST_P(Future, MoveOnlyValue_IsMovedOut) {
  run([]() -> task<> {
    promise<std::unique_ptr<int>> source;
    source.set_value(std::make_unique<int>(7));

    const std::unique_ptr<int> got = co_await source.get_future();

    EXPECT_EQ(*got, 7);
  });
}

TEST_P(Future, Reference_GivesTheObjectItself) {
  run([]() -> task<> {
    promise<int&> source;
    int object = 0;
    source.set_value(object);
    auto pending = source.get_future();

    int& got = co_await pending;

    EXPECT_EQ(&got, &object);
    int& again = co_await pending;
    EXPECT_EQ(&again, &object);
  });
}

TEST_P(Future, Value_IsTakenOnce) {
  run([]() -> task<> {
    promise<int> source;
    auto pending = source.get_future();
    source.set_value(7);
    const int first = co_await pending;

    const auto second = co_await catch_all(value_at(pending));

    EXPECT_EQ(first, 7);
    EXPECT_TRUE(second.threw<invalid_state_error>());
    EXPECT_THROW((void)pending.result(), invalid_state_error);
  });
}

TEST_P(Future, Void_MayBeAwaitedAgain) {
  run([]() -> task<> {
    promise<> source;
    auto pending = source.get_future();
    source.set_value();

    co_await pending;
    co_await pending;

    EXPECT_TRUE(pending.done());
  });
}

TEST_P(Future, AwaiterAwaitedTwice_IsAnInvalidState) {
  run([]() -> task<> {
    promise<int> source;
    source.set_value(1);
    auto awaiter = source.get_future().operator co_await();
    const int value = co_await awaiter;
    EXPECT_EQ(value, 1);

    bool refused = false;
    try {
      [[maybe_unused]] const int again = co_await awaiter;
    } catch (const invalid_state_error&) {
      refused = true;
    }

    EXPECT_TRUE(refused);
  });
}

TEST_P(Future, AwaiterOfATemporary_KeepsTheState) {
  run([]() -> task<> {
    auto source = std::make_unique<promise<int>>();
    auto awaiter = source->get_future().operator co_await();
    source->set_value(5);
    source.reset();

    const int value = co_await awaiter;

    EXPECT_EQ(value, 5);
  });
}

TEST_P(Future, EmptyOne_IsAnInvalidStateToAwait) {
  run([]() -> task<> {
    const auto got = co_await catch_all(value_of(future<int>()));

    EXPECT_TRUE(got.threw<invalid_state_error>());
  });
}

TEST_P(Future, Combinators_TakeFutures) {
  run([]() -> task<> {
    promise<int> one;
    promise<> two;
    auto both = spawn(
        [](future<int> a, future<> b) -> task<int> {
          auto [value, nothing] = co_await gather(std::move(a), std::move(b));
          (void)nothing;
          co_return value;
        },
        one.get_future(), two.get_future());

    two.set_value();
    one.set_value(4);

    const int value = co_await both;
    EXPECT_EQ(value, 4);
  });
}

// ---- Cancellation of the one who waits ----------------------------------------------------------

TEST_P(Future, CancelledWait_TakesNothing) {
  run([]() -> task<> {
    promise<int> source;
    auto pending = source.get_future();
    auto waiter = co_await spawn_waiting(value_at, std::ref(pending));

    waiter.cancel();
    const ending end = co_await end_of(waiter);

    EXPECT_EQ(end, ending::cancelled);
    EXPECT_FALSE(pending.done());
    source.set_value(7);
    const int value = co_await pending;
    EXPECT_EQ(value, 7);
  });
}

TEST(FutureTime, ExpiredWait_LeavesTheFuture) {
  test_runtime rt;
  rt.run([]() -> task<> {
    promise<int> source;
    auto pending = source.get_future();

    const auto got = co_await catch_all(wait_for(pending, 50ms));

    EXPECT_TRUE(got.threw<timeout_error>());
    EXPECT_FALSE(pending.done());
    source.set_value(1);
  });
  EXPECT_EQ(rt.clock().elapsed(), 50ms);
}

TEST_P(FutureOrder, CompletionBeforeCancellation_Wins) {
  run([]() -> task<> {
    promise<int> source;
    auto pending = source.get_future();
    auto waiter = co_await spawn_waiting(value_at, std::ref(pending));

    source.set_value(7);
    waiter.cancel();

    const auto got = co_await catch_all(waiter);
    EXPECT_FALSE(got.threw<cancelled_error>());
    EXPECT_EQ(waiter.result(), 7);
  });
}

TEST_P(FutureOrder, CancellationBeforeCompletion_Wins) {
  run([]() -> task<> {
    promise<int> source;
    auto pending = source.get_future();
    auto waiter = co_await spawn_waiting(value_at, std::ref(pending));

    waiter.cancel();
    source.set_value(7);

    const ending end = co_await end_of(waiter);
    EXPECT_EQ(end, ending::cancelled);
    EXPECT_EQ(pending.result(), 7);
  });
}

// ---- Several takers -----------------------------------------------------------------------------

TEST_P(Future, SharedFuture_GivesAllTheSameOutcome) {
  run([]() -> task<> {
    promise<std::string> source;
    const auto shared = source.get_future().share();
    std::vector<join_handle<const std::string*>> readers;
    for (int i = 0; i < 10; ++i) {
      readers.push_back(co_await spawn_waiting(
          [](shared_future<std::string> mine) -> task<const std::string*> {
            const std::string& value = co_await mine;
            co_return &value;
          },
          shared));
    }

    source.set_value("all");

    const std::string& value = co_await shared;
    EXPECT_EQ(value, "all");
    for (auto& each : readers) {
      const std::string* const seen = co_await each;
      EXPECT_EQ(seen, &value);
    }
  });
}

TEST_P(Future, SharedFuture_RethrowsToAll) {
  run([]() -> task<> {
    promise<> source;
    const auto shared = source.get_future().share();
    source.set_exception(an_error());

    const auto first = co_await catch_all(shared_future<>(shared));
    const auto second = co_await catch_all(shared_future<>(shared));

    EXPECT_TRUE(first.threw<std::runtime_error>());
    EXPECT_TRUE(second.threw<std::runtime_error>());
  });
}

TEST_P(Future, TemporarySharedFuture_GivesACopy) {
  run([]() -> task<> {
    promise<std::string> source;
    auto shared = source.get_future().share();
    source.set_value("copied");

    const std::string copy = co_await shared_future<std::string>(shared);

    EXPECT_EQ(copy, "copied");
    EXPECT_EQ(shared.result(), "copied");
  });
}

TEST_P(FutureOrder, Waiters_WakeFirstInFirstOut) {
  run([]() -> task<> {
    promise<> source;
    const auto shared = source.get_future().share();
    std::string log;
    std::vector<join_handle<>> waiters;
    for (const char name : {'a', 'b', 'c', 'd'}) {
      waiters.push_back(co_await spawn_waiting(
          [](shared_future<> mine, std::string& out, char me) -> task<> {
            co_await mine;
            out += me;
          },
          shared, std::ref(log), name));
    }
    waiters[1].cancel();

    source.set_value();
    for (auto& each : waiters) {
      [[maybe_unused]] const ending end = co_await end_of(each);
    }

    EXPECT_EQ(log, "acd");
  });
}

// ---- Threads ------------------------------------------------------------------------------------

TEST_P(FutureOfThread, ForeignThread_CompletesIt) {
  run([]() -> task<> {
    for (int i = 0; i < 200; ++i) {
      promise<int> source;
      auto pending = source.get_future();
      const std::jthread foreign([&source, i] { source.set_value(i); });

      const int value = co_await pending;

      EXPECT_EQ(value, i);
    }
  });
}

TEST_P(FutureOfThread, PromiseOwnedByTheThread_MayDieRightAfterIt) {
  run([]() -> task<> {
    for (int i = 0; i < 200; ++i) {
      promise<int> source;
      auto pending = source.get_future();
      std::jthread foreign([mine = std::move(source), i]() mutable { mine.set_value(i); });

      const int value = co_await std::move(pending);

      EXPECT_EQ(value, i);
    }
  });
}

TEST_P(FutureOfThread, CancellationMeetsCompletion_OneOutcome) {
  run([]() -> task<> {
    for (int i = 0; i < 300; ++i) {
      promise<int> source;
      auto pending = source.get_future();
      auto waiter = co_await spawn_waiting(value_at, std::ref(pending));
      std::jthread foreign([&source] { source.set_value(1); });

      waiter.cancel();
      const ending end = co_await end_of(waiter);

      foreign.join();
      // Either the waiter has the value, or it is still there.
      if (end == ending::cancelled) {
        EXPECT_EQ(pending.result(), 1);
      } else {
        EXPECT_THROW((void)pending.result(), invalid_state_error);
      }
    }
  });
}

TEST(FutureThreads, Get_BlocksAPlainThread) {
  promise<int> source;
  auto pending = source.get_future();
  std::jthread foreign([&source] { source.set_value(7); });

  EXPECT_EQ(pending.get(), 7);
  EXPECT_THROW((void)pending.get(), invalid_state_error);
}

TEST(FutureThreads, Get_WakesAllThreads) {
  promise<int> source;
  const auto shared = source.get_future().share();
  std::atomic<int> sum{0};
  {
    std::vector<std::jthread> readers;
    for (int i = 0; i < 4; ++i) readers.emplace_back([&] { sum += shared.get(); });
    source.set_value(10);
  }

  EXPECT_EQ(sum, 40);
}

TEST_P(Future, GetOnAWorker_IsALogicError) {
  run([]() -> task<> {
    promise<int> source;
    auto pending = source.get_future();

    EXPECT_THROW((void)pending.get(), std::logic_error);
    source.set_value(1);
    co_return;
  });
}

TEST(FutureThreads, AwaitAcrossRuntimes_ResumesInTheWaitersOwn) {
  runtime other({.workers = 2});
  weft::run(
      [&other]() -> task<> {
        const runtime* const home = &runtime::current();
        for (int i = 0; i < 100; ++i) {
          promise<int> source;
          auto pending = source.get_future();
          auto completer = other.spawn(
              [](promise<int>& p) -> task<> {
                p.set_value(7);
                co_return;
              },
              std::ref(source));

          const int value = co_await pending;

          EXPECT_EQ(value, 7);
          EXPECT_EQ(&runtime::current(), home);
          while (!completer.done()) co_await yield();
        }
      },
      {.workers = 2});
}

// ---- Done callbacks -----------------------------------------------------------------------------

/// Set while this thread is inside a call that must not run callbacks.
thread_local bool inside_call = false;
template <class F>
void marked(F call) {
  inside_call = true;
  call();
  inside_call = false;
}

TEST_P(FutureCallback, Callbacks_RunOnceEachInTheOrderOfRegistration) {
  run([]() -> task<> {
    promise<> source;
    auto pending = source.get_future();
    std::string log;
    promise<> last;
    for (const char name : {'a', 'b', 'c'}) {
      pending.add_done_callback([&log, name] { log += name; });
    }
    pending.add_done_callback([&last] { last.set_value(); });

    source.set_value();
    co_await last.get_future();

    EXPECT_EQ(log, "abc");
  });
}

TEST_P(FutureCallback, Completion_DoesNotRunThem) {
  run([]() -> task<> {
    promise<> source;
    auto pending = source.get_future();
    promise<bool> called;
    pending.add_done_callback([&called] { called.set_value(inside_call); });

    marked([&source] { source.set_value(); });

    const bool was_inside = co_await called.get_future();
    EXPECT_FALSE(was_inside);
  });
}

TEST_P(FutureCallback, CallbackAddedAfterCompletion_IsDeferredToo) {
  run([]() -> task<> {
    promise<> source;
    auto pending = source.get_future();
    source.set_value();
    promise<bool> called;

    marked([&] { pending.add_done_callback([&called] { called.set_value(inside_call); }); });

    const bool was_inside = co_await called.get_future();
    EXPECT_FALSE(was_inside);
  });
}

TEST_P(FutureCallback, CancellationAndExceptions_CallThem) {
  run([]() -> task<> {
    promise<> source;
    auto pending = source.get_future();
    promise<> called;
    pending.add_done_callback([&called] { called.set_value(); });

    pending.cancel();
    co_await called.get_future();

    auto dropped = std::make_unique<promise<>>();
    auto broken = dropped->get_future();
    promise<> called_too;
    broken.add_done_callback([&called_too] { called_too.set_value(); });

    dropped.reset();
    co_await called_too.get_future();
    EXPECT_TRUE(broken.done());
  });
}

TEST_P(FutureCallback, DroppedFuture_StillCallsThem) {
  run([]() -> task<> {
    promise<> source;
    promise<> called;
    source.get_future().add_done_callback([&called] { called.set_value(); });

    source.set_value();

    co_await called.get_future();
  });
}

TEST_P(FutureCallback, Callback_MayAddAnother) {
  run([]() -> task<> {
    promise<> source;
    const auto pending = source.get_future().share();
    promise<> called;
    pending.add_done_callback(
        [pending, &called] { pending.add_done_callback([&called] { called.set_value(); }); });

    source.set_value();

    co_await called.get_future();
  });
}

TEST_P(FutureCallback, WhatItThrows_IsReportedAndTheNextIsCalled) {
  run([]() -> task<> {
    std::string reported;
    runtime::current().set_exception_handler(
        [&reported](const exception_context& context) { reported = context.message; });
    promise<> source;
    auto pending = source.get_future();
    promise<> called;
    pending.add_done_callback([] { throw std::runtime_error("callback"); });
    pending.add_done_callback([&called] { called.set_value(); });

    source.set_value();

    co_await called.get_future();
    EXPECT_EQ(reported, "exception in a done callback");
    runtime::current().set_exception_handler(nullptr);
  });
}

TEST_P(FutureCallback, EndOfTheRuntime_DropsThemUncalled) {
  const auto token = std::make_shared<int>(0);
  std::atomic<bool> called = false;
  promise<> source;
  auto pending = source.get_future();

  run([&, token]() -> task<> {
    pending.add_done_callback([&called, token] { called = true; });
    co_return;
  });
  EXPECT_EQ(token.use_count(), 1);

  source.set_value();
  EXPECT_FALSE(called);
}

TEST(FutureDirectCallback, OutsideOfARuntime_TheCompleterCallsIt) {
  promise<> source;
  auto pending = source.get_future();
  std::thread::id called_on;
  pending.add_done_callback([&called_on] { called_on = std::this_thread::get_id(); });

  std::thread::id completed_on;
  std::jthread([&] {
    completed_on = std::this_thread::get_id();
    source.set_value();
  }).join();

  EXPECT_EQ(called_on, completed_on);
}

TEST(FutureDirectCallback, OutsideOfARuntime_AFinishedOneCallsItAtOnce) {
  promise<> source;
  auto pending = source.get_future();
  source.set_value();
  bool called = false;

  pending.add_done_callback([&called] { called = true; });

  EXPECT_TRUE(called);
}

// ---- Exceptions that nobody retrieved -----------------------------------------------------------

/// Collects what the exception handler of the current runtime is told.
class reports {
 public:
  reports() {
    runtime::current().set_exception_handler(
        [this](const exception_context& context) { messages_.emplace_back(context.message); });
  }
  ~reports() { runtime::current().set_exception_handler(nullptr); }
  reports(const reports&) = delete;
  reports& operator=(const reports&) = delete;
  [[nodiscard]] const std::vector<std::string>& messages() const { return messages_; }

 private:
  std::vector<std::string> messages_;
};

TEST_P(FutureReport, ExceptionNobodyLookedAt_IsReportedWhenTheLastHolderGoes) {
  run([]() -> task<> {
    const reports seen;
    auto source = std::make_unique<promise<>>();
    auto pending = std::make_unique<shared_future<>>(source->get_future().share());
    source->set_exception(an_error());

    source.reset();
    EXPECT_THAT(seen.messages(), IsEmpty());
    pending.reset();

    EXPECT_THAT(seen.messages(), ElementsAre("future exception was never retrieved"));
    co_return;
  });
}

TEST_P(FutureReport, RetrievedException_IsNotReported) {
  run([]() -> task<> {
    const reports seen;
    {
      promise<> awaited;
      promise<> asked;
      awaited.set_exception(an_error());
      asked.set_exception(an_error());
      const auto got = co_await catch_all(awaited.get_future());
      EXPECT_TRUE(got.threw<std::runtime_error>());
      EXPECT_THROW(asked.get_future().result(), std::runtime_error);
    }

    EXPECT_THAT(seen.messages(), IsEmpty());
  });
}

TEST_P(FutureReport, ValuesCancellationsAndBrokenPromises_AreNotReported) {
  run([]() -> task<> {
    const reports seen;
    {
      promise<int> value;
      auto with_value = value.get_future();
      value.set_value(1);
      promise<int> cancelled;
      auto with_cancellation = cancelled.get_future();
      with_cancellation.cancel();
      auto with_broken_promise = promise<int>().get_future();
    }

    EXPECT_THAT(seen.messages(), IsEmpty());
    co_return;
  });
}

TEST_P(FutureReport, CancelOfAFailedOne_DoesNotHideTheException) {
  run([]() -> task<> {
    const reports seen;
    {
      promise<> source;
      auto pending = source.get_future();
      source.set_exception(an_error());
      EXPECT_FALSE(pending.cancel());
    }

    EXPECT_THAT(seen.messages(), ElementsAre("future exception was never retrieved"));
    co_return;
  });
}

TEST(FutureReportOutside, ExceptionNobodyLookedAt_GoesToStandardError) {
  ::testing::internal::CaptureStderr();
  {
    promise<> source;
    source.set_exception(an_error("nobody saw this"));
  }

  const std::string printed = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(printed, HasSubstr("never retrieved: nobody saw this"));
}

}  // namespace
}  // namespace weft::testing
