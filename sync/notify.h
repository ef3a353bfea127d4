#pragma once

#include "../runtime/detail/intrusive_list.h"
#include "../runtime/detail/spin_lock.h"
#include "../runtime/detail/wait_node.h"

namespace weft {

/// "Look again": wakes one waiter, or the next one to come. The core of home-made primitives.
///
/// Threads: all members may be called from any thread. Destroy it when nobody waits.
/// Cost: one short critical section an operation, no allocation.
class notify {
 public:
  class wait_operation;

  constexpr notify() noexcept = default;
  notify(const notify&) = delete;
  notify& operator=(const notify&) = delete;

  /// Wakes the oldest waiter. If there is none the next notified() passes at once: one notification
  /// is kept, however many there were.
  void notify_one() noexcept;
  /// Wakes everybody who waits at this moment. Keeps nothing.
  void notify_waiters() noexcept;

  /// Waits for a notification, or takes the one that was kept.
  /// Cancellation: takes nothing, no notification is lost.
  [[nodiscard]] wait_operation notified() noexcept;

 private:
  detail::spin_lock lock_;
  // Guarded by lock_. Nobody waits while a notification is kept.
  bool kept_ = false;
  detail::intrusive_list<wait_operation> waiters_;
};

/// Awaitable of void.
class [[nodiscard]] notify::wait_operation : public detail::leaf_operation<wait_operation> {
 public:
  explicit wait_operation(notify& source) noexcept : source_(&source) {
    unlink = detail::waits<take_out, "notify::notified()">;
  }
  wait_operation(wait_operation&&) noexcept = default;
  wait_operation& operator=(wait_operation&&) = delete;
  ~wait_operation() {
    if (owes_) source_->notify_one();
  }

  bool try_now() noexcept;
  bool publish() noexcept;
  void take() noexcept { owes_ = false; }

 private:
  friend class notify;
  static detail::unlink_result take_out(detail::wait_node& self) noexcept;

  bool owes_ = false;  // got a notification meant for one; if nobody takes it, it goes to the next
  notify* source_;
};

inline notify::wait_operation notify::notified() noexcept {
  return wait_operation(*this);
}

}  // namespace weft
