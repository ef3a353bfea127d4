#pragma once

#include "../runtime/detail/intrusive_list.h"
#include "../runtime/detail/spin_lock.h"
#include "../runtime/detail/wait_node.h"

#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace weft {

namespace detail {
class wake_list;
}

/// A point where a number of tasks wait for each other, again and again: asyncio.Barrier.
///
/// The last to arrive lets all go and begins the next round at once: who comes back early belongs
/// to it.
///
/// Threads: all members may be called from any thread. Destroy it when nobody waits.
/// Cost: one short critical section an arrival, no allocation.
class barrier {
 public:
  class wait_operation;

  /// Throws std::invalid_argument when parties == 0.
  constexpr explicit barrier(std::size_t parties) : parties_(parties) {
    if (parties == 0) throw std::invalid_argument("a barrier has 1 party or more");
  }
  barrier(const barrier&) = delete;
  barrier& operator=(const barrier&) = delete;

  /// Waits until `parties` tasks have arrived. Returns the place in the order of arrival, from 0:
  /// each task of a round gets another. Throws broken_barrier_error when the barrier is or becomes
  /// broken, or is reset meanwhile.
  /// Cancellation: takes nothing: the task counts as not arrived, and the barrier is not broken.
  [[nodiscard]] wait_operation wait() noexcept;

  /// Fails those who wait, and everybody who comes until reset().
  void abort() noexcept;
  /// Fails those who wait; the barrier is empty and whole.
  void reset() noexcept;

  [[nodiscard]] std::size_t parties() const noexcept { return parties_; }
  /// Snapshots.
  [[nodiscard]] bool broken() const noexcept;
  [[nodiscard]] std::size_t waiting() const noexcept;

 private:
  enum class condition : std::uint8_t { whole, broken };
  void fail_waiters(condition from_now_on) noexcept;
  void let_go(detail::wake_list& woken) noexcept;

  const std::size_t parties_;
  mutable detail::spin_lock lock_;
  // Guarded by lock_. Fewer than parties_ wait.
  condition condition_ = condition::whole;
  std::size_t arrived_ = 0;
  detail::intrusive_list<wait_operation> waiters_;
};

/// Awaitable of std::size_t. Not a leaf for select, where a party could turn out to be absent after
/// the others were let go.
class [[nodiscard]] barrier::wait_operation : public detail::leaf_operation<wait_operation> {
 public:
  explicit wait_operation(barrier& at) noexcept : barrier_(&at) {
    unlink = detail::waits<take_out, "barrier::wait()">;
  }
  wait_operation(wait_operation&&) noexcept = default;
  wait_operation& operator=(wait_operation&&) = delete;
  ~wait_operation() = default;

 private:
  friend class barrier;
  friend class detail::leaf_operation<wait_operation>;

  bool try_now() noexcept;
  bool publish() noexcept;
  std::size_t take() const;
  bool arrive() noexcept;
  static detail::unlink_result take_out(detail::wait_node& self) noexcept;

  bool failed_ = false;
  barrier* barrier_;
  std::size_t index_ = 0;
};

inline barrier::wait_operation barrier::wait() noexcept {
  return wait_operation(*this);
}

}  // namespace weft
