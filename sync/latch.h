#pragma once

#include "../runtime/detail/intrusive_list.h"
#include "../runtime/detail/spin_lock.h"
#include "../runtime/detail/wait_node.h"

#include <cstddef>

namespace weft {

namespace detail {
class wake_list;
}

/// A counter that goes down to zero once, and tasks that wait for it: std::latch for tasks.
///
/// Threads: all members may be called from any thread. Who was let through may destroy it, if
/// nobody else waits.
/// Cost: one short critical section an operation, no allocation.
class latch {
 public:
  class wait_operation;
  class arrive_operation;

  constexpr explicit latch(std::size_t count) noexcept : count_(count) {}
  latch(const latch&) = delete;
  latch& operator=(const latch&) = delete;

  /// Counts down by `n`, but not below zero; zero lets all pass, for good.
  void count_down(std::size_t n = 1) noexcept;

  /// Waits until the count is zero; does not suspend when it is.
  /// Cancellation: takes nothing.
  [[nodiscard]] wait_operation wait() noexcept;
  /// Counts down by one when it is awaited, then waits.
  /// Cancellation: takes nothing: the count goes up again.
  [[nodiscard]] arrive_operation arrive_and_wait() noexcept;

  /// Is the count zero? A snapshot.
  [[nodiscard]] bool try_wait() const noexcept;

 private:
  void count_down_locked(std::size_t n, detail::wake_list& woken) noexcept;

  mutable detail::spin_lock lock_;
  // Guarded by lock_. Somebody waits only while the count is not zero.
  std::size_t count_;
  detail::intrusive_list<detail::wait_node> waiters_;
};

/// Awaitable of void.
class [[nodiscard]] latch::wait_operation : public detail::leaf_operation<wait_operation> {
 public:
  explicit wait_operation(latch& awaited_latch) noexcept : latch_(&awaited_latch) {
    unlink = detail::waits<take_out, "latch::wait()">;
  }
  wait_operation(wait_operation&&) noexcept = default;
  wait_operation& operator=(wait_operation&&) = delete;
  ~wait_operation() = default;

  bool try_now() noexcept { return latch_->try_wait(); }
  bool publish() noexcept;
  void take() noexcept {}

 private:
  static detail::unlink_result take_out(detail::wait_node& self) noexcept;

  latch* latch_;
};

/// Awaitable of void. Not a leaf for select: a loser has to be cancelled to take its arrival back.
class [[nodiscard]] latch::arrive_operation : public detail::leaf_operation<arrive_operation> {
 public:
  explicit arrive_operation(latch& awaited_latch) noexcept : latch_(&awaited_latch) {
    unlink = detail::waits<take_out, "latch::arrive_and_wait()">;
  }
  arrive_operation(arrive_operation&&) noexcept = default;
  arrive_operation& operator=(arrive_operation&&) = delete;
  ~arrive_operation() = default;

 private:
  friend class detail::leaf_operation<arrive_operation>;

  bool try_now() noexcept { return false; }  // all in one critical section
  bool publish() noexcept;
  void take() noexcept {}
  static detail::unlink_result take_out(detail::wait_node& self) noexcept;

  latch* latch_;
};

inline latch::wait_operation latch::wait() noexcept {
  return wait_operation(*this);
}
inline latch::arrive_operation latch::arrive_and_wait() noexcept {
  return arrive_operation(*this);
}

}  // namespace weft
