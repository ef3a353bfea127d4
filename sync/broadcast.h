#pragma once

#include "../runtime/detail/intrusive_list.h"
#include "../runtime/detail/spin_lock.h"
#include "../runtime/detail/wait_node.h"
#include "detail/late_state.h"
#include "detail/wake_list.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

/// A receiver of a broadcast was too slow: that many items were overwritten before it read them.
/// The next recv() gives the oldest that is left.
class lagged_error : public std::runtime_error {
 public:
  explicit lagged_error(std::uint64_t missed_items)
      : std::runtime_error("receiver lagged behind and missed " + std::to_string(missed_items) +
                           " items"),
        missed(missed_items) {}
  std::uint64_t missed;
};

/// Every item to every receiver. The newest `capacity` items are kept; a receiver that falls
/// further behind is told how many it missed, and never slows the sender down.
///
/// Threads: all members may be called from any thread; a receiver by one task at a time. Receivers
/// may outlive the broadcast.
/// Cost: one allocation a send(), none to wait; receiving copies the T.
template <class T>
class broadcast {
  struct shared_state;

 public:
  class receiver;
  class recv_operation;

  /// Throws std::invalid_argument when capacity == 0.
  constexpr explicit broadcast(std::size_t capacity) : capacity_(capacity) {
    if (capacity == 0) throw std::invalid_argument("a broadcast keeps 1 item or more");
    if (!std::is_constant_evaluated()) (void)state();
  }
  broadcast(const broadcast&) = delete;
  broadcast& operator=(const broadcast&) = delete;
  /// As close().
  ~broadcast() { state_.close(); }

  /// Never waits. Returns how many receivers there are; without any the item is dropped, as it is
  /// after close().
  std::size_t send(T value) { return state()->send(std::make_shared<const T>(std::move(value))); }
  /// Receives what is sent from now on.
  [[nodiscard]] receiver subscribe() { return receiver(state()); }
  /// Nothing more will be sent; receivers get what is kept, and then nothing.
  void close() noexcept { state_.close(); }

 private:
  const std::shared_ptr<shared_state>& state() {
    return state_.get([this] { return std::make_shared<shared_state>(capacity_); });
  }

  const std::size_t capacity_;
  detail::late_state<shared_state> state_;
};

template <class T>
struct broadcast<T>::shared_state {
  explicit shared_state(std::size_t capacity) : kept(capacity) {}

  std::size_t send(std::shared_ptr<const T> item) noexcept {
    detail::wake_list woken;
    std::size_t reached = 0;
    {
      const detail::spin_guard guard(lock);
      if (closed || receivers == 0) return 0;
      reached = receivers;
      // Those who wait have read all before: this is theirs.
      while (recv_operation* const waiter = detail::claim_front(waiters)) {
        waiter->item_ = item;
        woken.add(*waiter);
      }
      kept[next++ % kept.size()].swap(item);  // the overwritten one dies without the lock
    }
    woken.wake_all();
    return reached;
  }
  void close() noexcept {
    detail::wake_list woken;
    {
      const detail::spin_guard guard(lock);
      closed = true;
      while (recv_operation* const waiter = detail::claim_front(waiters)) woken.add(*waiter);
    }
    woken.wake_all();
  }
  /// Under the lock: the number of the oldest item that is kept.
  [[nodiscard]] std::uint64_t oldest() const noexcept {
    return next <= kept.size() ? 0 : next - kept.size();
  }

  detail::spin_lock lock;
  // Guarded by lock.
  bool closed = false;
  std::size_t receivers = 0;
  std::uint64_t next = 0;  // number of the next item
  std::vector<std::shared_ptr<const T>> kept;
  detail::intrusive_list<recv_operation> waiters;
};

/// One listener and its place in the stream. Movable, but not while it waits.
template <class T>
class broadcast<T>::receiver {
 public:
  receiver(receiver&&) noexcept = default;
  receiver& operator=(receiver&& other) noexcept {
    leave();
    state_ = std::move(other.state_);
    next_ = other.next_;
    return *this;
  }
  ~receiver() { leave(); }

  /// Waits for the next item and gives a copy of it. Empty when the broadcast is closed and all was
  /// received. Throws lagged_error when items were missed.
  /// Cancellation: takes nothing.
  [[nodiscard]] recv_operation recv() noexcept { return recv_operation(*this); }

 private:
  friend class broadcast;
  explicit receiver(std::shared_ptr<shared_state> state) noexcept : state_(std::move(state)) {
    const detail::spin_guard guard(state_->lock);
    ++state_->receivers;
    next_ = state_->next;
  }
  void leave() noexcept {
    if (state_ == nullptr) return;
    const detail::spin_guard guard(state_->lock);
    --state_->receivers;
  }

  std::shared_ptr<shared_state> state_;
  std::uint64_t next_ = 0;  // used by the task that has the receiver
};

/// Awaitable of std::optional<T>.
template <class T>
class [[nodiscard]] broadcast<T>::recv_operation : public detail::leaf_operation<recv_operation> {
 public:
  explicit recv_operation(receiver& by) noexcept : by_(&by) {
    this->unlink = detail::waits<take_out, "broadcast::recv()">;
  }
  recv_operation(recv_operation&&) noexcept = default;
  recv_operation& operator=(recv_operation&&) = delete;
  ~recv_operation() = default;

  bool try_now() noexcept { return attempt(false); }
  bool publish() noexcept { return !attempt(true); }
  std::optional<T> take() {
    by_->next_ += missed_;
    if (missed_ > 0) throw lagged_error(missed_);
    if (item_ == nullptr) return std::nullopt;
    ++by_->next_;
    return *item_;
  }
  [[nodiscard]] std::optional<T> await_resume() {
    return detail::leaf_operation<recv_operation>::await_resume();
  }

 private:
  friend struct shared_state;

  bool attempt(bool may_wait) noexcept {
    shared_state& state = *by_->state_;
    const detail::spin_guard guard(state.lock);
    const std::uint64_t wanted = by_->next_;
    if (wanted == state.next && !state.closed) {
      if (may_wait) state.waiters.push_back(*this);
      return false;
    }
    if (!this->claim()) return false;
    const std::uint64_t oldest = state.oldest();
    if (wanted < oldest) {
      missed_ = oldest - wanted;
    } else if (wanted < state.next) {
      item_ = state.kept[wanted % state.kept.size()];
    }
    return true;
  }
  static detail::unlink_result take_out(detail::wait_node& self) noexcept {
    auto& waiter = static_cast<recv_operation&>(self);
    return detail::unlink_under(waiter.by_->state_->lock, waiter);
  }

  receiver* by_;
  std::uint64_t missed_ = 0;
  std::shared_ptr<const T> item_;  // null when completed: lagged or closed
};

}  // namespace weft
