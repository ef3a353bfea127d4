// Promise 6 for the primitives: what wakes a waiter, takes one back or closes, takes no memory.

#include "../support/allocations.h"
#include "every_runtime.h"
#include <weft/sync/barrier.h>
#include <weft/sync/broadcast.h>
#include <weft/sync/channel.h>
#include <weft/sync/condition_variable.h>
#include <weft/sync/event.h>
#include <weft/sync/latch.h>
#include <weft/sync/mutex.h>
#include <weft/sync/notify.h>
#include <weft/sync/once.h>
#include <weft/sync/oneshot.h>
#include <weft/sync/queue.h>
#include <weft/sync/semaphore.h>
#include <weft/sync/shared_mutex.h>
#include <weft/sync/watch.h>

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace weft::testing {
namespace {

/// Counts from `act` to the end of two tasks that wait at one primitive.
///
/// `make() -> unique_ptr<P>`, `wait(P&) -> task<>`, `act(P&)`. The second of two rounds: pools and
/// caches are warm.
template <class Make, class Act>
std::size_t allocations_of_two_waiters(Make make, auto wait, Act act) {
  test_runtime rt;
  std::size_t made = 0;
  rt.run([&]() -> task<> {
    for (int round = 0; round < 2; ++round) {
      const auto primitive = make();
      auto first = co_await spawn_waiting([&]() -> task<> { co_await wait(*primitive); });
      auto second = co_await spawn_waiting([&]() -> task<> { co_await wait(*primitive); });
      const std::size_t before = allocations();
      if constexpr (std::invocable<Act&, decltype(*primitive)>) {
        act(*primitive);
      } else {
        act(first, second);
      }
      while (!first.done() || !second.done()) co_await yield();
      made = allocations() - before;
    }
  });
  return made;
}
constexpr auto cancel_both = [](join_handle<>& first, join_handle<>& second) {
  second.cancel();  // the one behind first: nobody is granted anything
  first.cancel();
};

// ---- Locks --------------------------------------------------------------------------------------

/// A mutex and the guard that holds it.
template <class Mutex>
struct held {
  Mutex lock;
  lock_guard guard = lock.try_lock();
};
template <class Mutex>
std::unique_ptr<held<Mutex>> make_held() {
  return std::make_unique<held<Mutex>>();
}
const auto lock_it = [](auto& taken) -> task<> {
  const lock_guard guard = co_await taken.lock.lock();
};
const auto lock_shared = [](held<shared_mutex>& taken) -> task<> {
  const shared_lock_guard guard = co_await taken.lock.lock_shared();
};
const auto unlock = [](auto& taken) { taken.guard.unlock(); };

TEST(NoAllocation, Mutex_Unlock) {
  EXPECT_EQ(allocations_of_two_waiters(make_held<mutex>, lock_it, unlock), 0u);
}

TEST(NoAllocation, Mutex_CancelledWaiters) {
  EXPECT_EQ(allocations_of_two_waiters(make_held<mutex>, lock_it, cancel_both), 0u);
}

TEST(NoAllocation, SharedMutex_UnlockForAWriter) {
  EXPECT_EQ(allocations_of_two_waiters(make_held<shared_mutex>, lock_it, unlock), 0u);
}

TEST(NoAllocation, SharedMutex_UnlockForReaders) {
  EXPECT_EQ(allocations_of_two_waiters(make_held<shared_mutex>, lock_shared, unlock), 0u);
}

TEST(NoAllocation, SharedMutex_CancelledWaiters) {
  EXPECT_EQ(allocations_of_two_waiters(make_held<shared_mutex>, lock_shared, cancel_both), 0u);
}

// ---- Counters and flags -------------------------------------------------------------------------

const auto no_permits = [] { return std::make_unique<semaphore>(0); };
const auto acquire = [](semaphore& from) -> task<> {
  permit taken = co_await from.acquire(2);
  taken.forget();
};

TEST(NoAllocation, Semaphore_Release) {
  EXPECT_EQ(allocations_of_two_waiters(no_permits, acquire, [](semaphore& s) { s.release(4); }),
            0u);
}

TEST(NoAllocation, Semaphore_CancelledWaiters) {
  EXPECT_EQ(allocations_of_two_waiters(no_permits, acquire, cancel_both), 0u);
}

const auto make_event = [] { return std::make_unique<event>(); };
const auto wait = [](auto& primitive) -> task<> { (void)co_await primitive.wait(); };
const auto wait_plainly = [](auto& primitive) -> task<> { co_await primitive.wait(); };

TEST(NoAllocation, Event_Set) {
  EXPECT_EQ(allocations_of_two_waiters(make_event, wait_plainly, [](event& flag) { flag.set(); }),
            0u);
}

TEST(NoAllocation, Event_CancelledWaiters) {
  EXPECT_EQ(allocations_of_two_waiters(make_event, wait_plainly, cancel_both), 0u);
}

TEST(NoAllocation, Latch_CountDown) {
  EXPECT_EQ(allocations_of_two_waiters([] { return std::make_unique<latch>(3); }, wait_plainly,
                                       [](latch& each) { each.count_down(3); }),
            0u);
}

TEST(NoAllocation, Latch_CancelledArrivals) {
  EXPECT_EQ(allocations_of_two_waiters(
                [] { return std::make_unique<latch>(3); },
                [](latch& each) -> task<> { co_await each.arrive_and_wait(); }, cancel_both),
            0u);
}

TEST(NoAllocation, Barrier_CancelledWaiters) {
  EXPECT_EQ(
      allocations_of_two_waiters([] { return std::make_unique<barrier>(3); }, wait, cancel_both),
      0u);
}

TEST(NoAllocation, Barrier_LastArrival) {
  std::optional<join_handle<>> last;
  EXPECT_EQ(allocations_of_two_waiters([] { return std::make_unique<barrier>(3); }, wait,
                                       [&](barrier& each) { last = spawn(wait(each)); }),
            0u);
}

TEST(NoAllocation, Notify_BothKinds) {
  EXPECT_EQ(allocations_of_two_waiters([] { return std::make_unique<notify>(); },
                                       [](notify& source) -> task<> { co_await source.notified(); },
                                       [](notify& source) {
                                         source.notify_one();
                                         source.notify_waiters();
                                       }),
            0u);
}

TEST(NoAllocation, Notify_CancelledWaiters) {
  EXPECT_EQ(allocations_of_two_waiters([] { return std::make_unique<notify>(); },
                                       [](notify& source) -> task<> { co_await source.notified(); },
                                       cancel_both),
            0u);
}

struct guarded_condition {
  mutex lock;
  condition_variable changed;
};
const auto make_condition = [] { return std::make_unique<guarded_condition>(); };
const auto wait_for_change = [](guarded_condition& shared) -> task<> {
  lock_guard guard = co_await shared.lock.lock();
  co_await shared.changed.wait(guard);
};

TEST(NoAllocation, Condition_NotifyAll) {
  EXPECT_EQ(allocations_of_two_waiters(make_condition, wait_for_change,
                                       [](guarded_condition& s) { s.changed.notify_all(); }),
            0u);
}

TEST(NoAllocation, Condition_CancelledWaiters) {
  EXPECT_EQ(allocations_of_two_waiters(make_condition, wait_for_change, cancel_both), 0u);
}

// ---- Items --------------------------------------------------------------------------------------

// Its memory for items is there already; that grows with what was put, and is kept.
const auto make_queue = [] {
  auto made = std::make_unique<queue<int>>();
  made->put_nowait(0);
  (void)made->get_nowait();
  return made;
};
const auto get = [](queue<int>& from) -> task<> {
  try {
    (void)co_await from.get();
  } catch (const queue_shut_down&) {  // of the test of shutdown: what it throws is its own
  }
};

TEST(NoAllocation, Queue_PutForWaitingGetters) {
  EXPECT_EQ(allocations_of_two_waiters(make_queue, get,
                                       [](queue<int>& each) {
                                         each.put_nowait(1);
                                         (void)each.try_put(2);
                                       }),
            0u);
}

TEST(NoAllocation, Queue_CancelledGetters) {
  EXPECT_EQ(allocations_of_two_waiters(make_queue, get, cancel_both), 0u);
}

TEST(NoAllocation, Queue_Shutdown) {
  queue<int> each;
  test_runtime rt;
  rt.run([&]() -> task<> {
    auto waiting = co_await spawn_waiting([&]() -> task<> { co_await get(each); });

    EXPECT_EQ(allocations_in([&] { each.shutdown(); }), 0u);
    co_await waiting;
  });
}

const auto make_full_queue = [] {
  auto made = std::make_unique<queue<int>>(1);
  made->put_nowait(0);
  return made;
};
const auto put = [](queue<int>& into) -> task<> { co_await into.put(1); };

TEST(NoAllocation, Queue_GetForWaitingPutters) {
  EXPECT_EQ(allocations_of_two_waiters(make_full_queue, put,
                                       [](queue<int>& each) {
                                         (void)each.get_nowait();
                                         (void)each.try_get();
                                       }),
            0u);
}

TEST(NoAllocation, Queue_CancelledPutters) {
  EXPECT_EQ(allocations_of_two_waiters(make_full_queue, put, cancel_both), 0u);
}

const auto make_channel = [] { return std::make_unique<channel<int>>(1); };
const auto receive = [](auto& from) -> task<> { (void)co_await from.recv(); };

TEST(NoAllocation, Channel_SendForWaitingReceivers) {
  EXPECT_EQ(allocations_of_two_waiters(make_channel, receive,
                                       [](channel<int>& each) {
                                         (void)each.try_send(1);
                                         (void)each.try_send(2);
                                       }),
            0u);
}

TEST(NoAllocation, Channel_CloseWithWaitingReceivers) {
  EXPECT_EQ(
      allocations_of_two_waiters(make_channel, receive, [](channel<int>& each) { each.close(); }),
      0u);
}

TEST(NoAllocation, Channel_CancelledReceivers) {
  EXPECT_EQ(allocations_of_two_waiters(make_channel, receive, cancel_both), 0u);
}

const auto make_full_channel = [] {
  auto made = std::make_unique<channel<int>>(1);
  (void)made->try_send(0);
  return made;
};
const auto send = [](channel<int>& into) -> task<> { (void)co_await into.send(1); };

TEST(NoAllocation, Channel_ReceiveForWaitingSenders) {
  EXPECT_EQ(allocations_of_two_waiters(make_full_channel, send,
                                       [](channel<int>& each) {
                                         (void)each.try_recv();
                                         (void)each.try_recv();
                                       }),
            0u);
}

TEST(NoAllocation, Channel_CloseWithWaitingSenders) {
  EXPECT_EQ(
      allocations_of_two_waiters(make_full_channel, send, [](channel<int>& each) { each.close(); }),
      0u);
}

TEST(NoAllocation, Channel_CancelledSenders) {
  EXPECT_EQ(allocations_of_two_waiters(make_full_channel, send, cancel_both), 0u);
}

const auto make_oneshot = [] { return std::make_unique<oneshot<int>>(); };

TEST(NoAllocation, Oneshot_Send) {
  EXPECT_EQ(allocations_of_two_waiters(make_oneshot, receive,
                                       [](oneshot<int>& each) { (void)each.send(1); }),
            0u);
}

TEST(NoAllocation, Oneshot_Close) {
  EXPECT_EQ(
      allocations_of_two_waiters(make_oneshot, receive, [](oneshot<int>& each) { each.close(); }),
      0u);
}

TEST(NoAllocation, Oneshot_CancelledReceivers) {
  EXPECT_EQ(allocations_of_two_waiters(make_oneshot, receive, cancel_both), 0u);
}

TEST(NoAllocation, OnceCell_CancelledWaiters) {
  EXPECT_EQ(allocations_of_two_waiters([] { return std::make_unique<once_cell<int>>(); },
                                       [](once_cell<int>& cell) -> task<> {
                                         const auto never = []() -> task<int> {
                                           event gate;
                                           co_await gate.wait();
                                           co_return 1;
                                         };
                                         (void)co_await cell.get_or_init(never);
                                       },
                                       cancel_both),
            0u);
}

// A broadcast and a watch allocate for each item; their ends do not.

TEST(NoAllocation, Broadcast_EndWithWaitingReceivers) {
  std::optional<broadcast<int>> source;
  const auto make = [&] {
    source.emplace(4);
    return std::make_unique<broadcast<int>::receiver>(source->subscribe());
  };

  EXPECT_EQ(
      allocations_of_two_waiters(make, receive, [&](broadcast<int>::receiver&) { source.reset(); }),
      0u);
}

TEST(NoAllocation, Watch_EndWithWaitingReceivers) {
  std::optional<watch<int>> source;
  const auto make = [&] {
    source.emplace(4);
    return std::make_unique<watch<int>::receiver>(source->subscribe());
  };

  EXPECT_EQ(allocations_of_two_waiters(
                make, [](watch<int>::receiver& by) -> task<> { (void)co_await by.changed(); },
                [&](watch<int>::receiver&) { source.reset(); }),
            0u);
}

// ---- Nothing on these paths throws --------------------------------------------------------------

static_assert(noexcept(std::declval<lock_guard&>().unlock()));
static_assert(noexcept(std::declval<shared_lock_guard&>().unlock()));
static_assert(noexcept(std::declval<semaphore&>().release()));
static_assert(noexcept(std::declval<semaphore&>().close()));
static_assert(noexcept(std::declval<event&>().set()));
static_assert(noexcept(std::declval<latch&>().count_down()));
static_assert(noexcept(std::declval<barrier&>().abort()));
static_assert(noexcept(std::declval<notify&>().notify_one()));
static_assert(noexcept(std::declval<condition_variable&>().notify_all()));
static_assert(noexcept(std::declval<queue<int>&>().shutdown()));
static_assert(noexcept(std::declval<channel<int>&>().close()));
static_assert(noexcept(std::declval<oneshot<int>&>().close()));

}  // namespace
}  // namespace weft::testing
