#pragma once

// A lock that its owner, one thread, takes all the time, and others hardly ever: biased locking
// (Kawachiya et al., OOPSLA 2002, here with an asymmetric barrier). While it is biased the owner
// pays two stores and two loads instead of an atomic exchange. The first visitor ends that, for 1-10
// us; from then on it is a spin lock, until the owner has it biased again.
//
//   owner    1. inside_ = true      light barrier    2. still biased_?
//   visitor  1. biased_ = false     heavy barrier    2. the owner is not inside_
//
// One of the two sees the other: an owner that meets a visitor steps back and takes the lock, a
// visitor waits until the owner is out.

#include "atomic.h"
#include "chaos.h"
#include "spin_lock.h"
#include "sys.h"

namespace weft::detail {

/// Threads: one owner, any visitors. Sections are short and never wait.
class biased_lock {
 public:
  biased_lock() noexcept = default;
  biased_lock(const biased_lock&) = delete;
  biased_lock& operator=(const biased_lock&) = delete;

  /// Owner: for times when nobody is expected to visit. Needs sys::heavy_barrier().
  void bias() noexcept {
    if (biased_.load(std::memory_order_relaxed)) return;
    const spin_guard guard(lock_);
    biased_.store(true, std::memory_order_relaxed);
  }

  class owner_guard;
  class visitor_guard;

 private:
  /// Owner. False: it has to take lock_.
  bool enter() noexcept {
    if (!biased_.load(std::memory_order_relaxed)) return false;
    inside_.store(true, std::memory_order_relaxed);
    chaos::point();
    light_barrier();
    if (biased_.load(std::memory_order_relaxed)) [[likely]]
      return true;
    leave();
    return false;
  }
  void leave() noexcept {
    // release: pairs with the acquire in end_bias(): what was done inside is seen.
    inside_.store(false, std::memory_order_release);
  }

  /// Visitor, under lock_.
  void end_bias() noexcept {
    if (!biased_.load(std::memory_order_relaxed)) return;
    biased_.store(false, std::memory_order_relaxed);
    chaos::point();
    sys::heavy_barrier();
    // acquire: pairs with the release in leave().
    while (inside_.load(std::memory_order_acquire)) yield_thread();
  }

  spin_lock lock_;
  //   written by  the owner, visitors; under lock_
  //   read by     visitors under lock_; the owner at any time
  //   pairing     light and heavy barrier, see above. What visitors have done comes with lock_,
  //               which the owner has taken since
  atomic<bool> biased_{false};
  //   written by  the owner
  //   read by     the visitor that ends its bias
  //   pairing     as biased_
  atomic<bool> inside_{false};
};

class biased_lock::owner_guard {
 public:
  explicit owner_guard(biased_lock& lock) noexcept : lock_(lock), entered_(lock.enter()) {
    if (!entered_) [[unlikely]]
      lock_.lock_.lock();
  }
  ~owner_guard() { entered_ ? lock_.leave() : lock_.lock_.unlock(); }
  [[nodiscard]] bool is_biased() const noexcept { return entered_; }
  owner_guard(const owner_guard&) = delete;
  owner_guard& operator=(const owner_guard&) = delete;

 private:
  biased_lock& lock_;
  const bool entered_;
};

class biased_lock::visitor_guard {
 public:
  explicit visitor_guard(biased_lock& lock) noexcept : guard_(lock.lock_) { lock.end_bias(); }

 private:
  const spin_guard guard_;
};

}  // namespace weft::detail
