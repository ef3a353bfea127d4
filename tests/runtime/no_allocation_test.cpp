// Promise 6: paths that run where nobody could handle a failure (wake, cancel, complete, fire,
// destroy) take no memory. Each path alone, warm and under a virtual clock; those of the primitives
// and of sockets are in sync/ and net/.

#include "allocations.h"
#include "detail/manual_gate.h"
#include "runtimes.h"
#include <weft/runtime/async_generator.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/detail/timer_wheel.h>
#include <weft/runtime/future.h>
#include <weft/runtime/gather.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/select.h>
#include <weft/runtime/shield.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/test_runtime.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/event.h>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

/// Spawns `child`, lets it run until it waits, and counts from `act(handle)` to the child's end.
/// The second of two rounds: pools and caches are warm.
template <class Child, class Act>
std::size_t allocations_until_its_end(Child child, Act act) {
  test_runtime rt;
  std::size_t made = 0;
  rt.run([&]() -> task<> {
    for (int round = 0; round < 2; ++round) {
      auto handle = co_await spawn_waiting(child);
      const std::size_t before = allocations();
      act(handle);
      (void)co_await ending_of(handle);  // an await: virtual time goes on
      made = allocations() - before;
    }
  });
  return made;
}
void do_nothing(join_handle<>&) {}
void cancel_it(join_handle<>& handle) {
  handle.cancel();
}

task<> sleep_an_hour() {
  co_await sleep(1h);
}
task<> sleep_a_moment() {
  co_await sleep(1ms);
}

/// Of what the rest of a round costs when the child waits for `awaited` and is cancelled.
std::size_t allocations_of_cancelling(std::function<task<>()> child) {
  return allocations_until_its_end([child]() -> task<> { co_await child(); }, cancel_it);
}

// ---- Wake and complete --------------------------------------------------------------------------

TEST(NoAllocation, Wake_OfAWaitingTaskAndItsEnd) {
  manual_gate gate;

  const std::size_t made =
      allocations_until_its_end([&gate]() -> task<> { co_await gate.wait(); },
                                [&gate](join_handle<>&) { (void)gate.open(); });

  EXPECT_EQ(made, 0u);
}

TEST(NoAllocation, Completion_OfAPromiseWithAValue) {
  std::optional<promise<int>> source;

  const std::size_t made = allocations_until_its_end(
      [&]() -> task<> {
        source.emplace();
        (void)co_await source->get_future();
      },
      [&](join_handle<>&) { source->set_value(7); });

  EXPECT_EQ(made, 0u);
}

TEST(NoAllocation, Completion_OfATaskWithSeveralWaiters) {
  manual_gate gate;
  test_runtime rt;
  std::size_t made = 0;

  rt.run([&]() -> task<> {
    auto child = co_await spawn_waiting([&]() -> task<> { co_await gate.wait(); });
    int told = 0;
    child.add_done_callback([&] { ++told; });
    auto joining = co_await spawn_waiting([&]() -> task<> { co_await child; });

    const std::size_t before = allocations();
    (void)gate.open();
    while (!joining.done()) co_await yield();
    made = allocations() - before;

    EXPECT_EQ(told, 1);
    co_await joining;
  });

  EXPECT_EQ(made, 0u);
}

TEST(NoAllocation, Completion_WithAnExceptionThatExists) {
  std::exception_ptr failure;
  manual_gate gate;

  const std::size_t made = allocations_until_its_end(
      [&]() -> task<> {
        failure = std::make_exception_ptr(std::runtime_error("expected"));
        co_await gate.wait();
        std::rethrow_exception(failure);
      },
      [&](join_handle<>&) { (void)gate.open(); });

  EXPECT_EQ(made, 0u);
}

/// A task group whose children wait for `gate`; `act` opens it or cancels. Counts to the end of the
/// last child, before the group throws what they failed with.
template <class Child, class Act>
std::size_t allocations_of_the_ends_of_children(Child child, Act act) {
  test_runtime rt;
  std::size_t made = 0;
  for (int round = 0; round < 2; ++round) {
    rt.run([&]() -> task<> {
      auto body = [&](task_group& group) -> task<> {
        std::vector<join_handle<>> children;
        for (int i = 0; i < 3; ++i) {
          children.push_back(group.spawn(child));
          co_await until_waiting(children.back());
        }
        const cancel_shield shield;  // so that it counts to the end although the group has failed
        const std::size_t before = allocations();
        act(children);
        for (auto& each : children) {
          while (!each.done()) co_await yield();
        }
        made = allocations() - before;
      };
      (void)co_await catch_all(with_task_group(std::ref(body)));
    });
  }
  return made;
}

TEST(NoAllocation, Completion_OfTheChildrenOfATaskGroup) {
  manual_gate gates[3];
  int next = 0;

  const std::size_t made =
      allocations_of_the_ends_of_children([&]() -> task<> { co_await gates[next++ % 3].wait(); },
                                          [&](auto&) {
                                            for (manual_gate& each : gates) (void)each.open();
                                          });

  EXPECT_EQ(made, 0u);
}

TEST(NoAllocation, Cancellation_OfTheChildrenOfATaskGroup) {
  const std::size_t made = allocations_of_the_ends_of_children(sleep_an_hour, [](auto& children) {
    for (auto& each : children) each.cancel();
  });

  EXPECT_EQ(made, 0u);
}

TEST(NoAllocation, Failure_OfAChildOfATaskGroupThatCancelsTheOthers) {
  const std::exception_ptr failure = std::make_exception_ptr(std::runtime_error("expected"));
  manual_gate gate;
  int next = 0;

  const std::size_t made = allocations_of_the_ends_of_children(
      [&]() -> task<> {
        if (next++ % 3 != 0) co_await sleep(1h);
        co_await gate.wait();
        std::rethrow_exception(failure);
      },
      [&](auto&) { (void)gate.open(); });

  EXPECT_EQ(made, 0u);
}

// ---- Cancel -------------------------------------------------------------------------------------

TEST(NoAllocation, Cancellation_OfASleep) {
  EXPECT_EQ(allocations_of_cancelling(sleep_an_hour), 0u);
}

TEST(NoAllocation, Cancellation_OfAJoin) {
  EXPECT_EQ(allocations_of_cancelling([]() -> task<> { co_await spawn(sleep_an_hour()); }), 0u);
}

TEST(NoAllocation, Cancellation_OfAGather) {
  EXPECT_EQ(allocations_of_cancelling(
                []() -> task<> { (void)co_await gather(sleep_an_hour(), sleep(1h)); }),
            0u);
}

TEST(NoAllocation, Cancellation_OfASelect) {
  EXPECT_EQ(allocations_of_cancelling(
                []() -> task<> { (void)co_await select(sleep_an_hour(), sleep(1h)); }),
            0u);
}

TEST(NoAllocation, Cancellation_OfAWaitWithATimeOut) {
  EXPECT_EQ(allocations_of_cancelling([]() -> task<> { co_await wait_for(sleep(1h), 2h); }), 0u);
}

TEST(NoAllocation, Cancellation_InsideADeadline) {
  EXPECT_EQ(allocations_of_cancelling([]() -> task<> {
              const deadline limit{2h};
              co_await sleep(1h);
            }),
            0u);
}

TEST(NoAllocation, Cancellation_OfAFuture) {
  EXPECT_EQ(allocations_of_cancelling([]() -> task<> {
              promise<int> source;
              (void)co_await source.get_future();
            }),
            0u);
}

TEST(NoAllocation, Cancellation_OfATaskThatHasNotStarted) {
  test_runtime rt;
  std::size_t made = 0;

  rt.run([&]() -> task<> {
    for (int round = 0; round < 2; ++round) {
      auto child = spawn(sleep_an_hour());
      const std::size_t before = allocations();
      child.cancel();
      while (!child.done()) co_await yield();
      made = allocations() - before;
    }
  });

  EXPECT_EQ(made, 0u);
}

TEST(NoAllocation, Cancellation_OfAScope) {
  test_runtime rt;
  std::size_t made = 0;

  rt.run([&]() -> task<> {
    for (int round = 0; round < 2; ++round) {
      cancel_scope scope;
      auto body = [](cancel_scope&) -> task<> { co_await sleep(1h); };
      auto child = co_await spawn_waiting(
          [&]() -> task<> { (void)co_await with_cancel_scope(scope, std::ref(body)); });
      const std::size_t before = allocations();
      scope.cancel();
      while (!child.done()) co_await yield();
      made = allocations() - before;
      co_await child;
    }
  });

  EXPECT_EQ(made, 0u);
}

// ---- Timers -------------------------------------------------------------------------------------

TEST(NoAllocation, Fire_OfASleep) {
  EXPECT_EQ(allocations_until_its_end(sleep_a_moment, do_nothing), 0u);
}

TEST(NoAllocation, Fire_OfATimer) {
  struct alarm : detail::timer_node {};
  detail::timer_wheel wheel(clock::time_point{});
  alarm timers[100];
  for (int i = 0; i < 100; ++i) {
    timers[i].when = clock::time_point(std::chrono::seconds(i * i));  // on all levels
    timers[i].fire = [](detail::timer_node& self) noexcept { self.end_fire(); };
  }

  const std::size_t made = allocations_in([&] {
    for (alarm& each : timers) wheel.arm(each);
    for (int i = 0; i < 50; ++i) detail::timer_wheel::disarm(timers[i * 2]);
    while (!wheel.empty()) wheel.expire(wheel.next_deadline());
  });

  EXPECT_EQ(made, 0u);
}

TEST(NoAllocation, Fire_OfADeadline) {
  // To the moment when the expiry is delivered; what is thrown then is the waiting task's own.
  EXPECT_EQ(allocations_until_its_end(
                []() -> task<> {
                  cancel_scope scope;
                  scope.set_deadline(now() + 1ms);
                  auto body = [](cancel_scope&) -> task<> { co_await sleep(1h); };
                  (void)co_await with_cancel_scope(scope, std::ref(body));
                },
                do_nothing),
            0u);
}

// ---- Destructors --------------------------------------------------------------------------------

TEST(NoAllocation, Destruction_OfATaskThatNeverRan) {
  std::optional<task<>> lazy = sleep_a_moment();

  EXPECT_EQ(allocations_in([&] { lazy.reset(); }), 0u);
}

TEST(NoAllocation, Destruction_OfAHandleOfATaskThatHasEnded) {
  test_runtime rt;

  rt.run([]() -> task<> {
    std::optional<join_handle<>> handle = spawn(sleep_a_moment());
    while (!handle->done()) co_await sleep(1ms);

    EXPECT_EQ(allocations_in([&] { handle.reset(); }), 0u);
  });
}

TEST(NoAllocation, Destruction_OfAnOperationThatWasNeverAwaited) {
  test_runtime rt;

  rt.run([]() -> task<> {
    event never;
    std::optional sleeping = sleep(1h);
    std::optional waiting = never.wait();

    EXPECT_EQ(allocations_in([&] { sleeping.reset(); }), 0u);
    EXPECT_EQ(allocations_in([&] { waiting.reset(); }), 0u);
    co_return;
  });
}

TEST(NoAllocation, Destruction_OfAGeneratorThatIsOpen) {
  test_runtime rt;
  const auto numbers = []() -> async_generator<int> {
    for (int i = 0;; ++i) co_yield i;
  };

  rt.run([&]() -> task<> {
    std::optional<async_generator<int>> open = numbers();
    (void)co_await open->next();

    EXPECT_EQ(allocations_in([&] { open.reset(); }), 0u);
  });
}

TEST(NoAllocation, Destruction_OfAPromiseAndAFuture) {
  std::optional<promise<int>> source(std::in_place);
  std::optional<future<int>> target = source->get_future();

  EXPECT_EQ(allocations_in([&] { target.reset(); }), 0u);
  EXPECT_EQ(allocations_in([&] { source.reset(); }), 0u);
}

task<> sleep_among(runtime& rt, int tasks) {
  for (int i = 0; i < tasks; ++i) rt.spawn(sleep_an_hour());
  co_await sleep(1ms);
}

TEST(NoAllocation, Shutdown_OfManyWaitingTasks) {
  for (const std::size_t workers : {1u, 2u}) {
    runtime rt({.workers = workers});
    rt.run(sleep_among(rt, 1000));

    EXPECT_EQ(allocations_in([&] { EXPECT_TRUE(rt.shutdown(1min)); }), 0u) << workers;
  }
}

TEST(NoAllocation, Destruction_OfABusyRuntime) {
  for (const std::size_t workers : {1u, 2u}) {
    std::optional<runtime> rt(std::in_place, runtime_options{.workers = workers});
    rt->run(sleep_among(*rt, 1000));

    EXPECT_EQ(allocations_in([&] { rt.reset(); }), 0u) << workers;
  }
}

// ---- Nothing on these paths throws --------------------------------------------------------------

static_assert(noexcept(std::declval<join_handle<>&>().cancel()));
static_assert(noexcept(std::declval<cancel_scope&>().cancel()));
static_assert(noexcept(std::declval<task_group&>().cancel()));
static_assert(noexcept(std::declval<timer_handle&>().cancel()));
static_assert(noexcept(detail::wake(std::declval<detail::task_state&>())));
static_assert(noexcept(detail::cancel(std::declval<detail::task_state&>())));
static_assert(noexcept(detail::complete(std::declval<detail::task_state&>())));
static_assert(
    noexcept(std::declval<detail::timer_wheel&>().expire(std::declval<clock::time_point>())));

}  // namespace
}  // namespace weft::testing
