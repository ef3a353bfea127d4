#pragma once

// The ready tasks of one worker: a ring, after Go's runtime (proc.go, runqput/runqgrab).
//
// The owner pushes at the tail and pops at the head, first in first out; thieves copy half of what
// is there and claim it with one compare-exchange of the head. Indices only grow (64 bits), so
// there is no ABA. Head and tail lie on lines of their own: the owner's pushes do not disturb
// thieves that only look.
//
//   push   slot relaxed, tail release
//   pop    slot relaxed, head CAS
//   steal  tail acquire, slots relaxed, head CAS
//
// A slot is reused only after the head has passed it, and a thief whose copy was overwritten fails
// its CAS.
//
// Bound: a full ring refuses; the worker then keeps the task on its overflow list. 1024 entries (8
// KiB a worker) rather than Go's 256, because the overflow list costs a lock for each task: batches
// of a thousand children are common here, and ran a third slower with the smaller ring.

#include "atomic.h"
#include "chaos.h"

#include <cstdint>

namespace weft::detail {

struct task_state;

class run_queue {
 public:
  static constexpr std::uint64_t capacity = sizes::ready_ring;

  /// Owner. False: full.
  bool push(task_state& task) noexcept {
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - known_head_ >= capacity) {
      // acquire: pairs with the head CAS of thieves: they have read their slots.
      known_head_ = head_.load(std::memory_order_acquire);
      if (tail - known_head_ >= capacity) return false;
    }
    slots_[tail % capacity].store(&task, std::memory_order_relaxed);
    // release: pairs with the acquire in steal(): the task and its slot are seen.
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  /// Owner. Null: empty.
  task_state* pop() noexcept {
    std::uint64_t head = head_.load(std::memory_order_relaxed);
    for (;;) {
      if (head == tail_.load(std::memory_order_relaxed)) return nullptr;
      task_state* task = slots_[head % capacity].load(std::memory_order_relaxed);
      chaos::point();
      // acq_rel: decides against thieves; see push() for the acquire side.
      if (head_.compare_exchange_weak(head, head + 1, std::memory_order_acq_rel,
                                      std::memory_order_relaxed))
        return task;
    }
  }

  /// Thief: takes half, rounded up, into its own ring `mine` (which must be empty), if there are at
  /// least `least`. Returns how many.
  std::uint64_t steal(run_queue& mine, std::uint64_t least) noexcept {
    // acquire: pairs with the release in push(), so that slots and tasks are seen; the head with
    // the CAS of others.
    std::uint64_t head = head_.load(std::memory_order_acquire);
    for (int attempts = 0; attempts < 2; ++attempts) {
      // acquire: as above.
      const std::uint64_t available = tail_.load(std::memory_order_acquire) - head;
      if (available < least || available == 0 || available > capacity) return 0;
      const std::uint64_t count = available - available / 2;
      const std::uint64_t to = mine.tail_.load(std::memory_order_relaxed);
      for (std::uint64_t i = 0; i < count; ++i) {
        task_state* task = slots_[(head + i) % capacity].load(std::memory_order_relaxed);
        mine.slots_[(to + i) % capacity].store(task, std::memory_order_relaxed);
      }
      chaos::point();
      // acq_rel: claims the copied tasks; release lets the owner reuse their slots.
      if (head_.compare_exchange_strong(head, head + count, std::memory_order_acq_rel,
                                        std::memory_order_acquire)) {
        // release: as in push().
        mine.tail_.store(to + count, std::memory_order_release);
        return count;
      }
    }
    return 0;
  }

  /// Thief: the oldest task alone, whatever is in its own ring. Null: empty, or others were faster.
  task_state* steal_one() noexcept {
    // acquire: as in steal(). The head is read first, so that the tail is not behind it.
    std::uint64_t head = head_.load(std::memory_order_acquire);
    for (int attempts = 0; attempts < 4; ++attempts) {
      const std::uint64_t available =
          tail_.load(std::memory_order_acquire) - head;  // acquire: as above
      if (available == 0 || available > capacity) return nullptr;
      task_state* task = slots_[head % capacity].load(std::memory_order_relaxed);
      // acq_rel: as in steal().
      if (head_.compare_exchange_strong(head, head + 1, std::memory_order_acq_rel,
                                        std::memory_order_acquire)) {
        return task;
      }
    }
    return nullptr;
  }

  /// Any thread; exact for the owner while nobody steals.
  [[nodiscard]] std::uint64_t size_approx() const noexcept {
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    return tail > head ? tail - head : 0;
  }

 private:
  //   written by  owner (pop) and thieves (steal), by compare-exchange
  //   read by     all; see the pairing above
  alignas(cache_line) atomic<std::uint64_t> head_{0};
  //   written by  the owner
  //   read by     thieves
  alignas(cache_line) atomic<std::uint64_t> tail_{0};
  std::uint64_t known_head_ = 0;  // owner only: an old value of head_
  //   written by  the owner, between head and tail
  //   read by     owner and thieves
  //   pairing     through head_ and tail_
  alignas(cache_line) atomic<task_state*> slots_[capacity] = {};
};

}  // namespace weft::detail
