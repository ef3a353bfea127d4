#pragma once

#include "../runtime/detail/intrusive_list.h"
#include "../runtime/detail/spin_lock.h"
#include "../runtime/detail/wait_node.h"
#include "detail/wake_list.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <utility>

namespace weft {

class semaphore;

/// What acquire() gives: holds its permits and gives them back in its destructor.
///
/// May be moved, and destroyed on any worker. Empty when try_acquire() did not succeed, after
/// release() or forget(), and when moved from.
class [[nodiscard]] permit {
 public:
  permit() noexcept = default;
  permit(permit&& other) noexcept
      : from_(std::exchange(other.from_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  permit& operator=(permit&& other) noexcept {
    permit old(std::move(*this));
    from_ = std::exchange(other.from_, nullptr);
    count_ = std::exchange(other.count_, 0);
    return *this;
  }
  ~permit() { release(); }

  /// Gives the permits back now. Nothing happens when it is empty.
  void release() noexcept;
  /// Keeps the permits taken: somebody else calls semaphore::release for them.
  void forget() noexcept { from_ = nullptr; }
  [[nodiscard]] std::ptrdiff_t count() const noexcept { return from_ == nullptr ? 0 : count_; }
  explicit operator bool() const noexcept { return from_ != nullptr; }

 private:
  friend class semaphore;
  permit(semaphore* from, std::ptrdiff_t count) noexcept : from_(from), count_(count) {}

  semaphore* from_ = nullptr;
  std::ptrdiff_t count_ = 0;
};

/// A counter of permits that tasks take and give back.
///
/// First come, first served: release() assigns its permits to the oldest waiters, so nobody who
/// asks later overtakes them, and a waiter for many permits is not starved by those behind it that
/// want few.
///
/// Threads: all members may be called from any thread. Destroy it when nobody waits.
/// Cost: one short critical section an operation, no allocation; a waiter lives in its own frame.
class semaphore {
 public:
  class acquire_operation;

  /// Starts with `permits` free. Throws std::invalid_argument when permits < 0.
  constexpr explicit semaphore(std::ptrdiff_t permits)
      : semaphore(permits, std::numeric_limits<std::ptrdiff_t>::max()) {}
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;

  /// Waits until `count` permits are free and nobody is ahead, and takes them. Throws
  /// invalid_state_error when the semaphore is closed, before or during the wait.
  /// Requires: count >= 0.
  /// Cancellation: takes nothing, and gives up its place in the line.
  [[nodiscard]] acquire_operation acquire(std::ptrdiff_t count = 1) noexcept;

  /// Takes `count` permits if they are free and nobody waits; else, and when closed, the permit is
  /// empty.
  permit try_acquire(std::ptrdiff_t count = 1) noexcept;

  /// Gives back `count` permits and wakes those waiters whose wishes are fulfilled.
  /// Requires: count >= 0. Any task may call it. Never throws, never allocates.
  void release(std::ptrdiff_t count = 1) noexcept;

  /// Permits that nobody has. A snapshot.
  [[nodiscard]] std::ptrdiff_t available() const noexcept;

  /// Ends all waits, and every later acquire(), with invalid_state_error. Permits may still be
  /// given back.
  void close() noexcept;

 private:
  friend class permit;
  friend class bounded_semaphore;

  constexpr semaphore(std::ptrdiff_t permits, std::ptrdiff_t limit)
      : permits_(permits), limit_(limit) {
    if (permits < 0) throw std::invalid_argument("a semaphore starts with 0 permits or more");
  }
  /// False, and nothing happens, if that were more than the limit.
  bool try_release(std::ptrdiff_t count) noexcept;
  void grant(detail::wake_list& woken) noexcept;

  mutable detail::spin_lock lock_;
  // Guarded by lock_. Invariant: the permits do not suffice for the oldest waiter.
  bool closed_ = false;
  std::ptrdiff_t permits_;
  const std::ptrdiff_t limit_;
  detail::intrusive_list<acquire_operation> waiters_;
};

/// Awaitable of permit.
class [[nodiscard]] semaphore::acquire_operation
    : public detail::leaf_operation<acquire_operation> {
 public:
  acquire_operation(semaphore& from, std::ptrdiff_t count) noexcept;
  acquire_operation(acquire_operation&&) noexcept = default;
  acquire_operation& operator=(acquire_operation&&) = delete;
  ~acquire_operation() {
    if (granted_) from_->try_release(count_);
  }

  bool try_now() noexcept;
  bool publish() noexcept;
  permit take();

 private:
  friend class semaphore;
  enum class progress : std::uint8_t { done, blocked, lost };
  progress attempt() noexcept;
  static detail::unlink_result take_out(detail::wait_node& self) noexcept;

  bool granted_ = false;  // with a permit; else completed means closed
  semaphore* from_;
  std::ptrdiff_t count_;
};

/// A semaphore that never has more permits than it started with: a release() too many is an error.
class bounded_semaphore {
 public:
  /// Throws std::invalid_argument when permits < 0.
  constexpr explicit bounded_semaphore(std::ptrdiff_t permits) : permits_(permits, permits) {}

  /// As semaphore::acquire. Throws std::invalid_argument when `count` is more than there will ever
  /// be.
  [[nodiscard]] semaphore::acquire_operation acquire(std::ptrdiff_t count = 1) noexcept;
  permit try_acquire(std::ptrdiff_t count = 1) noexcept { return permits_.try_acquire(count); }

  /// Throws invalid_state_error, and changes nothing, when that were more than the initial number.
  void release(std::ptrdiff_t count = 1);

  [[nodiscard]] std::ptrdiff_t available() const noexcept { return permits_.available(); }
  void close() noexcept { permits_.close(); }

 private:
  semaphore permits_;
};

}  // namespace weft
