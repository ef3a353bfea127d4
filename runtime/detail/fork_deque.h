#pragma once

// The children that the running task has forked and not awaited yet: the deque of Chase and Lev
// (2005), memory orders after Lê, Pop, Cohen and Zappa Nardelli (2013), with the fences folded into
// the exchange of `bottom` and the loads (race detectors do not understand fences). So all loads of
// `top` that decide are seq_cst, and in their order the claims need not be: who loads an old `top`
// comes before all that load a newer one.
//
// The owner pushes and pops at the bottom, newest first; thieves take the oldest, which is the
// largest piece of work left. Every write of `bottom` is a release: since C++20 a plain store by
// the same thread no longer continues a release sequence, and a thief that reads the value written
// by pop() must still see the entries pushed before.
//
// Bound: 1024 entries; a fork beyond that becomes an ordinary task.

#include "atomic.h"
#include "chaos.h"

#include <cstdint>

namespace weft::detail {

struct task_state;

class fork_deque {
 public:
  static constexpr std::int64_t capacity = sizes::forks;

  /// Owner. False: full.
  bool push(task_state& child) noexcept {
    const std::int64_t bottom = bottom_.load(std::memory_order_relaxed);
    if (bottom - known_top_ >= capacity) {
      // acquire: pairs with the CAS in steal(): the thief has read its slot.
      known_top_ = top_.load(std::memory_order_acquire);
      if (bottom - known_top_ >= capacity) return false;
    }
    slot(bottom).store(&child, std::memory_order_relaxed);
    // release: pairs with the load of bottom in steal(): the child is seen.
    bottom_.store(bottom + 1, std::memory_order_release);
    return true;
  }

  /// Owner: the newest entry; null when empty.
  task_state* pop() noexcept {
    const std::int64_t bottom = bottom_.load(std::memory_order_relaxed) - 1;
    // seq_cst: a store-load race. pop: 1. lower bottom 2. read top; steal: 1. read top 2. read
    // bottom. One of the two sees the other, or both meet in the CAS for the last entry.
    bottom_.exchange(bottom, std::memory_order_seq_cst);
    chaos::point();
    std::int64_t top = top_.load(std::memory_order_seq_cst);  // seq_cst: as above
    if (top < bottom) return slot(bottom).load(std::memory_order_relaxed);
    task_state* last = nullptr;
    if (top == bottom) {
      last = slot(bottom).load(std::memory_order_relaxed);
      // Decides against thieves. Relaxed: it tells them nothing, and who reads it has the order of
      // the loads of top.
      if (!top_.compare_exchange_strong(top, top + 1, std::memory_order_relaxed)) last = nullptr;
    }
    // release: as in push().
    bottom_.store(bottom + 1, std::memory_order_release);
    return last;
  }

  /// Owner, where there are no thieves: a runtime with one worker.
  task_state* pop_unshared() noexcept {
    const std::int64_t bottom = bottom_.load(std::memory_order_relaxed);
    if (bottom == top_.load(std::memory_order_relaxed)) return nullptr;
    bottom_.store(bottom - 1, std::memory_order_relaxed);
    return slot(bottom - 1).load(std::memory_order_relaxed);
  }

  /// Thief: the oldest entry; null when empty or another thief was faster.
  task_state* steal() noexcept {
    std::int64_t top = top_.load(std::memory_order_seq_cst);  // seq_cst: see pop()
    // seq_cst: see pop(); acquires what push() wrote.
    const std::int64_t bottom = bottom_.load(std::memory_order_seq_cst);
    if (top >= bottom) return nullptr;
    chaos::point();
    task_state* oldest = slot(top).load(std::memory_order_relaxed);
    // Decides against the owner and other thieves. release: pairs with the load of top in push():
    // the slot has been read before the owner uses it again.
    if (!top_.compare_exchange_strong(top, top + 1, std::memory_order_release,
                                      std::memory_order_relaxed))
      return nullptr;
    return oldest;
  }

  /// Any thread: a hint. Exact "empty" for the owner.
  [[nodiscard]] bool empty_approx() const noexcept {
    return bottom_.load(std::memory_order_relaxed) <= top_.load(std::memory_order_relaxed);
  }

 private:
  // Unsigned, so that the remainder is a mask.
  atomic<task_state*>& slot(std::int64_t index) noexcept {
    return slots_[static_cast<std::uint64_t>(index) % static_cast<std::uint64_t>(capacity)];
  }

  //   written by  thieves, and the owner for the last entry, by compare-exchange
  //   read by     all
  alignas(cache_line) atomic<std::int64_t> top_{0};
  //   written by  the owner
  //   read by     thieves
  alignas(cache_line) atomic<std::int64_t> bottom_{0};
  std::int64_t known_top_ = 0;  // owner only: an old value of top_
  //   written by  the owner
  //   read by     owner and thieves
  //   pairing     through top_ and bottom_
  alignas(cache_line) atomic<task_state*> slots_[capacity] = {};
};

}  // namespace weft::detail
