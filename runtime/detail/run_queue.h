#pragma once

// The ready tasks of one worker: a ring, after Go's runtime (proc.go, runqput/runqgrab).
//
// The owner pushes at the tail and pops at the head, first in first out; thieves copy some of what
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
// A PRIVATE RING. That CAS is most of what a pop costs (5-7 ns), and for nothing while the other
// workers sleep. So the owner may take the ring for itself: head_ then says `alone`, the head is
// mine_, and a pop is a store, as is a push in front of the others. The first thief ends that.
// Owner and thief decide by a store-load race, whose barrier costs the owner nothing and the thief
// a system call (membarrier, 1-4 us):
//
//   owner  1. mine_ = new head    light barrier    2. head_ still `alone`?
//   thief  1. head_ = ending      heavy barrier    2. the head is mine_; head_ = the head
//
// One of the two sees the other. An owner that sees the thief waits for its second step, and asks
// shared_from_ whether the thief has seen the new head. From then on the ring is shared, until the
// owner takes it again.
//
// A push in front moves the head back. So that a thief never meets a head twice, with other tasks
// behind it, all indices jump when the ring becomes private: a push in front needs a free slot, and
// cannot take back as much.
//
// Bound: a full ring refuses; the worker then keeps the task on its overflow list, where a push and
// a pop cost 5 ns more at best. So it has 16,384 entries (128 KiB a worker) rather than Go's 256: ten
// thousand tasks that yield ran at 10 ns a step instead of 18 with 1024 entries, and fewer tasks no
// slower. A thief copies few of them at a time: the longer it copies, the likelier its claim fails.

#include "atomic.h"
#include "chaos.h"
#include "sys.h"

#include <algorithm>
#include <cstdint>

namespace weft::detail {

struct task_state;

class run_queue {
 public:
  static constexpr std::uint64_t capacity = sizes::ready_ring;
  static constexpr std::uint64_t stolen_max = 512;  // at a time

  /// Throws std::bad_alloc.
  run_queue() = default;
  run_queue(const run_queue&) = delete;
  run_queue& operator=(const run_queue&) = delete;
  ~run_queue() { free_zeroed(slots_); }

  /// Owner. False: full.
  bool push(task_state& task) noexcept {
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - known_head_ >= capacity) {
      known_head_ = own_head();
      if (tail - known_head_ >= capacity) return false;
    }
    slots_[tail % capacity].store(&task, std::memory_order_relaxed);
    // release: pairs with the acquire in steal(): the task and its slot are seen.
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  /// Owner. Null: empty.
  task_state* pop() noexcept {
    task_state* task = pop_private();
    return task != nullptr || private_ ? task : pop_shared();
  }

  /// Owner. Null: empty, or the ring is not private: pop() has the answer. This is the part worth
  /// inlining.
  [[gnu::always_inline]] task_state* pop_private() noexcept {
    if (!private_) return nullptr;
    const std::uint64_t head = mine_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_relaxed)) return nullptr;
    task_state* task = slots_[head % capacity].load(std::memory_order_relaxed);
    mine_.store(head + 1, std::memory_order_relaxed);
    return still_alone() || thief_took_notice(head + 1) ? task : nullptr;
  }

  /// Owner: in front of all others. False: full, or the ring is not private.
  bool push_front(task_state& task) noexcept {
    if (!private_) return false;
    const std::uint64_t head = mine_.load(std::memory_order_relaxed);
    if (tail_.load(std::memory_order_relaxed) - head >= capacity) return false;
    slots_[(head - 1) % capacity].store(&task, std::memory_order_relaxed);
    // release: pairs with the acquire in end_private(): the task and its slot are seen.
    mine_.store(head - 1, std::memory_order_release);
    known_head_ = head - 1;
    return still_alone() || thief_took_notice(head - 1);
  }

  /// Owner: pops and pushes are cheap until somebody steals. For times when nobody is expected to.
  /// Needs sys::heavy_barrier().
  void make_private() noexcept {
    if (private_) return;
    // Relaxed: with a head from before, a thief takes this for no tail; later ones bring it.
    tail_.store(tail_.load(std::memory_order_relaxed) + jump, std::memory_order_relaxed);
    std::uint64_t head = head_.load(std::memory_order_relaxed);
    do {
      mine_.store(head + jump, std::memory_order_relaxed);
      // acq_rel: release brings mine_ to the thief that ends this; acquire as in own_head().
    } while (!head_.compare_exchange_weak(head, alone, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
    known_head_ = head + jump;
    private_ = true;
  }
  /// Owner: as far as it knows.
  [[nodiscard]] bool is_private() const noexcept { return private_; }

  /// Thief: takes half, rounded up, or stolen_max if that is less, into its own ring `mine` (which
  /// must be empty), if there are at least `least`. Returns how many.
  std::uint64_t steal(run_queue& mine, std::uint64_t least) noexcept {
    for (int attempts = 0; attempts < 2; ++attempts) {
      std::uint64_t head = shared_head(least);
      const std::uint64_t available = size_behind(head);
      if (available < least || available == 0) return 0;
      // The second time less: the copy must be over before the owner's next pop.
      const std::uint64_t most = attempts == 0 ? stolen_max : stolen_max / 8;
      const std::uint64_t count = std::min(available - available / 2, most);
      const std::uint64_t to = mine.tail_.load(std::memory_order_relaxed);
      for (std::uint64_t i = 0; i < count; ++i) {
        task_state* task = slots_[(head + i) % capacity].load(std::memory_order_relaxed);
        mine.slots_[(to + i) % capacity].store(task, std::memory_order_relaxed);
      }
      chaos::point();
      // Claims the copied tasks. release: lets the owner reuse their slots.
      if (head_.compare_exchange_strong(head, head + count, std::memory_order_release,
                                        std::memory_order_relaxed)) {
        // release: as in push().
        mine.tail_.store(to + count, std::memory_order_release);
        return count;
      }
    }
    return 0;
  }

  /// Thief: the oldest task alone, whatever is in its own ring. Null: empty, or others were faster.
  task_state* steal_one() noexcept {
    for (int attempts = 0; attempts < 4; ++attempts) {
      std::uint64_t head = shared_head(1);
      if (size_behind(head) == 0) return nullptr;
      task_state* task = slots_[head % capacity].load(std::memory_order_relaxed);
      // release: as in steal().
      if (head_.compare_exchange_strong(head, head + 1, std::memory_order_release,
                                        std::memory_order_relaxed)) {
        return task;
      }
    }
    return nullptr;
  }

  /// Any thread; exact for the owner while nobody steals.
  [[nodiscard]] std::uint64_t size_approx() const noexcept {
    std::uint64_t head = head_.load(std::memory_order_relaxed);
    if (head >= ending) head = mine_.load(std::memory_order_relaxed);
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    return tail > head ? tail - head : 0;
  }

 private:
  // What head_ says instead of an index.
  static constexpr std::uint64_t alone = ~std::uint64_t{0};  // a private ring
  static constexpr std::uint64_t ending = alone - 1;         // between a thief's two steps
  static constexpr std::uint64_t first = capacity;           // indices never become negative
  static constexpr std::uint64_t jump = 2 * capacity;        // the slots stay the same

  std::uint64_t own_head() noexcept {
    if (private_) return mine_.load(std::memory_order_relaxed);
    // acquire: pairs with the head CAS of thieves: they have read their slots.
    return head_.load(std::memory_order_acquire);
  }

  task_state* pop_shared() noexcept {
    std::uint64_t head = head_.load(std::memory_order_relaxed);
    for (;;) {
      if (head == tail_.load(std::memory_order_relaxed)) return nullptr;
      task_state* task = slots_[head % capacity].load(std::memory_order_relaxed);
      chaos::point();
      // Decides against thieves. release: who reads the head sees the slots as of now.
      if (head_.compare_exchange_weak(head, head + 1, std::memory_order_release,
                                      std::memory_order_relaxed))
        return task;
    }
  }

  /// Owner: it has moved its head.
  [[nodiscard]] bool still_alone() const noexcept {
    chaos::point();
    light_barrier();
    return head_.load(std::memory_order_relaxed) == alone;
  }

  /// Owner: a thief has ended our time alone while we moved the head to `head`. Has it seen that?
  [[gnu::noinline]] bool thief_took_notice(std::uint64_t head) noexcept {
    private_ = false;
    // acquire: pairs with the release of end_private(): shared_from_ is seen.
    while (head_.load(std::memory_order_acquire) == ending) yield_thread();
    return shared_from_.load(std::memory_order_relaxed) == head;
  }

  /// Thief: the head; a private ring with `least` tasks becomes a shared one. `ending` or `alone`:
  /// not just now.
  std::uint64_t shared_head(std::uint64_t least) noexcept {
    // acquire: pairs with the CAS of others, and with the release in end_private().
    const std::uint64_t head = head_.load(std::memory_order_acquire);
    return head == alone && size_approx() >= least ? end_private() : head;
  }

  [[gnu::noinline]] std::uint64_t end_private() noexcept {
    std::uint64_t head = alone;
    // acquire: pairs with make_private(), and as above.
    if (!head_.compare_exchange_strong(head, ending, std::memory_order_acquire,
                                       std::memory_order_acquire))
      return head;
    chaos::point();
    sys::heavy_barrier();
    head = mine_.load(std::memory_order_acquire);  // acquire: pairs with push_front()
    shared_from_.store(head, std::memory_order_relaxed);
    // release: pairs with thief_took_notice().
    head_.store(head, std::memory_order_release);
    return head;
  }

  /// Thief: how many tasks there are from a head that it has read before. None when the head is no
  /// index, or so old that its slots are used again.
  [[nodiscard]] std::uint64_t size_behind(std::uint64_t head) const noexcept {
    if (head >= ending) return 0;
    // acquire: pairs with the release in push(), so that slots and tasks are seen.
    const std::uint64_t size = tail_.load(std::memory_order_acquire) - head;
    return size <= capacity ? size : 0;
  }

  //   written by  owner (pop, make_private) and thieves, by compare-exchange; by the thief that has
  //               made it `ending`
  //   read by     all; see the pairing above
  alignas(cache_line) atomic<std::uint64_t> head_{first};
  //   written by  the thief that ends the owner's time alone, before it writes head_
  //   read by     the owner, after it has read head_
  atomic<std::uint64_t> shared_from_{0};
  //   written by  the owner
  //   read by     thieves
  alignas(cache_line) atomic<std::uint64_t> tail_{first};
  //   written by  the owner
  //   read by     who ends its time alone; who wants to know the size
  //   pairing     light and heavy barrier, see A PRIVATE RING
  atomic<std::uint64_t> mine_{first};
  std::uint64_t known_head_ = first;  // owner only: not beyond the head
  bool private_ = false;              // owner only: as far as it knows
  //   written by  the owner, between head and tail
  //   read by     owner and thieves
  //   pairing     through head_ and tail_
  alignas(cache_line) atomic<task_state*>* const slots_ = make_zeroed<task_state*>(capacity);
};

}  // namespace weft::detail
