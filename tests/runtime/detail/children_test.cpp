#include "manual_gate.h"
#include "runtimes.h"
#include <weft/runtime/detail/children.h>
#include <weft/runtime/gather.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/sleep.h>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using detail::child_frame;
using detail::child_set;
using detail::on_failure;

class Children : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Children, every_kind(), name_of);

task<int> value_behind(manual_gate& gate, int value) {
  co_await gate.wait();
  co_return value;
}
task<int> fail_behind(manual_gate& gate) {
  co_await gate.wait();
  throw std::runtime_error("child");
}
/// Counts those that were cancelled.
task<int> count_cancellations(manual_gate& gate, std::atomic<int>& cancelled) {
  try {
    co_await gate.wait();
  } catch (const cancelled_error&) {
    ++cancelled;
    throw;
  }
  co_return 0;
}
task<int> hold(std::shared_ptr<int>) {
  co_return 7;
}

/// Awaits a child_set, as gather does.
class join_all {
 public:
  join_all(std::span<child_frame> children, on_failure policy) : set_(children, policy) {}
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> parent) noexcept { return set_.start(parent); }
  void await_resume() { set_.check(); }

 private:
  child_set set_;
};

task<> await_all(std::span<child_frame> children, on_failure policy) {
  co_await join_all(children, policy);
}

int value_of(child_frame& child) {
  return detail::block_of<int>::slot(child.state()).take();
}

// ---- child_frame -------------------------------------------------------------------------------

TEST(ChildFrame, UnstartedChild_IsDestroyedUnrun) {
  const auto token = std::make_shared<int>();
  {
    const child_frame child = detail::make_child(hold(token));
    EXPECT_FALSE(child.started());
    EXPECT_EQ(token.use_count(), 2);
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(ChildFrame, MovedFrame_HasOneOwner) {
  const auto token = std::make_shared<int>();
  const auto other = std::make_shared<int>();
  {
    child_frame one = detail::make_child(hold(token));
    child_frame two(std::move(one));
    child_frame three = detail::make_child(hold(other));
    three = std::move(two);

    EXPECT_EQ(token.use_count(), 2);
    EXPECT_EQ(other.use_count(), 1);  // the one before is gone
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(ChildFrame, EmptyFrame_DoesNothing) {
  child_frame none;
  const child_frame moved(std::move(none));

  EXPECT_FALSE(moved.started());
}

TEST(ChildFrame, StartedChild_IsATaskWithOneWaiter) {
  test_runtime rt;
  rt.run([]() -> task<> {
    struct noting : detail::completion_waiter {
      noting() {
        on_done = [](detail::completion_waiter& self, detail::task_state&) noexcept {
          static_cast<noting&>(self).told = true;
        };
      }
      bool told = false;
    } waiter;
    const auto token = std::make_shared<int>();
    {
      child_frame child = detail::make_child(hold(token));
      child.start(waiter);
      EXPECT_TRUE(child.started());
      EXPECT_FALSE(detail::done(child.state()));
      while (!waiter.told) co_await yield();

      EXPECT_TRUE(detail::done(child.state()));
      EXPECT_EQ(value_of(child), 7);
    }
    EXPECT_EQ(token.use_count(), 1);
  });
}

// ---- child_set ---------------------------------------------------------------------------------

TEST_P(Children, Parent_IsResumedAfterTheLastEnd) {
  run([]() -> task<> {
    std::array<manual_gate, 3> gates;
    std::atomic<bool> resumed{false};
    auto parent = co_await spawn_waiting([&]() -> task<> {
      std::array<child_frame, 3> children;
      for (std::size_t i = 0; i < 3; ++i)
        children[i] = detail::make_child(value_behind(gates[i], static_cast<int>(i)));
      co_await await_all(children, on_failure::cancel_siblings);
      resumed = true;
      for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(value_of(children[i]), static_cast<int>(i));
    });

    for (const std::size_t i : {2u, 0u, 1u}) {
      EXPECT_FALSE(resumed);
      while (!gates[i].open()) co_await yield();
    }
    co_await parent;

    EXPECT_TRUE(resumed);
  });
}

TEST_P(Children, ChildrenThatEndAtOnce_DoNotSuspendTheParentForEver) {
  run([]() -> task<> {
    for (int round = 0; round < 200; ++round) {
      std::vector<child_frame> children;
      for (int i = 0; i < 5; ++i)
        children.push_back(detail::make_child([](int value) -> task<int> { co_return value; }(i)));
      co_await await_all(children, on_failure::cancel_siblings);

      for (int i = 0; i < 5; ++i) EXPECT_EQ(value_of(children[static_cast<std::size_t>(i)]), i);
    }
  });
}

TEST_P(Children, FirstFailure_CancelsTheSiblingsAndIsRethrown) {
  run([]() -> task<> {
    std::array<manual_gate, 3> gates;
    std::atomic<int> cancelled{0};
    auto parent = co_await spawn_waiting([&]() -> task<> {
      std::array<child_frame, 3> children;
      children[0] = detail::make_child(count_cancellations(gates[0], cancelled));
      children[1] = detail::make_child(fail_behind(gates[1]));
      children[2] = detail::make_child(count_cancellations(gates[2], cancelled));
      co_await await_all(children, on_failure::cancel_siblings);
    });
    while (!gates[0].has_waiter() || !gates[2].has_waiter()) co_await yield();

    while (!gates[1].open()) co_await yield();
    const auto ended = co_await catch_all(parent);

    EXPECT_TRUE(ended.threw<std::runtime_error>());
    EXPECT_EQ(cancelled.load(), 2);
  });
}

TEST_P(Children, FailureThatIsKept_DisturbsNobody) {
  run([]() -> task<> {
    manual_gate gate;
    manual_gate other;
    auto parent = co_await spawn_waiting([&]() -> task<> {
      std::array<child_frame, 2> children;
      children[0] = detail::make_child(fail_behind(gate));
      children[1] = detail::make_child(value_behind(other, 7));
      co_await await_all(children, on_failure::keep_going);
      EXPECT_TRUE(children[0].state().type->failed(children[0].state()));
      EXPECT_EQ(value_of(children[1]), 7);
    });

    while (!gate.open()) co_await yield();
    while (!other.open()) co_await yield();
    const ending how = co_await ending_of(parent);

    EXPECT_EQ(how, ending::value);
  });
}

TEST_P(Children, CancelledParent_WaitsForTheLastChild) {
  run([]() -> task<> {
    manual_gate gate;
    manual_gate stubborn;
    stubborn.on_unlink = [](detail::task_state&) { return detail::unlink_result::completed; };
    std::atomic<int> cancelled{0};
    auto parent = co_await spawn_waiting([&]() -> task<> {
      std::array<child_frame, 2> children;
      children[0] = detail::make_child(count_cancellations(gate, cancelled));
      children[1] = detail::make_child(value_behind(stubborn, 7));
      co_await await_all(children, on_failure::cancel_siblings);
    });
    while (!gate.has_waiter() || !stubborn.has_waiter()) co_await yield();
    co_await until_waiters(3);

    parent.cancel();
    while (cancelled == 0) co_await yield();
    EXPECT_FALSE(parent.done());
    stubborn.open();
    const ending how = co_await ending_of(parent);

    EXPECT_EQ(how, ending::cancelled);
  });
}

// A child fails while another thread cancels the parent: every child ends, and one exception comes
// out.
TEST(ChildrenRace, FailureAgainstCancellation_EndsEverything) {
  std::mt19937_64 random(stress_seed());
  runtime rt({.workers = 3});
  for (int round = 0; round < 500; ++round) {
    std::atomic<int> alive{0};
    struct counted {
      explicit counted(std::atomic<int>& all) : count(all) { ++count; }
      ~counted() { --count; }
      std::atomic<int>& count;
    };
    const auto child = [](std::atomic<int>& all, unsigned steps, bool fails) -> task<int> {
      const counted life(all);
      for (unsigned i = 0; i < steps; ++i) co_await yield();
      if (fails) throw std::runtime_error("child");
      co_return 0;
    };
    const auto steps = static_cast<unsigned>(random() % 20);
    auto parent = rt.spawn([&]() -> task<> {
      std::array<child_frame, 4> children;
      for (std::size_t i = 0; i < children.size(); ++i)
        children[i] = detail::make_child(child(alive, steps + static_cast<unsigned>(i), i == 1));
      const auto ended = co_await catch_all(await_all(children, on_failure::cancel_siblings));
      EXPECT_FALSE(ended.ok());
      EXPECT_EQ(alive.load(), 0);
    });
    for (std::atomic<std::uint64_t> i{random() % 5'000}; i > 0; --i) {
    }
    parent.cancel();

    try {
      parent.get();
    } catch (const cancelled_error&) {  // it had not begun
    }
    EXPECT_EQ(alive.load(), 0);
  }
}

}  // namespace
}  // namespace weft::testing
