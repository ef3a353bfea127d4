#include "runtimes.h"
#include <weft/runtime/as_result.h>
#include <weft/runtime/cancel.h>
#include <weft/runtime/context_var.h>
#include <weft/runtime/detail/fork_deque.h>
#include <weft/runtime/executor.h>
#include <weft/runtime/fork.h>
#include <weft/runtime/sleep.h>
#include <weft/sync/event.h>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

class Fork : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Fork, every_kind(), name_of);
class ForkOrder : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, ForkOrder, kinds_in_order(), name_of);

task<int> fib(int n) {
  if (n < 2) co_return n;
  auto x = fork(fib(n - 1));
  const int y = co_await fib(n - 2);
  const int v = co_await x;
  co_return v + y;
}

TEST_P(Fork, ForkJoin_GivesTheValues) {
  run([]() -> task<> {
    const int value = co_await fib(18);

    EXPECT_EQ(value, 2584);
  });
}

TEST_P(ForkOrder, UntakenChild_RunsInPlaceInsideTheParent) {
  run([]() -> task<> {
    const auto who = []() -> task<task_id> { co_return this_task::id(); };

    auto child = fork(who());
    const task_id inside = co_await child;

    EXPECT_EQ(inside, this_task::id());
  });
}

TEST_P(Fork, ChildThatSuspends_IsAwaitedToItsEnd) {
  run([]() -> task<> {
    const auto slow = []() -> task<int> {
      co_await sleep(100us);
      co_return 7;
    };

    auto child = fork(slow());
    co_await sleep(50us);  // now it is a task of its own
    const int got = co_await child;

    EXPECT_EQ(got, 7);
  });
}

TEST_P(Fork, Failure_ReachesTheAwaiter) {
  run([]() -> task<> {
    const auto fail = [](bool late) -> task<> {
      if (late) co_await sleep(10us);
      throw std::runtime_error("child");
    };
    for (const bool late : {false, true}) {
      auto child = fork(fail(late));
      if (late) co_await sleep(20us);

      bool threw = false;
      try {
        co_await child;
      } catch (const std::runtime_error&) {
        threw = true;
      }

      EXPECT_TRUE(threw);
    }
  });
}

TEST_P(ForkOrder, ChildLeftUnawaitedAndUntaken_IsDroppedUnrun) {
  run([]() -> task<> {
    bool ran = false;
    auto token = std::make_shared<int>();
    try {
      auto child = fork([](std::shared_ptr<int>, bool& flag) -> task<> {
        flag = true;
        co_return;
      }(token, ran));
      throw std::runtime_error("between");
    } catch (const std::runtime_error&) {  // expected
    }

    EXPECT_FALSE(ran);
    EXPECT_EQ(token.use_count(), 1);
    co_return;
  });
}

TEST_P(Fork, ChildLeftUnawaitedThatRunsAlready_IsCancelledAndWaitedFor) {
  run([]() -> task<> {
    std::atomic<bool> cleaned{false};
    try {
      auto child = fork([](std::atomic<bool>& done) -> task<> {
        co_await try_finally([]() -> task<> { co_await sleep(1h); },
                             [&]() -> task<> {
                               co_await sleep(100us);
                               done = true;
                             });
      }(cleaned));
      co_await sleep(1ms);
      throw std::runtime_error("between");
    } catch (const std::runtime_error&) {
      EXPECT_TRUE(cleaned);
    }
  });
}

task<> cleans_up_slowly() {
  co_await try_finally([]() -> task<> { co_await sleep(1h); },
                       []() -> task<> { co_await sleep(3ms); });
}

/// Forks what make() gives, and fails while that runs.
template <class Make>
task<> gives_up(std::chrono::microseconds after, Make make) {
  auto left = fork(make());
  co_await sleep(after);
  throw std::runtime_error("gives up");
}

task<> child_that_gives_up() {
  return gives_up(1ms, cleans_up_slowly);
}

task<> parent_that_gives_up() {
  return gives_up(2ms, child_that_gives_up);
}

// The child gives up first: it helps until its own child has ended, and among what is ready then
// is its parent, which gives up too. The parent must not wait on top of the child's stack.
TEST_P(Fork, ParentAndChildThatBothGiveUp_EndOneAfterTheOther) {
  run([]() -> task<> {
    const auto first = co_await as_result(parent_that_gives_up());
    const auto second = co_await as_result(gives_up(1500us, parent_that_gives_up));

    EXPECT_FALSE(first.has_value());
    EXPECT_FALSE(second.has_value());
  });
}

// As above, for children that never were in a deque: it is full.
TEST_P(Fork, ParentAndChildBeyondTheBound_EndOneAfterTheOther) {
  run([]() -> task<> {
    const auto parent = []() -> task<> {
      std::deque<forked<void>> filling;
      for (std::int64_t i = 0; i < detail::fork_deque::capacity; ++i)
        filling.emplace_back([]() -> task<> { co_return; }());
      co_await parent_that_gives_up();
    };

    const auto ended = co_await as_result(parent());

    EXPECT_FALSE(ended.has_value());
  });
}

// As above, and there is no deque on the thread of an executor.
TEST_P(Fork, ParentAndChildMadeOnAnExecutor_EndOneAfterTheOther) {
  run([]() -> task<> {
    thread_pool_executor pool(1);
    const auto parent = [](thread_pool_executor& elsewhere) -> task<> {
      co_await resume_on(elsewhere);
      co_await parent_that_gives_up();
    };

    const auto ended = co_await as_result(parent(pool));

    EXPECT_FALSE(ended.has_value());
  });
}

// As above, where the child has a context of its own to carry beside its parent.
TEST_P(Fork, ChildWithContextVariable_KeepsItAndItsPlaceUnderTheParent) {
  static context_var<int> depth{0};
  run([]() -> task<> {
    const auto reset = depth.set(1);
    auto child = fork([]() -> task<int> {
      co_await sleep(10us);
      const int inherited = depth.get();
      const auto own = depth.set(5);
      co_await sleep(10us);
      co_return inherited * 10 + depth.get();
    }());
    co_await sleep(1us);

    EXPECT_EQ(co_await child, 15);
    EXPECT_EQ(depth.get(), 1);
  });
}

TEST_P(Fork, CancelledParent_CancelsTheChildItWaitsFor) {
  run([]() -> task<> {
    event never;
    std::atomic<bool> cancelled{false};
    auto parent = co_await spawn_waiting([&]() -> task<> {
      auto child = fork([](event& gate, std::atomic<bool>& flag) -> task<> {
        try {
          co_await gate.wait();
        } catch (const cancelled_error&) {
          flag = true;
          throw;
        }
      }(never, cancelled));
      co_await yield();
      co_await child;
    });
    while (!never.has_waiters()) co_await yield();
    co_await until_waiting(parent);

    parent.cancel();
    const ending how = co_await ending_of(parent);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_TRUE(cancelled);
  });
}

TEST_P(Fork, SecondAwait_Throws) {
  run([]() -> task<> {
    auto child = fork(fib(1));
    (void)co_await child;

    bool refused = false;
    try {
      (void)co_await child;
    } catch (const invalid_state_error&) {
      refused = true;
    }

    EXPECT_TRUE(refused);
  });
}

TEST_P(Fork, OldestAwaitedFirst_StillGivesTheValues) {
  run([]() -> task<> {
    auto a = fork(fib(5));
    auto b = fork(fib(6));
    auto c = fork(fib(7));

    const int first = co_await a;
    const int second = co_await b;
    const int third = co_await c;

    EXPECT_EQ(first, 5);
    EXPECT_EQ(second, 8);
    EXPECT_EQ(third, 13);
  });
}

TEST_P(Fork, ForkAll_GivesTheResultsInOrder) {
  run([]() -> task<> {
    std::vector<task<int>> children;
    for (int i = 0; i < 20; ++i) children.push_back(fib(i));

    const std::vector<int> values = co_await fork_all(std::move(children));

    EXPECT_EQ(values[10], 55);
    EXPECT_EQ(values[19], 4181);
  });
}

TEST_P(Fork, ForkAll_TakesMoreThanTheDequeHolds) {
  run([]() -> task<> {
    std::atomic<int> ran{0};
    const auto note = [&ran](int) -> task<> {
      ++ran;
      co_return;
    };

    co_await fork_all(std::views::iota(0, 3000) | std::views::transform(note));

    EXPECT_EQ(ran.load(), 3000);
  });
}

task<> fail_after(event& gate) {
  co_await gate.wait();
  throw std::runtime_error("own");
}
/// Its child becomes a task of its own, because the parent waits for the other one in place.
task<> fork_beside_failure(task<> child, event& gate) {
  std::vector<task<>> children;
  children.push_back(std::move(child));
  children.push_back(fail_after(gate));
  co_await fork_all(std::move(children));
}

TEST_P(Fork, ForkAll_FailingInTheChildBeforeItsParentEnds) {
  run([]() -> task<> {
    event never;
    event inner;
    event outer;
    auto waits = [](event& gate) -> task<> { co_await gate.wait(); };
    auto parent = spawn(fork_beside_failure(fork_beside_failure(waits(never), inner), outer));
    co_await until_waiters(3);

    inner.set();  // the child has to wait for its own child
    outer.set();  // meanwhile the parent has to wait for it
    const ending ended = co_await ending_of(parent);

    EXPECT_EQ(ended, ending::error);
    EXPECT_FALSE(never.has_waiters());
  });
}

TEST_P(Fork, ForkAll_RethrowsAFailure) {
  run([]() -> task<> {
    std::vector<task<>> children;
    for (int i = 0; i < 10; ++i) {
      children.push_back([](int n) -> task<> {
        co_await yield();
        if (n == 5) throw std::runtime_error("five");
      }(i));
    }

    const auto ended = co_await catch_all(fork_all(std::move(children)));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
  });
}

// ---- A deadlock ---------------------------------------------------------------------------------

TEST(ForkDeathTest, ChildLeftUnawaitedThatCanNeverEnd_EndsTheProcessWithAReport) {
  const auto leave_it = [] {
    test_runtime rt;
    event never;
    rt.run([&]() -> task<> {
      auto child = fork([](event& closed) -> task<> {
        for (;;) {
          try {
            co_await closed.wait();
          } catch (const cancelled_error&) {  // swallowed on purpose
          }
        }
      }(never));
      while (!never.has_waiters()) co_await yield();  // a task of its own now
    });
  };

  EXPECT_DEATH(leave_it(), "left un-awaited can never end");
}

}  // namespace
}  // namespace weft::testing
