#pragma once

#include "../runtime/detail/held_locks.h"
#include "../runtime/detail/intrusive_list.h"
#include "../runtime/detail/wait_node.h"
#include "detail/guarded_word.h"
#include "mutex.h"

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace weft {

namespace detail {
class wake_list;
}

/// Holds a shared_mutex for reading, and unlocks it in its destructor. May be moved, and destroyed
/// on another worker than the one that locked.
class [[nodiscard]] shared_lock_guard {
 public:
  shared_lock_guard() noexcept = default;
  shared_lock_guard(shared_lock_guard&& other) noexcept
      : mutex_(std::exchange(other.mutex_, nullptr)) {}
  shared_lock_guard& operator=(shared_lock_guard&& other) noexcept {
    shared_lock_guard old(std::move(*this));
    mutex_ = std::exchange(other.mutex_, nullptr);
    return *this;
  }
  ~shared_lock_guard() { unlock(); }

  /// Unlocks now. Nothing happens when the guard is empty.
  void unlock() noexcept;
  [[nodiscard]] bool owns_lock() const noexcept { return mutex_ != nullptr; }
  explicit operator bool() const noexcept { return owns_lock(); }

 private:
  friend class shared_mutex;
  explicit shared_lock_guard(shared_mutex* owned) noexcept : mutex_(owned) {}

  shared_mutex* mutex_ = nullptr;
};

/// Many readers or one writer.
///
/// First come, first served: readers that wait next to each other enter together, and a reader that
/// comes while a writer waits lines up behind it, so neither side starves. A reader that locks
/// again while it holds the lock may therefore wait for itself.
///
/// Threads: all members may be called from any thread. Destroy it unlocked, when nobody waits.
/// Cost: where nobody waits, lock and unlock are one atomic operation each, two beside other
/// readers; no allocation ever.
class shared_mutex {
  class waiter;

 public:
  class lock_operation;
  class lock_shared_operation;

  constexpr shared_mutex() noexcept = default;
  shared_mutex(const shared_mutex&) = delete;
  shared_mutex& operator=(const shared_mutex&) = delete;

  /// Waits until nobody has the lock and takes it for writing.
  /// Cancellation: takes nothing, and gives up its place in the line.
  [[nodiscard]] lock_operation lock() noexcept;
  /// Waits until no writer has the lock or is ahead, and takes it for reading.
  /// Cancellation: takes nothing, and gives up its place in the line.
  [[nodiscard]] lock_shared_operation lock_shared() noexcept;

  /// The lock if it can be had without waiting; else the guard is empty.
  lock_guard try_lock() noexcept;
  shared_lock_guard try_lock_shared() noexcept;

  /// A snapshot: somebody writes.
  [[nodiscard]] bool locked() const noexcept { return (word_.load() & is_written) != 0; }
  /// A snapshot: how many read.
  [[nodiscard]] std::size_t readers() const noexcept { return word_.load() / one_reader; }

 private:
  friend class lock_guard;
  friend class shared_lock_guard;

  enum class mode : std::uint8_t { shared, exclusive };

  // Bits of word_; the number of readers is above them. is_waited_for: waiters_ is not empty, and
  // its front cannot enter.
  static constexpr std::uint32_t is_written = 2;
  static constexpr std::uint32_t is_waited_for = 4;
  static constexpr std::uint32_t one_reader = 8;

  static constexpr std::uint32_t part_of(mode which) noexcept {
    return which == mode::shared ? one_reader : is_written;
  }
  /// But for who waits already.
  static constexpr bool admits(std::uint32_t state, mode wanted) noexcept {
    return (wanted == mode::shared ? state & is_written : state & ~is_waited_for) == 0;
  }
  static constexpr bool is_open(std::uint32_t state, mode wanted) noexcept {
    return (state & is_waited_for) == 0 && admits(state, wanted);
  }

  bool try_enter(mode wanted) noexcept;
  bool try_enter_slowly(mode wanted) noexcept;
  void leave(mode held) noexcept;
  void leave_slowly(mode held) noexcept;
  std::uint32_t grant(std::uint32_t state, detail::wake_list& woken) noexcept;
  bool remove(waiter& gone) noexcept;
  /// The running task has locked it for writing. Who reads is not noted.
  void note_writer() noexcept {
    if (detail::held_locks::watched()) [[unlikely]]
      (void)detail::held_locks::note(this);
  }

  detail::guarded_word word_;
  detail::intrusive_list<waiter> waiters_;  // guarded by the lock of word_
};

class shared_mutex::waiter : public detail::leaf_operation<waiter> {
 public:
  bool try_now() noexcept {
    if (!mutex_->try_enter(mode_)) return false;
    outcome = detail::wait_outcome::completed;
    return true;
  }
  bool publish() noexcept;
  void take() noexcept {}

  waiter(waiter&&) noexcept = default;
  waiter& operator=(waiter&&) = delete;
  ~waiter() {
    if (outcome == detail::wait_outcome::completed && mutex_ != nullptr) mutex_->leave(mode_);
  }

 protected:
  waiter(shared_mutex& wanted, mode how) noexcept : mutex_(&wanted), mode_(how) {
    unlink = detail::waits<take_out, "shared_mutex::lock()", visit_writer>;
    outcome = detail::wait_outcome::cancelled;  // nothing is granted yet
  }
  shared_mutex* release() noexcept { return std::exchange(mutex_, nullptr); }

 private:
  friend class shared_mutex;
  static detail::unlink_result take_out(detail::wait_node& self) noexcept;
  static void visit_writer(const detail::wait_node& self, detail::visit_function visit,
                           void* context) noexcept;

  shared_mutex* mutex_;
  mode mode_;
};

/// Awaitable of lock_guard.
class [[nodiscard]] shared_mutex::lock_operation : public waiter {
 public:
  explicit lock_operation(shared_mutex& wanted) noexcept : waiter(wanted, mode::exclusive) {}
  lock_guard take() noexcept {
    shared_mutex* const locked = release();
    locked->note_writer();
    return lock_guard(locked);
  }
  lock_guard await_resume() {
    waiter::await_resume();
    return take();
  }
};

/// Awaitable of shared_lock_guard.
class [[nodiscard]] shared_mutex::lock_shared_operation : public waiter {
 public:
  explicit lock_shared_operation(shared_mutex& wanted) noexcept : waiter(wanted, mode::shared) {}
  shared_lock_guard take() noexcept { return shared_lock_guard(release()); }
  shared_lock_guard await_resume() {
    waiter::await_resume();
    return take();
  }
};

inline shared_mutex::lock_operation shared_mutex::lock() noexcept {
  return lock_operation(*this);
}
inline shared_mutex::lock_shared_operation shared_mutex::lock_shared() noexcept {
  return lock_shared_operation(*this);
}

inline bool shared_mutex::try_enter(mode wanted) noexcept {
  // A guess: mostly nobody is there. To look first costs a load that waits for what was done last.
  std::uint32_t state = 0;
  while (is_open(state, wanted)) {
    const std::uint32_t expected = state;
    if (word_.take_or_see(state, expected + part_of(wanted))) return true;
    // Another reader came or went; or somebody has the lock of the list, for a moment.
    if (state == expected) return try_enter_slowly(wanted);
  }
  return false;
}

inline void shared_mutex::leave(mode held) noexcept {
  if (held == mode::exclusive && detail::held_locks::watched()) [[unlikely]]
    detail::held_locks::forget(this);
  std::uint32_t state = part_of(held);  // a guess, as above
  while ((state & is_waited_for) == 0) {
    assert(state >= part_of(held));
    const std::uint32_t expected = state;
    if (word_.give_or_see(state, expected - part_of(held))) return;
    if (state == expected) break;
  }
  leave_slowly(held);
}

inline void shared_lock_guard::unlock() noexcept {
  if (shared_mutex* const owned = std::exchange(mutex_, nullptr)) {
    owned->leave(shared_mutex::mode::shared);
  }
}

}  // namespace weft
