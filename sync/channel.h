#pragma once

#include "../runtime/detail/intrusive_list.h"
#include "../runtime/detail/spin_lock.h"
#include "../runtime/detail/wait_node.h"
#include "detail/boxed.h"
#include "detail/ring.h"
#include "detail/wake_list.h"

#include <algorithm>
#include <cassert>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

/// A bounded stream of items from many senders to many receivers, which ends when it is closed.
///
/// First come, first served on both sides, and items arrive in the order in which they were sent. A
/// channel of capacity 0 is a rendezvous: a send completes when a receiver takes its item.
/// T: if its move constructor may throw, an item costs an allocation, and there is no send_many and
/// no recv_many.
///
/// Threads: all members may be called from any thread. Destroy it when nobody waits.
/// Cost: one short critical section an operation, or for many items at once. The buffer is
/// allocated by the constructor, nothing later; that of a channel that was constant-initialised by
/// the first who sends, which may throw std::bad_alloc.
template <class T>
class channel {
  static_assert(
      detail::carried<T>,
      "weft::channel<T>: T must be a movable object type whose destructor does not throw");
  class sender;
  class receiver;

 public:
  class send_operation;
  class send_many_operation;
  class recv_operation;
  class recv_many_operation;

  constexpr explicit channel(std::size_t capacity)
      : capacity_(capacity),
        flags_(capacity > 0 ? bare : std::uint8_t{0}),
        flow_limit_(capacity > 0 ? capacity - 1 : 0) {
    if (!std::is_constant_evaluated() && capacity > 0) make_buffer();
  }
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;
  ~channel() = default;

  /// Waits until there is room, or a receiver, and sends the item: true. False when the channel is
  /// closed, also while it waits. A channel that is closed already leaves the item with the caller;
  /// else the operation owns it from the call on.
  /// Cancellation: takes nothing: the item was not sent and dies with the operation.
  [[nodiscard]] send_operation send(T&& item) {
    const bool open = prepare();
    return {*this, std::move(item), open};
  }
  [[nodiscard]] send_operation send(const T& item)
    requires std::copy_constructible<T>
  {
    return send(T(item));
  }

  /// Waits for an item and takes it. Empty when the channel is closed and all items were taken.
  /// Cancellation: takes nothing, no item is lost.
  [[nodiscard]] recv_operation recv() noexcept { return recv_operation(*this); }

  /// Moves from `item` only if it was sent at once.
  bool try_send(T&& item);
  bool try_send(const T& item)
    requires std::copy_constructible<T>
  {
    return try_send(T(item));
  }
  std::optional<T> try_recv() noexcept;

  /// Sends all items, in order and as one sender: none of another comes between those that leave in
  /// one go. Returns how many were sent: fewer only when the channel was closed meanwhile, or the
  /// task was cancelled after some had been sent (the request stays pending). In a select it sends
  /// what it can send at once, at least one. Sent items are moved from; the span outlives the
  /// operation.
  /// Cancellation: may have transferred part; the count says how much.
  [[nodiscard]] send_many_operation send_many(std::span<T> items) {
    prepare();
    return {*this, items};
  }

  /// Waits for one item, then appends to `into` all that are there, `max` at most and no more than
  /// the capacity at a time. Returns how many; 0 when the channel is closed and all items were
  /// taken.
  /// Requires: max > 0. Makes room in `into` at the call, and may throw std::bad_alloc there.
  /// Cancellation: takes nothing, no item is lost.
  [[nodiscard]] recv_many_operation recv_many(std::vector<T>& into, std::size_t max) {
    return {*this, into, max};
  }

  /// No item can be sent any more: those who wait to send give up, receivers get what is left and
  /// then nothing.
  void close() noexcept;

  /// Snapshots.
  [[nodiscard]] bool closed() const noexcept { return is_closed(); }
  [[nodiscard]] std::size_t size() const noexcept {
    const detail::spin_guard guard(lock_);
    return buffer_.size();
  }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

 private:
  enum class progress : std::uint8_t { done, blocked, lost };

  progress send_locked(sender& self, detail::wake_list& woken) noexcept;
  progress recv_locked(receiver& self, detail::wake_list& woken) noexcept;
  progress commit(sender& self, detail::wake_list& woken) noexcept;
  progress commit(receiver& self, detail::wake_list& woken) noexcept;
  template <class Self, class Peer>
  progress meet(Self& self, detail::intrusive_list<Peer>& peers, Peer*& met) noexcept;
  void push(T*& next, T* end, detail::wake_list& woken) noexcept;
  void pull(receiver& self, detail::wake_list& woken) noexcept;
  void serve(receiver& claimed, T*& next, T* end, detail::wake_list& woken) noexcept;
  template <class Wants, class Accept>
  void drain(sender& claimed, Wants wants, Accept accept, detail::wake_list& woken) noexcept;
  template <class Wants, class Accept>
  void drain_all(Wants wants, Accept accept, detail::wake_list& woken) noexcept;
  [[nodiscard]] bool sends_all(const sender& self) const noexcept {
    const auto count = static_cast<std::size_t>(self.end_ - self.next_);
    return count <= 1 || is_closed() || count <= capacity_ - buffer_.size();
  }
  [[nodiscard]] bool has_room() const noexcept { return buffer_.size() < capacity_; }
  /// It is open, there are items, and there is room: so nobody waits, see receivers_.
  [[nodiscard]] bool flows() const noexcept {
    const bool between = buffer_.size() - 1 < flow_limit_;
    assert(!between || (senders_.empty() && receivers_.empty()));
    return between;
  }
  [[nodiscard]] bool has_flag(std::uint8_t flag) const noexcept {
    return (flags_.load(std::memory_order_relaxed) & flag) != 0;
  }
  [[nodiscard]] bool is_closed() const noexcept { return has_flag(closed_flag); }
  /// Before anything is sent, without the lock. False: it is closed.
  bool prepare() { return flags_.load(std::memory_order_relaxed) == 0 || prepare_slowly(); }
  [[gnu::noinline]] bool prepare_slowly() {
    if (has_flag(bare)) make_buffer();
    return !is_closed();
  }
  void make_buffer();

  static constexpr std::uint8_t closed_flag = 1;
  static constexpr std::uint8_t bare = 2;  // constant-initialised, and the buffer is not there yet

  const std::size_t capacity_;
  mutable detail::spin_lock lock_;
  // Written under lock_. send() also reads them without: relaxed, because all that they decide is
  // whether an item that cannot be sent any more is worth moving, and whether to look for the
  // buffer under the lock.
  detail::atomic<std::uint8_t> flags_;
  // Guarded by lock_: capacity_ - 1, and 0 when it is closed, so that flows() is one comparison.
  std::size_t flow_limit_;
  // Guarded by lock_. Receivers wait only while there is nothing to take, senders only while there
  // is no room; both wait only when they belong to one select.
  detail::ring<T> buffer_;
  detail::intrusive_list<sender> senders_;
  detail::intrusive_list<receiver> receivers_;
};

// ---- Operations ---------------------------------------------------------------------------------

/// Somebody who sends items [next_, end_): one of its own, or those of a span.
template <class T>
class channel<T>::sender : public detail::leaf_operation<sender> {
 public:
  bool try_now() noexcept {
    channel& into = *channel_;
    const bool plain = is_plain();
    into.lock_.lock();
    if (plain && into.flows()) [[likely]] {
      into.buffer_.push_back(std::move(*next_));
      ++next_;
      into.lock_.unlock();
      return true;
    }
    return attempt_locked(false);
  }
  bool publish() noexcept {
    channel_->lock_.lock();
    return !attempt_locked(true);
  }
  /// How many were sent.
  std::size_t take() noexcept { return static_cast<std::size_t>(next_ - begin_); }

  sender(sender&&) noexcept = default;
  sender& operator=(sender&&) = delete;
  ~sender() = default;

 protected:
  explicit sender(channel& into) noexcept : channel_(&into) {
    this->unlink = detail::waits<take_out, "channel::send()">;
  }
  void set_items(T* first, std::size_t count) noexcept {
    begin_ = next_ = first;
    end_ = first + count;
  }

 private:
  friend class channel;

  /// Has one item to send, and is in no select.
  [[nodiscard]] bool is_plain() const noexcept {
    return end_ - next_ == 1 && this->group == nullptr;
  }
  /// Releases the lock.
  [[gnu::noinline]] bool attempt_locked(bool may_wait) noexcept {
    detail::wake_list woken;
    progress reached = progress::blocked;
    // All or nothing while it is not published: a select may still begin with another arm.
    if (may_wait || channel_->sends_all(*this)) reached = channel_->send_locked(*this, woken);
    if (reached == progress::blocked && may_wait) channel_->senders_.push_back(*this);
    channel_->lock_.unlock();
    woken.wake_all();
    return reached == progress::done;
  }
  static detail::unlink_result take_out(detail::wait_node& self) noexcept;

  channel* channel_;
  // By set_items(), in the constructor.
  T* begin_;
  T* next_;
  T* end_;
};

/// Awaitable of bool: was it sent?
template <class T>
class [[nodiscard]] channel<T>::send_operation : public sender {
 public:
  send_operation(channel& into, T&& item, bool open) : sender(into) {
    if (open) [[likely]] {
      item_.emplace(std::move(item));
      this->set_items(&*item_, 1);
    } else {
      this->set_items(nullptr, 0);
    }
  }
  send_operation(send_operation&& other) noexcept
      : sender(std::move(other)), item_(std::move(other.item_)) {
    this->set_items(item_ ? &*item_ : nullptr, item_ ? 1 : 0);
  }
  send_operation& operator=(send_operation&&) = delete;
  ~send_operation() = default;

  bool take() noexcept { return sender::take() == 1; }
  bool await_resume() {
    sender::await_resume();
    return take();
  }

 private:
  std::optional<T> item_;  // empty: the channel was closed before, nothing is sent
};

/// Awaitable of std::size_t: how many were sent?
template <class T>
class [[nodiscard]] channel<T>::send_many_operation : public sender {
 public:
  send_many_operation(channel& into, std::span<T> items) : sender(into) {
    this->set_items(items.data(), items.size());
  }
  [[nodiscard]] std::size_t await_resume() { return sender::await_resume(); }
};

/// Somebody who takes one item into its own slot, or many into a vector.
template <class T>
class channel<T>::receiver : public detail::leaf_operation<receiver> {
 public:
  bool try_now() noexcept {
    channel& from = *channel_;
    const bool plain = is_plain();
    from.lock_.lock();
    if (plain && from.flows()) [[likely]] {
      item_.emplace(from.buffer_.pop_front());
      from.lock_.unlock();
      return true;
    }
    return attempt_locked(false);
  }
  bool publish() noexcept {
    channel_->lock_.lock();
    return !attempt_locked(true);
  }
  void take() noexcept {}

  receiver(receiver&&) noexcept = default;
  receiver& operator=(receiver&&) = delete;
  ~receiver() = default;

 protected:
  /// Up to `room` items for the end of `into`.
  struct batch {
    std::vector<T>* into;
    std::size_t room;
    std::size_t received = 0;
  };

  receiver(channel& from, batch* many) noexcept : channel_(&from), many_(many) {
    this->unlink = detail::waits<take_out, "channel::recv()">;
  }

  void set_batch(batch& many) noexcept { many_ = &many; }

  std::optional<T> item_;  // of recv()

 private:
  friend class channel;

  /// Takes one item, and is in no select.
  [[nodiscard]] bool is_plain() const noexcept {
    return many_ == nullptr && this->group == nullptr;
  }
  [[nodiscard]] bool wants_more() const noexcept {
    return many_ == nullptr ? !item_ : many_->received < many_->room;
  }
  [[nodiscard]] bool has_received() const noexcept {
    return many_ == nullptr ? item_.has_value() : many_->received > 0;
  }
  void accept(T&& item) noexcept {
    if (many_ == nullptr) {
      item_.emplace(std::move(item));
      return;
    }
    assert(many_->into->size() < many_->into->capacity() &&
           "recv_many's vector was changed meanwhile");
    many_->into->push_back(std::move(item));
    ++many_->received;
  }
  /// Releases the lock.
  [[gnu::noinline]] bool attempt_locked(bool may_wait) noexcept {
    detail::wake_list woken;
    const progress reached = channel_->recv_locked(*this, woken);
    if (reached == progress::blocked && may_wait) channel_->receivers_.push_back(*this);
    channel_->lock_.unlock();
    woken.wake_all();
    return reached == progress::done;
  }
  static detail::unlink_result take_out(detail::wait_node& self) noexcept {
    auto& waiter = static_cast<receiver&>(self);
    return detail::unlink_under(waiter.channel_->lock_, waiter);
  }

  channel* channel_;
  batch* many_;  // of recv_many()
};

/// Awaitable of std::optional<T>.
template <class T>
class [[nodiscard]] channel<T>::recv_operation : public receiver {
 public:
  explicit recv_operation(channel& from) noexcept : receiver(from, nullptr) {}

  std::optional<T> take() noexcept { return std::move(this->item_); }
  [[nodiscard]] std::optional<T> await_resume() {
    receiver::await_resume();
    return take();
  }
};

/// Awaitable of std::size_t: how many were appended?
template <class T>
class [[nodiscard]] channel<T>::recv_many_operation : public receiver {
 public:
  recv_many_operation(channel& from, std::vector<T>& into, std::size_t max)
      : receiver(from, &batch_),
        batch_{&into, std::min(max, std::max<std::size_t>(from.capacity_, 1))} {
    const std::size_t needed = into.size() + batch_.room;
    if (needed > into.capacity()) into.reserve(std::max(needed, into.capacity() * 2));
  }
  recv_many_operation(recv_many_operation&& other) noexcept
      : receiver(std::move(other)), batch_(other.batch_) {
    this->set_batch(batch_);
  }
  recv_many_operation& operator=(recv_many_operation&&) = delete;
  ~recv_many_operation() = default;

  std::size_t take() noexcept { return batch_.received; }
  [[nodiscard]] std::size_t await_resume() {
    receiver::await_resume();
    return take();
  }

 private:
  typename receiver::batch batch_;
};

// ---- The buffer ---------------------------------------------------------------------------------

template <class T>
void channel<T>::make_buffer() {
  detail::ring<T> made;
  made.reserve(capacity_);
  const detail::spin_guard guard(lock_);
  if (!has_flag(bare)) return;  // another sender was quicker
  buffer_.swap(made);
  const std::uint8_t flags = flags_.load(std::memory_order_relaxed);
  flags_.store(static_cast<std::uint8_t>(flags & ~bare), std::memory_order_relaxed);
}

// ---- Sending ------------------------------------------------------------------------------------
//
// Everything from here on runs under lock_.

template <class T>
auto channel<T>::send_locked(sender& self, detail::wake_list& woken) noexcept -> progress {
  // Nearly always one item, room for it, and nobody to meet.
  if (has_room() && receivers_.empty() && self.is_plain() && !is_closed()) [[likely]] {
    buffer_.push_back(std::move(*self.next_++));
    return progress::done;
  }
  if (is_closed() || self.next_ == self.end_) return self.claim() ? progress::done : progress::lost;
  if (self.group != nullptr) {
    if (const progress reached = commit(self, woken); reached != progress::done) return reached;
  }
  push(self.next_, self.end_, woken);
  const bool done = self.next_ == self.end_ || self.group != nullptr;
  return done ? progress::done : progress::blocked;
}

// A member of a select decides for it, if it can send now: then it must, and did if that took a
// receiver who may be in a select as well.
template <class T>
auto channel<T>::commit(sender& self, detail::wake_list& woken) noexcept -> progress {
  if (has_room()) return self.claim() ? progress::done : progress::lost;
  receiver* met = nullptr;
  const progress reached = meet(self, receivers_, met);
  if (met != nullptr) serve(*met, self.next_, self.end_, woken);
  return reached;
}

// The first of `peers` that can be claimed together with self, unlinked; not those of its own
// select.
template <class T>
template <class Self, class Peer>
auto channel<T>::meet(Self& self, detail::intrusive_list<Peer>& peers, Peer*& met) noexcept
    -> progress {
  Peer* next = nullptr;
  for (Peer* peer = peers.front(); peer != nullptr; peer = next) {
    next = peers.after(*peer);
    if (peer->group == self.group) continue;
    const detail::meeting claimed = detail::claim_both(self, *peer);
    if (claimed == detail::meeting::self_gone) return progress::lost;
    detail::intrusive_list<Peer>::unlink(*peer);
    if (claimed == detail::meeting::both) {
      met = peer;
      return progress::done;
    }
  }
  return progress::blocked;
}

// Moves items to receivers and into the buffer, as far as they fit.
template <class T>
void channel<T>::push(T*& next, T* end, detail::wake_list& woken) noexcept {
  while (next != end) {
    if (receiver* const waiting = detail::claim_front(receivers_)) {
      serve(*waiting, next, end, woken);
    } else if (has_room()) {
      buffer_.push_back(std::move(*next++));
    } else {
      return;
    }
  }
}

template <class T>
void channel<T>::serve(receiver& claimed, T*& next, T* end, detail::wake_list& woken) noexcept {
  while (next != end && claimed.wants_more()) claimed.accept(std::move(*next++));
  woken.add(claimed);
}

template <class T>
bool channel<T>::try_send(T&& item) {
  prepare();
  detail::wake_list woken;
  T* next = &item;
  {
    const detail::spin_guard guard(lock_);
    if (!is_closed()) push(next, &item + 1, woken);
  }
  woken.wake_all();
  return next != &item;
}

// A sender of many that was cancelled half-way completes with what it has sent.
template <class T>
detail::unlink_result channel<T>::sender::take_out(detail::wait_node& self) noexcept {
  auto& waiter = static_cast<sender&>(self);
  if (detail::unlink_under(waiter.channel_->lock_, waiter) == detail::unlink_result::completed) {
    return detail::unlink_result::completed;
  }
  if (waiter.next_ == waiter.begin_) return detail::unlink_result::removed;
  waiter.outcome = detail::wait_outcome::completed;
  detail::wake(*waiter.task);
  return detail::unlink_result::completed;
}

// ---- Receiving ----------------------------------------------------------------------------------

template <class T>
auto channel<T>::recv_locked(receiver& self, detail::wake_list& woken) noexcept -> progress {
  // Nearly always one item, which is there, and nobody who wants its place.
  if (!buffer_.empty() && senders_.empty() && self.is_plain()) [[likely]] {
    self.accept(buffer_.pop_front());
    return progress::done;
  }
  if (buffer_.empty() && senders_.empty() && !is_closed()) return progress::blocked;
  if (self.group != nullptr) {
    if (const progress reached = commit(self, woken); reached != progress::done) return reached;
  }
  pull(self, woken);
  const bool done = !self.wants_more() || self.has_received() || is_closed();
  return done ? progress::done : progress::blocked;
}

template <class T>
auto channel<T>::commit(receiver& self, detail::wake_list& woken) noexcept -> progress {
  if (!buffer_.empty() || is_closed()) return self.claim() ? progress::done : progress::lost;
  sender* met = nullptr;
  const progress reached = meet(self, senders_, met);
  if (met != nullptr) {
    drain(
        *met, [&] { return self.wants_more(); }, [&](T&& item) { self.accept(std::move(item)); },
        woken);
  }
  return reached;
}

// Takes what is there, oldest first, and lets waiting senders fill the room that this makes.
template <class T>
void channel<T>::pull(receiver& self, detail::wake_list& woken) noexcept {
  while (self.wants_more() && !buffer_.empty()) {
    self.accept(std::move(buffer_.front()));
    buffer_.drop_front();
  }
  if (senders_.empty()) return;
  drain_all([&] { return self.wants_more(); }, [&](T&& item) { self.accept(std::move(item)); },
            woken);
  drain_all([&] { return has_room(); }, [&](T&& item) { buffer_.push_back(std::move(item)); },
            woken);
}

// Takes items of waiting senders while they are wanted.
template <class T>
template <class Wants, class Accept>
void channel<T>::drain_all(Wants wants, Accept accept, detail::wake_list& woken) noexcept {
  while (wants()) {
    sender* const waiting = detail::claim_front(senders_);
    if (waiting == nullptr) return;
    drain(*waiting, wants, accept, woken);
  }
}

// At least one item is wanted. A sender that has more keeps its place, unless it is in a select.
template <class T>
template <class Wants, class Accept>
void channel<T>::drain(sender& claimed, Wants wants, Accept accept,
                       detail::wake_list& woken) noexcept {
  do {
    accept(std::move(*claimed.next_++));
  } while (claimed.next_ != claimed.end_ && wants());
  if (claimed.next_ != claimed.end_ && claimed.group == nullptr) {
    senders_.push_front(claimed);
  } else {
    woken.add(claimed);
  }
}

template <class T>
std::optional<T> channel<T>::try_recv() noexcept {
  recv_operation operation(*this);
  operation.try_now();
  return operation.take();
}

// ---- The end ------------------------------------------------------------------------------------

template <class T>
void channel<T>::close() noexcept {
  detail::wake_list woken;
  {
    const detail::spin_guard guard(lock_);
    flags_.store(flags_.load(std::memory_order_relaxed) | closed_flag, std::memory_order_relaxed);
    flow_limit_ = 0;
    while (sender* const waiting = detail::claim_front(senders_)) woken.add(*waiting);
    while (receiver* const waiting = detail::claim_front(receivers_)) woken.add(*waiting);
  }
  woken.wake_all();
}

// ---- Items whose move may throw -----------------------------------------------------------------

template <class T>
  requires(detail::carried<T> && !detail::storable<T>)
class channel<T> : channel<detail::box<T>> {
  using boxes = channel<detail::box<T>>;

 public:
  using send_operation = typename boxes::send_operation;
  class recv_operation;

  using boxes::boxes, boxes::close, boxes::closed, boxes::size, boxes::capacity;

  /// May throw what moving the item throws, and std::bad_alloc; nothing was sent then.
  [[nodiscard]] send_operation send(T&& item) {
    if (boxes::closed()) return boxes::send(nullptr);  // the item stays with the caller
    return boxes::send(detail::put_in_box(std::move(item)));
  }
  [[nodiscard]] send_operation send(const T& item)
    requires std::copy_constructible<T>
  {
    return boxes::send(std::make_unique<T>(item));
  }
  [[nodiscard]] recv_operation recv() noexcept { return recv_operation(*this); }

  /// `item` is as before when it was not sent at once.
  bool try_send(T&& item)
    requires std::is_move_assignable_v<T>
  {
    if (boxes::closed()) return false;
    return detail::try_in_box(
        item, [this](detail::box<T>&& boxed) { return boxes::try_send(std::move(boxed)); });
  }
  bool try_send(const T& item)
    requires std::copy_constructible<T>
  {
    return boxes::try_send(std::make_unique<T>(item));
  }
  std::optional<T> try_recv() { return detail::take_out_of_box(boxes::try_recv()); }
};

/// Awaitable of std::optional<T>. Throws what moving the item throws; the item is lost then.
template <class T>
  requires(detail::carried<T> && !detail::storable<T>)
class [[nodiscard]] channel<T>::recv_operation : public channel<detail::box<T>>::recv_operation {
  using boxed = typename channel<detail::box<T>>::recv_operation;

 public:
  explicit recv_operation(channel& from) noexcept : boxed(from) {}
  std::optional<T> take() { return detail::take_out_of_box(boxed::take()); }
  [[nodiscard]] std::optional<T> await_resume() {
    return detail::take_out_of_box(boxed::await_resume());
  }
};

}  // namespace weft
