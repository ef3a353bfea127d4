#include "cancellation_matrix.h"

#include <weft/runtime/cancel.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/spawn.h>
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
#include <weft/sync/rate_limiter.h>
#include <weft/sync/semaphore.h>
#include <weft/sync/shared_mutex.h>
#include <weft/sync/watch.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

/// Somebody who waits behind the attempt: what the attempt does not take is his.
class heir {
 public:
  template <class F>
  task<> line_up(F wait) {
    handle_ = co_await spawn_waiting(std::move(wait));
  }
  [[nodiscard]] bool served() const { return handle_.done(); }
  task<> join() { co_await handle_; }

 private:
  join_handle<> handle_;
};

// ---- Locks --------------------------------------------------------------------------------------

struct mutex_lock {
  mutex wanted;
  lock_guard held = wanted.try_lock();
  lock_guard got;

  task<> attempt(auto how) { got = co_await how(wanted.lock()); }
  void complete() { held.unlock(); }
  void check(bool completed) {
    EXPECT_EQ(got.owns_lock(), completed);
    EXPECT_EQ(wanted.locked(), completed);
    got.unlock();
    EXPECT_TRUE(wanted.try_lock());
  }
};

struct mutex_lock_with_another_behind {
  mutex wanted;
  lock_guard held = wanted.try_lock();
  lock_guard got;
  heir next;

  task<> attempt(auto how) { got = co_await how(wanted.lock()); }
  task<> line_up() {
    return next.line_up([this]() -> task<> { const lock_guard taken = co_await wanted.lock(); });
  }
  void complete() { held.unlock(); }
  task<> check(bool completed) {
    EXPECT_EQ(got.owns_lock(), completed);
    if (completed) EXPECT_FALSE(next.served());
    got.unlock();
    co_await next.join();
    EXPECT_FALSE(wanted.locked());
  }
};

/// A reader behind the writer may enter beside the one that holds it, once the writer has gone.
struct shared_mutex_lock {
  shared_mutex wanted;
  shared_lock_guard held = wanted.try_lock_shared();
  lock_guard got;
  heir reader;
  shared_lock_guard read;

  task<> attempt(auto how) { got = co_await how(wanted.lock()); }
  task<> line_up() {
    const auto join = [this]() -> task<> { read = co_await wanted.lock_shared(); };
    co_await reader.line_up(join);
  }
  void check_given_up() { EXPECT_EQ(wanted.readers(), 2u); }
  void complete() { held.unlock(); }
  task<> check(bool completed) {
    EXPECT_EQ(got.owns_lock(), completed);
    EXPECT_EQ(wanted.locked(), completed);
    got.unlock();
    co_await reader.join();
    EXPECT_FALSE(wanted.try_lock());
    read.unlock();
    EXPECT_TRUE(wanted.try_lock());
  }
};

struct shared_mutex_lock_shared {
  shared_mutex wanted;
  lock_guard held = wanted.try_lock();
  shared_lock_guard got;

  task<> attempt(auto how) { got = co_await how(wanted.lock_shared()); }
  void complete() { held.unlock(); }
  void check(bool completed) {
    EXPECT_EQ(got.owns_lock(), completed);
    EXPECT_EQ(wanted.readers(), completed ? 1u : 0u);
    got.unlock();
    EXPECT_TRUE(wanted.try_lock());
  }
};

// ---- Permits ------------------------------------------------------------------------------------

struct semaphore_acquire {
  semaphore permits{0};
  permit got;

  task<> attempt(auto how) { got = co_await how(permits.acquire()); }
  void complete() { permits.release(); }
  void check(bool completed) {
    EXPECT_EQ(got.count(), completed ? 1 : 0);
    EXPECT_EQ(permits.available(), completed ? 0 : 1);
    got.release();
    EXPECT_EQ(permits.available(), 1);
  }
};

/// The one behind wants less, and gets it once the attempt has gone.
struct semaphore_acquire_many {
  semaphore permits{1};
  permit got, of_next;
  heir next;

  task<> attempt(auto how) { got = co_await how(permits.acquire(3)); }
  task<> line_up() {
    return next.line_up([this]() -> task<> { of_next = co_await permits.acquire(); });
  }
  void check_given_up() { EXPECT_EQ(permits.available(), 0); }
  void complete() { permits.release(2); }
  task<> check(bool completed) {
    EXPECT_EQ(got.count(), completed ? 3 : 0);
    if (completed) EXPECT_FALSE(next.served());
    got.release();
    co_await next.join();
    EXPECT_EQ(permits.available(), 2);
    of_next.release();
    EXPECT_EQ(permits.available(), 3);
  }
};

struct bounded_semaphore_acquire {
  bounded_semaphore permits{1};
  permit held = permits.try_acquire();
  permit got;

  task<> attempt(auto how) { got = co_await how(permits.acquire()); }
  void complete() { held.release(); }
  void check(bool completed) {
    EXPECT_EQ(got.count(), completed ? 1 : 0);
    got.release();
    EXPECT_EQ(permits.available(), 1);
  }
};

/// Completed by time: the one unit is due then.
struct rate_limiter_acquire {
  static constexpr case_traits traits{.completed_in_one_step = false};
  clock::time_point due;
  std::optional<rate_limiter> units;

  task<> set_up() {
    units.emplace(1, std::max<clock::duration>(due - clock::now(), 1us));
    EXPECT_TRUE(units->try_acquire());
    co_return;
  }
  task<> attempt(auto how) { co_await how(units->acquire()); }
  task<> check(bool completed) {
    if (clock::now() != due) co_return;  // real time: later units are there too
    EXPECT_EQ(units->try_acquire(), !completed);
  }
};

// ---- Signals ------------------------------------------------------------------------------------

struct event_wait {
  event flag;

  task<> attempt(auto how) { co_await how(flag.wait()); }
  void complete() { flag.set(); }
  void check(bool) {
    EXPECT_TRUE(flag.is_set());
    EXPECT_FALSE(flag.has_waiters());
  }
};

struct latch_wait {
  latch counter{1};

  task<> attempt(auto how) { co_await how(counter.wait()); }
  void complete() { counter.count_down(); }
  void check(bool) { EXPECT_TRUE(counter.try_wait()); }
};

/// An arrival that was cancelled does not count.
struct latch_arrive_and_wait {
  latch counter{2};

  task<> attempt(auto how) { co_await how(counter.arrive_and_wait()); }
  void complete() { counter.count_down(); }
  void check(bool completed) {
    EXPECT_EQ(counter.try_wait(), completed);
    counter.count_down();
    EXPECT_TRUE(counter.try_wait());
  }
};

/// Completed by another party, which waits for the next one if the attempt has gone.
struct barrier_wait {
  static constexpr case_traits traits{.completed_in_one_step = false};
  barrier meeting{2};
  runtime* where = nullptr;
  std::optional<std::size_t> got;
  join_handle<std::size_t> other;

  task<> set_up() {
    where = &runtime::current();
    co_return;
  }
  task<> attempt(auto how) { got = co_await how(meeting.wait()); }
  void complete() { other = where->spawn(meeting.wait()); }
  task<> check(bool completed) {
    if (!completed) {
      co_await until_waiting(other);
      EXPECT_EQ(meeting.waiting(), 1u);
      got = co_await meeting.wait();
    }
    const std::size_t place = co_await other;
    EXPECT_EQ(place + *got, 1u);
    EXPECT_EQ(meeting.waiting(), 0u);
    EXPECT_FALSE(meeting.broken());
  }
};

/// One notification for two: it reaches exactly one.
struct notify_one {
  notify bell;
  heir next;

  task<> attempt(auto how) { co_await how(bell.notified()); }
  task<> line_up() {
    return next.line_up([this]() -> task<> { co_await bell.notified(); });
  }
  void complete() { bell.notify_one(); }
  task<> check(bool completed) {
    if (completed) {
      EXPECT_FALSE(next.served());
      bell.notify_one();
    }
    co_await next.join();
  }
};

/// ... and is kept when there is nobody.
struct notify_one_kept {
  notify bell;

  task<> attempt(auto how) { co_await how(bell.notified()); }
  void complete() { bell.notify_one(); }
  task<> check(bool completed) {
    if (completed) bell.notify_one();
    co_await bell.notified();
    auto more = co_await spawn_waiting([this]() -> task<> { co_await bell.notified(); });
    EXPECT_FALSE(more.done());
    bell.notify_one();
    co_await more;
  }
};

struct notify_waiters {
  notify bell;
  heir next;

  task<> attempt(auto how) { co_await how(bell.notified()); }
  task<> line_up() {
    return next.line_up([this]() -> task<> { co_await bell.notified(); });
  }
  void complete() { bell.notify_waiters(); }
  task<> check(bool) { return next.join(); }
};

// ---- Conditions ---------------------------------------------------------------------------------

/// One notification for two; each has the lock when it goes on, whatever happened.
struct condition_variable_wait {
  mutex lock;
  condition_variable changed;
  std::atomic<int> begun{0}, woken{0};
  heir next;

  task<> wait(auto how) {
    lock_guard guard = co_await lock.lock();
    ++begun;
    try {
      co_await how(changed.wait(guard));
      ++woken;
    } catch (...) {  // checked like an ordinary end
      EXPECT_TRUE(guard.owns_lock() && lock.locked());
      throw;
    }
    EXPECT_TRUE(guard.owns_lock() && lock.locked());
  }
  task<> attempt(auto how) { return wait(how); }
  /// Until the heir has let the lock go: only then a notification reaches it.
  task<> line_up() {
    co_await next.line_up([this]() -> task<> { co_await wait(bare()); });
    while (begun < 2) co_await yield();
    const lock_guard guard = co_await lock.lock();
  }
  void complete() { changed.notify_one(); }
  task<> check(bool completed) {
    if (completed) {
      EXPECT_EQ(woken, 1);
      changed.notify_one();
    }
    co_await next.join();
    EXPECT_EQ(woken, completed ? 2 : 1);
    EXPECT_FALSE(lock.locked());
    EXPECT_FALSE(changed.has_waiters());
  }
};

struct condition_variable_wait_until {
  mutex lock;
  condition_variable changed;
  std::atomic<bool> ready{false};

  task<> attempt(auto how) {
    lock_guard guard = co_await lock.lock();
    const auto is_ready = [this] { return ready.load(); };
    try {
      co_await how(changed.wait(guard, is_ready));
    } catch (...) {  // checked like an ordinary end
      EXPECT_TRUE(guard.owns_lock() && lock.locked());
      throw;
    }
    EXPECT_TRUE(guard.owns_lock() && lock.locked());
    EXPECT_TRUE(ready);
  }
  void complete() {
    ready = true;
    changed.notify_all();
  }
  void check(bool) {
    EXPECT_FALSE(lock.locked());
    EXPECT_FALSE(changed.has_waiters());
  }
};

/// Notified already, the wait is for the lock alone, and cannot be given up.
struct condition_variable_relock {
  static constexpr case_traits traits{.ends_when_cancelled = false};
  mutex lock;
  condition_variable changed;
  lock_guard held;

  task<> attempt(auto how) {
    lock_guard guard = co_await lock.lock();
    co_await how(changed.wait(guard));
    EXPECT_TRUE(guard.owns_lock() && lock.locked());
  }
  task<> line_up() {
    held = co_await lock.lock();
    changed.notify_one();
  }
  void complete() { held.unlock(); }
  void check(bool) {
    EXPECT_FALSE(lock.locked());
    EXPECT_FALSE(changed.has_waiters());
  }
};

// ---- Queues -------------------------------------------------------------------------------------

/// An item whose move may throw travels in a box.
struct throwing_item {
  int value = 0;
  throwing_item() = default;
  throwing_item(int of) : value(of) {}                                          // NOLINT
  throwing_item(throwing_item&& other) noexcept(false) : value(other.value) {}  // NOLINT
  throwing_item& operator=(throwing_item&&) noexcept(false) = default;          // NOLINT
  throwing_item(const throwing_item&) = default;
  throwing_item& operator=(const throwing_item&) = default;
  ~throwing_item() = default;
  friend bool operator==(const throwing_item& a, const throwing_item& b) {
    return a.value == b.value;
  }
};

template <template <class...> class Queue, class T = int>
struct queue_get {
  Queue<T> items{1};
  std::optional<T> got;

  task<> attempt(auto how) { got = co_await how(items.get()); }
  void complete() { EXPECT_TRUE(items.try_put(T(7))); }
  void check(bool completed) {
    EXPECT_EQ(got.has_value(), completed);
    const std::optional<T> left = items.try_get();
    EXPECT_EQ(left.has_value(), !completed);
    EXPECT_EQ(completed ? *got : *left, T(7));
    items.task_done();  // exactly one was put
    EXPECT_THROW(items.task_done(), std::logic_error);
  }
};

template <template <class...> class Queue, class T = int>
struct queue_put {
  Queue<T> items{1};
  std::optional<T> first;

  task<> set_up() {
    EXPECT_TRUE(items.try_put(T(1)));
    co_return;
  }
  task<> attempt(auto how) { co_await how(items.put(T(2))); }
  void complete() { first = items.try_get(); }
  void check(bool completed) {
    EXPECT_EQ(first, T(1));
    EXPECT_EQ(items.size(), completed ? 1u : 0u);
    const std::optional<T> left = items.try_get();
    EXPECT_EQ(left.has_value(), completed);
    if (completed) EXPECT_EQ(*left, T(2));
    EXPECT_TRUE(items.try_put(T(3)));  // the place is free again
    (void)items.try_get();
    for (int put = completed ? 3 : 2; put > 0; --put) items.task_done();
    EXPECT_THROW(items.task_done(), std::logic_error);
  }
};

template <template <class...> class Queue>
struct queue_join {
  Queue<int> items;

  task<> set_up() {
    EXPECT_TRUE(items.try_put(1));
    EXPECT_EQ(items.try_get(), 1);
    co_return;
  }
  task<> attempt(auto how) { co_await how(items.join()); }
  void complete() { items.task_done(); }
  task<> check(bool) {
    co_await items.join();  // passes at once
    EXPECT_THROW(items.task_done(), std::logic_error);
  }
};

/// The shutdown of a queue ends the wait too, with an exception.
struct queue_get_until_shutdown {
  queue<int> items;

  task<> attempt(auto how) {
    try {
      const int got = co_await how(items.get());
      ADD_FAILURE() << "there was no item " << got;
    } catch (const queue_shut_down&) {  // the completion
    }
  }
  void complete() { items.shutdown(); }
  void check(bool) { EXPECT_THROW((void)items.get_nowait(), queue_shut_down); }
};

/// What cannot be sent or put dies with the operation; nothing else does.
using owned = std::unique_ptr<int>;

struct queue_get_owned {
  queue<owned> items;
  owned got;

  task<> attempt(auto how) { got = co_await how(items.get()); }
  void complete() { EXPECT_TRUE(items.try_put(std::make_unique<int>(7))); }
  void check(bool completed) {
    EXPECT_EQ(got != nullptr, completed);
    if (!completed) got = *items.try_get();
    EXPECT_EQ(*got, 7);
    EXPECT_TRUE(items.empty());
  }
};

// ---- Channels -----------------------------------------------------------------------------------

template <class T>
struct channel_recv {
  channel<T> items{1};
  std::optional<T> got;

  task<> attempt(auto how) { got = co_await how(items.recv()); }
  void complete() { EXPECT_TRUE(items.try_send(T(7))); }
  void check(bool completed) {
    EXPECT_EQ(got.has_value(), completed);
    const std::optional<T> left = items.try_recv();
    EXPECT_EQ(left.has_value(), !completed);
    EXPECT_EQ(completed ? *got : *left, T(7));
  }
};

template <class T>
struct channel_send {
  channel<T> items{1};
  std::optional<T> first;
  bool sent = false;

  task<> set_up() {
    EXPECT_TRUE(items.try_send(T(1)));
    co_return;
  }
  task<> attempt(auto how) { sent = co_await how(items.send(T(2))); }
  void complete() { first = items.try_recv(); }
  void check(bool completed) {
    EXPECT_EQ(sent, completed);
    EXPECT_EQ(first, T(1));
    const std::optional<T> left = items.try_recv();
    EXPECT_EQ(left.has_value(), completed);
    if (completed) EXPECT_EQ(*left, T(2));
    EXPECT_TRUE(items.try_send(T(3)));
  }
};

/// Without a buffer the item goes from hand to hand, or not at all.
struct rendezvous_recv {
  channel<owned> items{0};
  owned offered = std::make_unique<int>(7);
  owned got;
  bool sent = false;

  task<> attempt(auto how) {
    std::optional<owned> received = co_await how(items.recv());
    got = std::move(*received);
  }
  void complete() { sent = items.try_send(std::move(offered)); }
  void check(bool completed) {
    EXPECT_EQ(sent, completed);
    EXPECT_EQ(got != nullptr, completed);
    EXPECT_EQ(offered == nullptr, completed);
    EXPECT_FALSE(items.try_recv());
  }
};

struct rendezvous_send {
  channel<owned> items{0};
  std::optional<owned> received;
  bool sent = false;

  task<> attempt(auto how) { sent = co_await how(items.send(std::make_unique<int>(7))); }
  void complete() { received = items.try_recv(); }
  void check(bool completed) {
    EXPECT_EQ(sent, completed);
    EXPECT_EQ(received.has_value(), completed);
    EXPECT_FALSE(items.try_send(std::make_unique<int>(8)));  // nobody waits
  }
};

/// A part may have been sent when the request comes; the count says how much.
struct channel_send_many {
  static constexpr case_traits traits{.throws_when_cancelled = false};
  channel<int> items{1};
  std::array<int, 3> batch{1, 2, 3};
  std::size_t sent = 0;
  std::vector<int> received;

  task<> attempt(auto how) { sent = co_await how(items.send_many(batch)); }
  void complete() {
    for (int i = 0; i < 2; ++i) {
      if (const std::optional<int> got = items.try_recv()) received.push_back(*got);
    }
  }
  void check(bool completed) {
    while (const std::optional<int> got = items.try_recv()) received.push_back(*got);
    if (!completed) EXPECT_EQ(sent, 0u);
    EXPECT_EQ(received, std::vector<int>(batch.begin(), batch.begin() + sent));
  }
};

struct channel_recv_many {
  channel<int> items{3};
  std::array<int, 3> batch{1, 2, 3};
  std::vector<int> got;

  task<> attempt(auto how) {
    const std::size_t count = co_await how(items.recv_many(got, 3));
    EXPECT_EQ(count, got.size());
  }
  void complete() {
    for (const int each : batch) EXPECT_TRUE(items.try_send(each));
  }
  void check(bool completed) {
    EXPECT_EQ(got.empty(), !completed);
    while (const std::optional<int> left = items.try_recv()) got.push_back(*left);
    EXPECT_EQ(got, std::vector<int>(batch.begin(), batch.end()));
  }
};

/// The end of the channel completes a wait as an item does.
struct channel_recv_until_close {
  channel<int> items{1};
  bool ended = false;

  task<> attempt(auto how) {
    const std::optional<int> got = co_await how(items.recv());
    ended = !got.has_value();
  }
  void complete() { items.close(); }
  void check(bool completed) {
    EXPECT_EQ(ended, completed);
    EXPECT_TRUE(items.closed());
  }
};

// ---- Single values and broadcasts ---------------------------------------------------------------

template <class T>
struct oneshot_recv {
  oneshot<T> value;
  std::optional<T> got;

  task<> attempt(auto how) { got = co_await how(value.recv()); }
  void complete() { EXPECT_TRUE(value.send(T(7))); }
  task<> check(bool completed) {
    EXPECT_EQ(got.has_value(), completed);
    const std::optional<T> left = co_await value.recv();
    EXPECT_EQ(left.has_value(), !completed);
    EXPECT_EQ(completed ? *got : *left, T(7));
  }
};

/// An item that the wait has not given is there for the next one.
struct broadcast_recv {
  broadcast<int> items{2};
  broadcast<int>::receiver listener = items.subscribe();
  std::optional<int> got;

  task<> attempt(auto how) { got = co_await how(listener.recv()); }
  void complete() { EXPECT_EQ(items.send(7), 1u); }
  task<> check(bool completed) {
    EXPECT_EQ(got.has_value(), completed);
    items.send(8);
    if (!completed) got = co_await listener.recv();
    EXPECT_EQ(got, 7);
    const std::optional<int> next = co_await listener.recv();
    EXPECT_EQ(next, 8);
  }
};

/// A change that the wait has not told counts as not seen.
struct watch_changed {
  watch<int> value{1};
  watch<int>::receiver reader = value.subscribe();
  bool changed = false;

  task<> attempt(auto how) { changed = co_await how(reader.changed()); }
  void complete() { value.set(2); }
  task<> check(bool completed) {
    EXPECT_EQ(changed, completed);
    EXPECT_EQ(reader.get(), 2);
    if (!completed) {
      const bool told = co_await reader.changed();
      EXPECT_TRUE(told);
    }
    auto more =
        co_await spawn_waiting([this]() -> task<bool> { co_return co_await reader.changed(); });
    EXPECT_FALSE(more.done());
    value.set(3);
    const bool told = co_await more;
    EXPECT_TRUE(told);
  }
};

// ---- Values that are made once ------------------------------------------------------------------

/// The attempt makes the value; if it is cancelled the next who asks does.
struct once_cell_maker {
  static constexpr case_traits traits{.completed_in_one_step = true};
  once_cell<int> cell;
  event may_make;
  int runs = 0, made = 0;
  int* got = nullptr;

  task<int> make() {
    ++runs;
    co_await may_make.wait();
    ++made;
    co_return 7;
  }
  task<> attempt(auto how) {
    const auto maker = [this] { return make(); };
    got = &co_await how(cell.get_or_init(maker));
  }
  void complete() { may_make.set(); }
  task<> check(bool completed) {
    EXPECT_EQ(cell.get() != nullptr, completed);
    EXPECT_EQ(made, completed ? 1 : 0);
    const auto maker = [this] { return make(); };
    const int& value = co_await cell.get_or_init(maker);
    EXPECT_EQ(value, 7);
    EXPECT_EQ(made, 1);
    if (completed) EXPECT_EQ(got, cell.get());
  }
};

/// Somebody else makes it; who waits takes nothing along.
struct once_cell_waiter {
  static constexpr case_traits traits{.completed_in_one_step = false};
  once_cell<int> cell;
  event may_make;
  int made = 0;
  heir maker;

  task<> make() {
    const auto slowly = [this]() -> task<int> {
      co_await may_make.wait();
      ++made;
      co_return 7;
    };
    const int& value = co_await cell.get_or_init(slowly);
    EXPECT_EQ(value, 7);
  }
  task<> set_up() {
    return maker.line_up([this]() -> task<> { co_await make(); });
  }
  task<> attempt(auto how) {
    const auto at_once = [] { return 8; };
    const int& value = co_await how(cell.get_or_init(at_once));
    EXPECT_EQ(value, 7);
  }
  void complete() { may_make.set(); }
  task<> check(bool) {
    co_await maker.join();
    EXPECT_EQ(made, 1);
    EXPECT_EQ(*cell.get(), 7);
  }
};

// ---- The matrix ---------------------------------------------------------------------------------

const std::vector<matrix_case>& cases() {
  static const std::vector<matrix_case> all{
      case_of<mutex_lock>("MutexLock"),
      case_of<mutex_lock_with_another_behind>("MutexLockWithAnotherBehind"),
      case_of<shared_mutex_lock>("SharedMutexLock"),
      case_of<shared_mutex_lock_shared>("SharedMutexLockShared"),
      case_of<semaphore_acquire>("SemaphoreAcquire"),
      case_of<semaphore_acquire_many>("SemaphoreAcquireMany"),
      case_of<bounded_semaphore_acquire>("BoundedSemaphoreAcquire"),
      case_of<rate_limiter_acquire>("RateLimiterAcquire"),
      case_of<event_wait>("EventWait"),
      case_of<latch_wait>("LatchWait"),
      case_of<latch_arrive_and_wait>("LatchArriveAndWait"),
      case_of<barrier_wait>("BarrierWait"),
      case_of<notify_one>("NotifyOne"),
      case_of<notify_one_kept>("NotifyOneThatIsKept"),
      case_of<notify_waiters>("NotifyWaiters"),
      case_of<condition_variable_wait>("ConditionVariableWait"),
      case_of<condition_variable_wait_until>("ConditionVariableWaitUntil"),
      case_of<condition_variable_relock>("ConditionVariableRelock"),
      case_of<queue_get<queue>>("QueueGet"),
      case_of<queue_put<queue>>("QueuePut"),
      case_of<queue_join<queue>>("QueueJoin"),
      case_of<queue_get_owned>("QueueGetOfAnOwner"),
      case_of<queue_get<queue, throwing_item>>("QueueGetOfABox"),
      case_of<queue_put<queue, throwing_item>>("QueuePutOfABox"),
      case_of<queue_get_until_shutdown>("QueueGetUntilShutdown"),
      case_of<queue_get<priority_queue>>("PriorityQueueGet"),
      case_of<queue_put<priority_queue>>("PriorityQueuePut"),
      case_of<queue_join<priority_queue>>("PriorityQueueJoin"),
      case_of<queue_get<lifo_queue>>("LifoQueueGet"),
      case_of<queue_put<lifo_queue>>("LifoQueuePut"),
      case_of<queue_join<lifo_queue>>("LifoQueueJoin"),
      case_of<channel_recv<int>>("ChannelRecv"),
      case_of<channel_send<int>>("ChannelSend"),
      case_of<channel_recv<throwing_item>>("ChannelRecvOfABox"),
      case_of<channel_send<throwing_item>>("ChannelSendOfABox"),
      case_of<rendezvous_recv>("RendezvousRecv"),
      case_of<rendezvous_send>("RendezvousSend"),
      case_of<channel_send_many>("ChannelSendMany"),
      case_of<channel_recv_many>("ChannelRecvMany"),
      case_of<channel_recv_until_close>("ChannelRecvUntilClose"),
      case_of<oneshot_recv<int>>("OneshotRecv"),
      case_of<oneshot_recv<throwing_item>>("OneshotRecvOfABox"),
      case_of<broadcast_recv>("BroadcastRecv"),
      case_of<watch_changed>("WatchChanged"),
      case_of<once_cell_maker>("OnceCellMaker"),
      case_of<once_cell_waiter>("OnceCellWaiter"),
  };
  return all;
}

class CancellationMatrix : public ::testing::TestWithParam<cancellation_cell> {};
INSTANTIATE_TEST_SUITE_P(Sync, CancellationMatrix, ::testing::ValuesIn(cancellation_cells(cases())),
                         cell_name);

TEST_P(CancellationMatrix, Request_LosesAndInventsNothing) {
  play_all(GetParam());
}

class TimeLimitMatrix : public ::testing::TestWithParam<limit_cell> {};
INSTANTIATE_TEST_SUITE_P(Sync, TimeLimitMatrix, ::testing::ValuesIn(limit_cells(cases())),
                         limit_name);

TEST_P(TimeLimitMatrix, Limit_LosesAndInventsNothing) {
  play_all(GetParam());
}

}  // namespace
}  // namespace weft::testing
