#pragma once

#include "../runtime/detail/intrusive_list.h"
#include "../runtime/detail/spin_lock.h"
#include "../runtime/detail/wait_node.h"
#include "../runtime/error.h"
#include "detail/boxed.h"
#include "detail/queue_order.h"
#include "detail/wake_list.h"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <optional>
#include <utility>

namespace weft {

namespace detail {

/// What queue, priority_queue and lifo_queue have in common: asyncio.Queue.
///
/// Items and places are handed over: an item goes to the oldest waiting getter, a place that
/// becomes free to the oldest waiting putter, so that nobody who comes later overtakes them.
/// put_nowait and get_nowait do not either: they find the queue full or empty while somebody waits.
///
/// Threads: all members may be called from any thread. Destroy it when nobody waits.
/// Cost: one short critical section an operation. No allocation but for the items themselves, whose
/// memory grows as they come and is kept.
template <storable T, class Order>
class queue_base {
 public:
  class put_operation;
  class get_operation;
  class join_operation;

  /// At most `max_size` items; 0: no bound.
  constexpr explicit queue_base(std::size_t max_size = 0) noexcept : max_size_(max_size) {}
  queue_base(const queue_base&) = delete;
  queue_base& operator=(const queue_base&) = delete;

  /// Waits until there is room and puts the item. The operation owns it from the call on. Throws
  /// queue_shut_down, also to those who wait when the queue is shut down.
  /// Cancellation: takes nothing: the item is not in the queue and dies with the operation.
  [[nodiscard]] put_operation put(T item) noexcept { return put_operation(*this, std::move(item)); }

  /// Waits for an item and takes it. Throws queue_shut_down when the queue is shut down and empty.
  /// Cancellation: takes nothing, no item is lost.
  [[nodiscard]] get_operation get() noexcept { return get_operation(*this); }

  /// Puts the item if there is room and the queue is not shut down; else it stays with the caller.
  bool try_put(T&& item) { return put_now(item) == put_result::done; }
  bool try_put(const T& item)
    requires std::copy_constructible<T>
  {
    return try_put(T(item));
  }
  /// An item, if there is one.
  std::optional<T> try_get() noexcept;

  /// As try_put, but throws queue_full or queue_shut_down.
  void put_nowait(T&& item) {
    const put_result result = put_now(item);
    if (result == put_result::shut_down) throw queue_shut_down();
    if (result == put_result::full) throw queue_full();
  }
  void put_nowait(const T& item)
    requires std::copy_constructible<T>
  {
    put_nowait(T(item));
  }
  /// As try_get, but throws queue_empty, or queue_shut_down when nothing will come any more.
  [[nodiscard]] T get_nowait();

  /// Snapshots.
  [[nodiscard]] std::size_t size() const noexcept {
    const spin_guard guard(lock_);
    return items_.size();
  }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] bool full() const noexcept { return max_size_ != 0 && size() >= max_size_; }
  [[nodiscard]] std::size_t max_size() const noexcept { return max_size_; }

  /// Waits until task_done() was called for every item that was put.
  /// Cancellation: takes nothing.
  [[nodiscard]] join_operation join() noexcept { return join_operation(*this); }
  /// An item that was taken is done with. Throws invalid_state_error when called more often than
  /// items were put.
  void task_done();

  /// Refuses new items from now on, and fails the putters that wait. What is in the queue may still
  /// be taken; then getters fail too. `immediate`: the items are dropped and count as done.
  void shutdown(bool immediate = false) noexcept;

 private:
  enum class put_result : std::uint8_t { done, full, shut_down };

  put_result put_now(T& item);
  put_result put_locked(T& item, wake_list& woken);
  void take_locked(std::optional<T>& into, wake_list& woken) noexcept;
  void finish_locked(std::size_t count, wake_list& woken) noexcept;
  [[nodiscard]] bool is_full() const noexcept {
    return max_size_ != 0 && items_.size() >= max_size_;
  }

  const std::size_t max_size_;
  mutable spin_lock lock_;
  // Guarded by lock_. Getters wait only while it is empty, putters only while it is full.
  bool shut_down_ = false;
  std::size_t unfinished_ = 0;
  Order items_;
  intrusive_list<put_operation> putters_;
  intrusive_list<get_operation> getters_;
  intrusive_list<join_operation> joiners_;
};

/// Awaitable of void.
template <storable T, class Order>
class [[nodiscard]] queue_base<T, Order>::put_operation : public leaf_operation<put_operation> {
 public:
  put_operation(queue_base& into, T&& item) noexcept : queue_(&into), item_(std::move(item)) {
    this->unlink = waits<take_out, "queue::put()">;
  }
  put_operation(put_operation&&) noexcept = default;
  put_operation& operator=(put_operation&&) = delete;
  ~put_operation() = default;

  bool try_now() { return attempt(false); }
  bool publish() noexcept { return !attempt(true); }
  void take() {
    if (ended_ == ending::shut_down) throw queue_shut_down();
    if (ended_ == ending::no_memory) throw std::bad_alloc();
  }

 private:
  friend class queue_base;
  enum class ending : std::uint8_t { done, shut_down, no_memory };

  bool attempt(bool may_wait) noexcept;
  static unlink_result take_out(wait_node& self) noexcept {
    auto& waiter = static_cast<put_operation&>(self);
    return unlink_under(waiter.queue_->lock_, waiter);
  }

  ending ended_ = ending::done;
  queue_base* queue_;
  T item_;
};

/// Awaitable of T.
template <storable T, class Order>
class [[nodiscard]] queue_base<T, Order>::get_operation : public leaf_operation<get_operation> {
 public:
  explicit get_operation(queue_base& from) noexcept : queue_(&from) {
    this->unlink = waits<take_out, "queue::get()">;
  }
  get_operation(get_operation&&) noexcept = default;
  get_operation& operator=(get_operation&&) = delete;
  ~get_operation() = default;

  bool try_now() noexcept { return attempt(false); }
  bool publish() noexcept { return !attempt(true); }
  T take() {
    if (!item_) throw queue_shut_down();
    return std::move(*item_);
  }
  [[nodiscard]] T await_resume() { return leaf_operation<get_operation>::await_resume(); }

 private:
  friend class queue_base;

  bool attempt(bool may_wait) noexcept;
  static unlink_result take_out(wait_node& self) noexcept {
    auto& waiter = static_cast<get_operation&>(self);
    return unlink_under(waiter.queue_->lock_, waiter);
  }

  queue_base* queue_;
  std::optional<T> item_;  // empty when completed: shut down
};

/// Awaitable of void.
template <storable T, class Order>
class [[nodiscard]] queue_base<T, Order>::join_operation : public leaf_operation<join_operation> {
 public:
  explicit join_operation(queue_base& all) noexcept : queue_(&all) {
    this->unlink = waits<take_out, "queue::join()">;
  }
  join_operation(join_operation&&) noexcept = default;
  join_operation& operator=(join_operation&&) = delete;
  ~join_operation() = default;

  bool try_now() noexcept { return attempt(false); }
  bool publish() noexcept { return !attempt(true); }
  void take() noexcept {}

 private:
  bool attempt(bool may_wait) noexcept {
    const spin_guard guard(queue_->lock_);
    if (queue_->unfinished_ == 0) return this->claim();
    if (may_wait) queue_->joiners_.push_back(*this);
    return false;
  }
  static unlink_result take_out(wait_node& self) noexcept {
    auto& waiter = static_cast<join_operation&>(self);
    return unlink_under(waiter.queue_->lock_, waiter);
  }

  queue_base* queue_;
};

// ---- Putting ------------------------------------------------------------------------------------

// Under lock_. Gives the item to the oldest getter, or stores it. Throws only std::bad_alloc, and
// then nothing has happened.
template <storable T, class Order>
auto queue_base<T, Order>::put_locked(T& item, wake_list& woken) -> put_result {
  if (shut_down_) return put_result::shut_down;
  if (is_full()) return put_result::full;
  items_.grow();
  ++unfinished_;
  if (get_operation* const getter = claim_front(getters_)) {
    getter->item_.emplace(std::move(item));
    woken.add(*getter);
  } else {
    items_.push(std::move(item));
  }
  return put_result::done;
}

template <storable T, class Order>
auto queue_base<T, Order>::put_now(T& item) -> put_result {
  wake_list woken;
  put_result result;
  {
    const spin_guard guard(lock_);
    result = put_locked(item, woken);
  }
  woken.wake_all();
  return result;
}

template <storable T, class Order>
bool queue_base<T, Order>::put_operation::attempt(bool may_wait) noexcept {
  wake_list woken;
  {
    const spin_guard guard(queue_->lock_);
    if (!queue_->shut_down_ && queue_->is_full()) {
      if (may_wait) queue_->putters_.push_back(*this);
      return false;
    }
    if (!this->claim()) return false;
    try {
      if (queue_->put_locked(item_, woken) == put_result::shut_down) ended_ = ending::shut_down;
    } catch (const std::bad_alloc&) {
      ended_ = ending::no_memory;
    }
  }
  woken.wake_all();
  return true;
}

// ---- Getting ------------------------------------------------------------------------------------

// Under lock_, not empty. The place that becomes free goes to the oldest putter.
template <storable T, class Order>
void queue_base<T, Order>::take_locked(std::optional<T>& into, wake_list& woken) noexcept {
  into.emplace(items_.pop());
  if (put_operation* const putter = claim_front(putters_)) {
    items_.push(std::move(putter->item_));
    ++unfinished_;
    woken.add(*putter);
  }
}

template <storable T, class Order>
bool queue_base<T, Order>::get_operation::attempt(bool may_wait) noexcept {
  wake_list woken;
  {
    const spin_guard guard(queue_->lock_);
    const bool is_empty = queue_->items_.size() == 0;
    if (is_empty && !queue_->shut_down_) {
      if (may_wait) queue_->getters_.push_back(*this);
      return false;
    }
    if (!this->claim()) return false;
    if (!is_empty) queue_->take_locked(item_, woken);
  }
  woken.wake_all();
  return true;
}

template <storable T, class Order>
std::optional<T> queue_base<T, Order>::try_get() noexcept {
  wake_list woken;
  std::optional<T> item;
  {
    const spin_guard guard(lock_);
    if (items_.size() > 0) take_locked(item, woken);
  }
  woken.wake_all();
  return item;
}

template <storable T, class Order>
T queue_base<T, Order>::get_nowait() {
  std::optional<T> item = try_get();
  if (item) return std::move(*item);
  const spin_guard guard(lock_);
  if (shut_down_) throw queue_shut_down();
  throw queue_empty();
}

// ---- The end of items, and of the queue ---------------------------------------------------------

template <storable T, class Order>
void queue_base<T, Order>::finish_locked(std::size_t count, wake_list& woken) noexcept {
  unfinished_ -= count;
  if (unfinished_ != 0) return;
  while (join_operation* const joiner = claim_front(joiners_)) woken.add(*joiner);
}

template <storable T, class Order>
void queue_base<T, Order>::task_done() {
  wake_list woken;
  {
    const spin_guard guard(lock_);
    if (unfinished_ == 0) throw_invalid_state("task_done() called too many times");
    finish_locked(1, woken);
  }
  woken.wake_all();
}

template <storable T, class Order>
void queue_base<T, Order>::shutdown(bool immediate) noexcept {
  wake_list woken;
  Order dropped;  // destroyed without the lock
  {
    const spin_guard guard(lock_);
    shut_down_ = true;
    if (immediate) {
      dropped.swap(items_);
      finish_locked(dropped.size(), woken);
    }
    while (put_operation* const putter = claim_front(putters_)) {
      putter->ended_ = put_operation::ending::shut_down;
      woken.add(*putter);
    }
    while (get_operation* const getter = claim_front(getters_)) woken.add(*getter);
  }
  woken.wake_all();
}

// ---- Items whose move may throw -----------------------------------------------------------------

/// A queue of boxes that looks like one of items. Order: that of the boxes.
template <class T, class Order>
class boxed_queue : queue_base<box<T>, Order> {
  using boxes = queue_base<box<T>, Order>;

 public:
  using put_operation = typename boxes::put_operation;
  using join_operation = typename boxes::join_operation;

  /// Awaitable of T. Throws what moving the item throws; the item is lost then.
  class [[nodiscard]] get_operation : public boxes::get_operation {
    using boxed = typename boxes::get_operation;

   public:
    explicit get_operation(boxed_queue& from) noexcept : boxed(from) {}
    T take() { return take_out_of_box(boxed::take()); }
    [[nodiscard]] T await_resume() { return take_out_of_box(boxed::await_resume()); }
  };

  using boxes::boxes, boxes::size, boxes::empty, boxes::full, boxes::max_size, boxes::join,
      boxes::task_done, boxes::shutdown;

  /// May throw what moving the item throws, and std::bad_alloc; nothing was put then. So do those
  /// below.
  [[nodiscard]] put_operation put(T item) { return boxes::put(put_in_box(std::move(item))); }
  [[nodiscard]] get_operation get() noexcept { return get_operation(*this); }

  /// `item` is as before when it was not put.
  bool try_put(T&& item)
    requires std::is_move_assignable_v<T>
  {
    return try_in_box(item, [this](box<T>&& boxed) { return boxes::try_put(std::move(boxed)); });
  }
  bool try_put(const T& item)
    requires std::copy_constructible<T>
  {
    return boxes::try_put(std::make_unique<T>(item));
  }
  std::optional<T> try_get() { return take_out_of_box(boxes::try_get()); }

  void put_nowait(T item) { boxes::put_nowait(put_in_box(std::move(item))); }
  [[nodiscard]] T get_nowait() { return take_out_of_box(boxes::get_nowait()); }
};

/// Compares what is in the boxes.
template <class T, class Compare>
struct compare_boxed {
  bool operator()(const box<T>& a, const box<T>& b) const { return compare(*a, *b); }
  [[no_unique_address]] Compare compare{};
};

/// The right one of the two for T.
template <class T, template <class> class Order>
struct queue_of {
  static_assert(carried<T>,
                "weft::queue<T>: T must be a movable object type whose destructor does not throw");
  using type = boxed_queue<T, Order<box<T>>>;
};
template <storable T, template <class> class Order>
struct queue_of<T, Order> {
  using type = queue_base<T, Order<T>>;
};
/// A heap moves its items by assignment too.
template <class T, class Compare>
struct priority_queue_of {
  static_assert(carried<T>,
                "weft::priority_queue<T>: T must be a movable object type whose destructor does "
                "not throw");
  using type = boxed_queue<T, priority_order<box<T>, compare_boxed<T, Compare>>>;
};
template <storable T, class Compare>
  requires std::is_nothrow_move_assignable_v<T>
struct priority_queue_of<T, Compare> {
  using type = queue_base<T, priority_order<T, Compare>>;
};

}  // namespace detail

/// First in, first out. T: if its move constructor may throw, an item costs an allocation.
template <class T>
class queue : public detail::queue_of<T, detail::fifo_order>::type {
  using base = typename detail::queue_of<T, detail::fifo_order>::type;

 public:
  constexpr explicit queue(std::size_t max_size = 0) noexcept : base(max_size) {}
};

/// Smallest first, as in asyncio (std::priority_queue gives the largest); equal ones in the order
/// in which they were put. Compare is called inside the queue's critical section: it must be short,
/// must not throw, and must not use the queue. T: as in queue, for its move assignment too.
template <class T, class Compare = std::less<T>>
class priority_queue : public detail::priority_queue_of<T, Compare>::type {
  using base = typename detail::priority_queue_of<T, Compare>::type;

 public:
  constexpr explicit priority_queue(std::size_t max_size = 0) noexcept : base(max_size) {}
};

/// Last in, first out. T: as in queue.
template <class T>
class lifo_queue : public detail::queue_of<T, detail::lifo_order>::type {
  using base = typename detail::queue_of<T, detail::lifo_order>::type;

 public:
  constexpr explicit lifo_queue(std::size_t max_size = 0) noexcept : base(max_size) {}
};

}  // namespace weft
