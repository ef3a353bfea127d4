#pragma once

#include "../runtime/detail/held_locks.h"
#include "../runtime/detail/intrusive_list.h"
#include "../runtime/detail/wait_node.h"
#include "detail/guarded_word.h"

#include <cstdint>
#include <utility>

namespace weft {

class mutex;
class shared_mutex;

namespace detail {
class condition_wait;
}

/// Owns a locked mutex, or the exclusive lock of a shared_mutex, and unlocks it in its destructor.
///
/// May be moved, and destroyed on another worker than the one that locked. Empty when try_lock()
/// did not succeed, after unlock(), and when moved from.
class [[nodiscard]] lock_guard {
 public:
  lock_guard() noexcept = default;
  lock_guard(lock_guard&& other) noexcept
      : mutex_(std::exchange(other.mutex_, nullptr)),
        shared_(std::exchange(other.shared_, nullptr)) {}
  lock_guard& operator=(lock_guard&& other) noexcept {
    lock_guard old(std::move(*this));
    mutex_ = std::exchange(other.mutex_, nullptr);
    shared_ = std::exchange(other.shared_, nullptr);
    return *this;
  }
  ~lock_guard() { unlock(); }

  /// Unlocks now. Nothing happens when the guard is empty.
  void unlock() noexcept;
  [[nodiscard]] bool owns_lock() const noexcept { return mutex_ != nullptr || shared_ != nullptr; }
  explicit operator bool() const noexcept { return owns_lock(); }

 private:
  friend class mutex;
  friend class shared_mutex;
  friend class detail::condition_wait;
  explicit lock_guard(mutex* owned) noexcept : mutex_(owned) {}
  explicit lock_guard(shared_mutex* owned) noexcept : shared_(owned) {}
  void unlock_shared_mutex() noexcept;

  mutex* mutex_ = nullptr;
  shared_mutex* shared_ = nullptr;
};

/// Mutual exclusion between tasks: a task that waits gives its worker to others.
///
/// First come, first served: unlock() hands the lock to the oldest waiter, so nobody who asks later
/// overtakes it. There is no owner check: any task, on any worker or runtime, may unlock.
///
/// Threads: all members may be called from any thread. Destroy it unlocked, when nobody waits.
/// Cost: lock and unlock of a free mutex are one atomic operation each; no allocation ever.
class mutex {
 public:
  class lock_operation;

  constexpr mutex() noexcept = default;
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;

  /// Waits until the mutex is free and locks it.
  /// Cancellation: takes nothing, and gives up its place in the line.
  [[nodiscard]] lock_operation lock() noexcept;

  /// Locks the mutex if it is free; else the guard is empty. Never waits.
  lock_guard try_lock() noexcept {
    if (!word_.take(free, is_locked)) return {};
    note_holder();
    return lock_guard(this);
  }

  /// Unlocks, whoever locked it; a guard does this by itself. Throws invalid_state_error when the
  /// mutex is not locked.
  void unlock();

  /// A snapshot.
  [[nodiscard]] bool locked() const noexcept { return (word_.load() & is_locked) != 0; }

 private:
  friend class lock_guard;
  friend class detail::condition_wait;

  // Bits of word_. is_waited_for: waiters_ is not empty, and then the mutex is locked. is_noted: it
  // is locked, and its holder stands in detail::held_locks.
  static constexpr std::uint32_t free = 0;
  static constexpr std::uint32_t is_locked = 2;
  static constexpr std::uint32_t is_waited_for = 4;
  static constexpr std::uint32_t is_noted = 8;

  /// The running task has locked it.
  void note_holder() noexcept {
    if (detail::held_locks::watched()) [[unlikely]]
      note_holder_slowly();
  }
  void note_holder_slowly() noexcept;
  /// False if it was not locked.
  bool release() noexcept { return word_.give(is_locked, free) || release_slowly(); }
  bool release_slowly() noexcept;
  enum class attempt : std::uint8_t { granted, queued, lost };  // lost: its select has a winner
  attempt grant_or_queue(detail::wait_node& waiter) noexcept;
  bool remove(detail::wait_node& waiter) noexcept;

  detail::guarded_word word_;
  detail::intrusive_list<detail::wait_node> waiters_;  // guarded by the lock of word_
};

/// Awaitable of lock_guard.
class [[nodiscard]] mutex::lock_operation : public detail::leaf_operation<lock_operation> {
 public:
  explicit lock_operation(mutex& wanted) noexcept : mutex_(&wanted) {
    unlink = detail::waits<take_out, "mutex::lock()", visit_holder>;
    outcome = detail::wait_outcome::cancelled;  // nothing is granted yet
  }
  lock_operation(lock_operation&&) noexcept = default;
  lock_operation& operator=(lock_operation&&) = delete;
  ~lock_operation() {
    if (outcome == detail::wait_outcome::completed && mutex_ != nullptr) mutex_->release();
  }

  bool try_now() noexcept {
    if (!mutex_->word_.take(free, is_locked)) return false;
    outcome = detail::wait_outcome::completed;
    return true;
  }
  bool publish() noexcept { return mutex_->grant_or_queue(*this) != attempt::granted; }
  lock_guard take() noexcept {
    mutex_->note_holder();
    return lock_guard(std::exchange(mutex_, nullptr));
  }

 private:
  static detail::unlink_result take_out(detail::wait_node& self) noexcept;
  static void visit_holder(const detail::wait_node& self, detail::visit_function visit,
                           void* context) noexcept;

  mutex* mutex_;
};

inline mutex::lock_operation mutex::lock() noexcept {
  return lock_operation(*this);
}

inline void lock_guard::unlock() noexcept {
  if (mutex* const owned = std::exchange(mutex_, nullptr)) {
    owned->release();
  } else if (shared_ != nullptr) [[unlikely]] {
    unlock_shared_mutex();
  }
}

}  // namespace weft
