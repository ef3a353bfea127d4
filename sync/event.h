#pragma once

#include "../runtime/detail/intrusive_list.h"
#include "../runtime/detail/wait_node.h"
#include "detail/guarded_word.h"

#include <cstdint>

namespace weft {

/// A flag that tasks wait for: asyncio.Event.
///
/// set() wakes everybody who waits at that moment, even if clear() follows before they run.
///
/// Threads: all members may be called from any thread. Who has seen it set may destroy it, if
/// nobody else waits. What happened before set() is seen by those whom it lets pass.
/// Cost: one atomic operation to set, one load to pass a set event, no allocation.
class event {
 public:
  class wait_operation;

  constexpr event() noexcept = default;
  event(const event&) = delete;
  event& operator=(const event&) = delete;

  /// Sets the flag and wakes all waiters, the oldest first.
  void set() noexcept;
  /// Takes the flag down: later waits block again.
  void clear() noexcept;
  [[nodiscard]] bool is_set() const noexcept { return (word_.load() & flag) != 0; }

  /// Waits until the event is set; does not suspend when it is.
  /// Cancellation: takes nothing.
  [[nodiscard]] wait_operation wait() noexcept;

  /// A snapshot.
  [[nodiscard]] bool has_waiters() const noexcept;

 private:
  static constexpr std::uint32_t flag = 2;

  mutable detail::guarded_word word_;
  detail::intrusive_list<wait_operation> waiters_;  // guarded by the lock of word_; empty when set
};

/// Awaitable of void.
class [[nodiscard]] event::wait_operation : public detail::leaf_operation<wait_operation> {
 public:
  explicit wait_operation(event& awaited_event) noexcept : event_(&awaited_event) {
    unlink = detail::waits<take_out, "event::wait()">;
  }
  wait_operation(wait_operation&&) noexcept = default;
  wait_operation& operator=(wait_operation&&) = delete;
  ~wait_operation() = default;

  bool try_now() noexcept { return event_->is_set(); }
  bool publish() noexcept;
  void take() noexcept {}

 private:
  static detail::unlink_result take_out(detail::wait_node& self) noexcept;

  event* event_;
};

inline event::wait_operation event::wait() noexcept {
  return wait_operation(*this);
}

}  // namespace weft
