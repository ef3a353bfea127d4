#pragma once

#include "../runtime/detail/intrusive_list.h"
#include "../runtime/detail/spin_lock.h"
#include "../runtime/detail/wait_node.h"
#include "detail/boxed.h"
#include "detail/ring.h"
#include "detail/wake_list.h"

#include <concepts>
#include <optional>
#include <utility>

namespace weft {

/// One value from one task to another.
///
/// T: if its move constructor may throw, the value costs an allocation.
/// Threads: all members may be called from any thread. Who has received may destroy it.
/// Cost: one short critical section an operation, no allocation.
template <class T>
class oneshot {
  static_assert(
      detail::carried<T>,
      "weft::oneshot<T>: T must be a movable object type whose destructor does not throw");

 public:
  class recv_operation;

  constexpr oneshot() noexcept = default;
  oneshot(const oneshot&) = delete;
  oneshot& operator=(const oneshot&) = delete;

  /// Sends the value. False if there was one already, or the oneshot is closed: it stays with the
  /// caller.
  bool send(T&& value) noexcept;
  bool send(const T& value)
    requires std::copy_constructible<T>
  {
    return send(T(value));
  }

  /// Waits for the value and takes it. Empty when the oneshot was closed without one, and for a
  /// second receiver.
  /// Cancellation: takes nothing, the value is not lost.
  [[nodiscard]] recv_operation recv() noexcept { return recv_operation(*this); }

  /// No value will be sent, or wanted, any more. What was sent may still be received.
  void close() noexcept;

  /// Snapshot: send() would be refused.
  [[nodiscard]] bool closed() const noexcept {
    const detail::spin_guard guard(lock_);
    return ended_;
  }

 private:
  void end_locked(detail::wake_list& woken) noexcept {
    ended_ = true;
    while (recv_operation* const waiter = detail::claim_front(waiters_)) woken.add(*waiter);
  }

  mutable detail::spin_lock lock_;
  // Guarded by lock_. Receivers wait only until it has ended.
  bool ended_ = false;  // sent or closed
  std::optional<T> value_;
  detail::intrusive_list<recv_operation> waiters_;
};

/// Awaitable of std::optional<T>.
template <class T>
class [[nodiscard]] oneshot<T>::recv_operation : public detail::leaf_operation<recv_operation> {
 public:
  explicit recv_operation(oneshot& from) noexcept : from_(&from) {
    this->unlink = detail::waits<take_out, "oneshot::recv()">;
  }
  recv_operation(recv_operation&&) noexcept = default;
  recv_operation& operator=(recv_operation&&) = delete;
  ~recv_operation() = default;

  bool try_now() noexcept { return attempt(false); }
  bool publish() noexcept { return !attempt(true); }
  std::optional<T> take() noexcept { return std::move(value_); }
  [[nodiscard]] std::optional<T> await_resume() {
    return detail::leaf_operation<recv_operation>::await_resume();
  }

 private:
  friend class oneshot;

  bool attempt(bool may_wait) noexcept {
    const detail::spin_guard guard(from_->lock_);
    if (!from_->ended_) {
      if (may_wait) from_->waiters_.push_back(*this);
      return false;
    }
    if (!this->claim()) return false;
    receive_locked();
    return true;
  }
  void receive_locked() noexcept {
    if (!from_->value_) return;
    value_.emplace(std::move(*from_->value_));
    from_->value_.reset();
  }
  static detail::unlink_result take_out(detail::wait_node& self) noexcept {
    auto& waiter = static_cast<recv_operation&>(self);
    return detail::unlink_under(waiter.from_->lock_, waiter);
  }

  oneshot* from_;
  std::optional<T> value_;
};

template <class T>
bool oneshot<T>::send(T&& value) noexcept {
  detail::wake_list woken;
  {
    const detail::spin_guard guard(lock_);
    if (ended_) return false;
    if (recv_operation* const waiter = detail::claim_front(waiters_)) {
      waiter->value_.emplace(std::move(value));
      woken.add(*waiter);
    } else {
      value_.emplace(std::move(value));
    }
    end_locked(woken);
  }
  woken.wake_all();
  return true;
}

template <class T>
void oneshot<T>::close() noexcept {
  detail::wake_list woken;
  {
    const detail::spin_guard guard(lock_);
    end_locked(woken);
  }
  woken.wake_all();
}

// ---- Values whose move may throw ----------------------------------------------------------------

template <class T>
  requires(detail::carried<T> && !detail::storable<T>)
class oneshot<T> : oneshot<detail::box<T>> {
  using boxes = oneshot<detail::box<T>>;

 public:
  class recv_operation;

  using boxes::boxes, boxes::close, boxes::closed;

  /// May throw what moving the value throws, and std::bad_alloc; nothing was sent then.
  bool send(T&& value)
    requires std::is_move_assignable_v<T>
  {
    if (boxes::closed()) return false;
    return detail::try_in_box(
        value, [this](detail::box<T>&& boxed) { return boxes::send(std::move(boxed)); });
  }
  bool send(const T& value)
    requires std::copy_constructible<T>
  {
    return boxes::send(std::make_unique<T>(value));
  }
  [[nodiscard]] recv_operation recv() noexcept { return recv_operation(*this); }
};

/// Awaitable of std::optional<T>. Throws what moving the value throws; it is lost then.
template <class T>
  requires(detail::carried<T> && !detail::storable<T>)
class [[nodiscard]] oneshot<T>::recv_operation : public oneshot<detail::box<T>>::recv_operation {
  using boxed = typename oneshot<detail::box<T>>::recv_operation;

 public:
  explicit recv_operation(oneshot& from) noexcept : boxed(from) {}
  std::optional<T> take() { return detail::take_out_of_box(boxed::take()); }
  [[nodiscard]] std::optional<T> await_resume() {
    return detail::take_out_of_box(boxed::await_resume());
  }
};

}  // namespace weft
