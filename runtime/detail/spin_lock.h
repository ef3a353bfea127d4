#pragma once

#include "atomic.h"
#include "chaos.h"

namespace weft::detail {

/// A lock for critical sections of a few dozen instructions that never call user code and never
/// wait.
///
/// One atomic exchange to lock, one store to unlock: half of what a futex mutex costs, which counts
/// because the primitives in sync/ take one such lock an operation. Its price is a holder that
/// loses its CPU: others spin, then give their time slice away (sched_yield) until the holder runs
/// again. No fairness.
///
/// Threads: any. Cost: 1 atomic read-modify-write uncontended, 1 byte.
class spin_lock {
 public:
  constexpr spin_lock() noexcept = default;
  spin_lock(const spin_lock&) = delete;
  spin_lock& operator=(const spin_lock&) = delete;

  void lock() noexcept {
    // acquire: pairs with the release in unlock(), so that this section sees all that earlier ones
    // wrote.
    if (!held_.exchange(true, std::memory_order_acquire)) return;
    lock_contended();
  }
  bool try_lock() noexcept {
    // acquire: as in lock().
    return !held_.load(std::memory_order_relaxed) &&
           !held_.exchange(true, std::memory_order_acquire);
  }
  void unlock() noexcept {
    chaos::point();
    // release: pairs with the acquire in lock().
    held_.store(false, std::memory_order_release);
  }

 private:
  [[gnu::noinline]] void lock_contended() noexcept;

  atomic<bool> held_{false};
};

/// RAII for spin_lock (std::lock_guard without <mutex>, which is heavy to include).
class spin_guard {
 public:
  explicit spin_guard(spin_lock& lock) noexcept : lock_(lock) { lock_.lock(); }
  ~spin_guard() { lock_.unlock(); }
  spin_guard(const spin_guard&) = delete;
  spin_guard& operator=(const spin_guard&) = delete;

 private:
  spin_lock& lock_;
};

}  // namespace weft::detail
