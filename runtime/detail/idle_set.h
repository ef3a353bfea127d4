#pragma once

// Who sleeps, who searches, who watches: the only words that all workers share. They change when a
// worker falls asleep or is woken, never on the path of a task.
//
//   sleepers   one bit a worker that sleeps or is about to
//   searchers  workers that were woken to look for work and have not found any: while there is
//              one, nobody wakes another
//   watcher    one idle worker that sleeps with a short time-out while others are busy, and
//              rescues what a worker owns that stands still in a long step (its ring, inbox,
//              poller, timers)

#include "atomic.h"
#include "chaos.h"

#include <cstdint>

namespace weft::detail {

class idle_set {
 public:
  static constexpr unsigned workers_max = 64;
  static constexpr unsigned nobody = ~0u;

  /// A look without order: a wrong answer delays a wake-up until the next look, it loses none.
  [[nodiscard]] bool anyone_asleep() const noexcept {
    return sleepers_.load(std::memory_order_relaxed) != 0;
  }
  [[nodiscard]] std::uint64_t sleepers() const noexcept {
    return sleepers_.load(std::memory_order_relaxed);
  }

  void fall_asleep(unsigned worker) noexcept {
    // seq_cst: see watcher_.
    sleepers_.fetch_or(bit(worker), std::memory_order_seq_cst);
  }
  void wake_up(unsigned worker) noexcept {
    // acquire: who has stopped watching before it fell asleep is not taken for a watcher.
    sleepers_.fetch_and(~bit(worker), std::memory_order_acquire);
  }

  /// Claims a sleeper to wake as a searcher. nobody: none sleeps, or somebody searches already.
  unsigned claim_searcher() noexcept {
    std::uint32_t none = 0;
    // Relaxed: see sleepers_.
    if (!searchers_.compare_exchange_strong(none, 1, std::memory_order_relaxed)) return nobody;
    chaos::point();
    const unsigned chosen = claim_sleeper();
    if (chosen == nobody) end_search();
    return chosen;
  }
  /// A look without order.
  [[nodiscard]] bool anyone_searching() const noexcept {
    return searchers_.load(std::memory_order_relaxed) != 0;
  }
  void end_search() noexcept {
    searchers_.store(0, std::memory_order_relaxed);  // relaxed: see sleepers_
  }

  /// Claims the lowest sleeper.
  unsigned claim_sleeper() noexcept {
    std::uint64_t mask = sleepers_.load(std::memory_order_relaxed);
    while (mask != 0) {
      const auto lowest = static_cast<unsigned>(__builtin_ctzll(mask));
      // Relaxed, see sleepers_: decides between claimers, and against the sleeper waking by itself.
      if ((sleepers_.fetch_and(~bit(lowest), std::memory_order_relaxed) & bit(lowest)) != 0)
        return lowest;
      mask = sleepers_.load(std::memory_order_relaxed);
    }
    return nobody;
  }

  /// A look without order.
  [[nodiscard]] bool watched() const noexcept {
    return watcher_.load(std::memory_order_relaxed) != nobody;
  }
  /// Somebody sleeps, and nobody watches.
  [[nodiscard]] bool needs_watcher() const noexcept {
    return !watched() && sleepers_.load(std::memory_order_seq_cst) != 0;  // seq_cst: see watcher_
  }
  bool become_watcher(unsigned worker) noexcept {
    unsigned none = nobody;
    // seq_cst: see watcher_.
    return watcher_.compare_exchange_strong(none, worker, std::memory_order_seq_cst,
                                            std::memory_order_seq_cst);
  }
  void stop_watching() noexcept {
    watcher_.store(nobody, std::memory_order_seq_cst);  // seq_cst: see watcher_
  }

 private:
  static constexpr std::uint64_t bit(unsigned worker) noexcept {
    return std::uint64_t{1} << worker;
  }

  //   written by  workers that park or wake up, and who claims one
  //   read by     every push to a ring (relaxed hint)
  //   pairing     fall_asleep() and wake_up() with watched(), see there; the rest relaxed: claims are
  //               decided by the order of the word alone, and the work itself comes through the
  //               queues, where who is woken looks. So for searchers_
  alignas(cache_line) atomic<std::uint64_t> sleepers_{0};
  //   written by  who claims a searcher, and the searcher
  alignas(cache_line) atomic<std::uint32_t> searchers_{0};
  //   written by  idle workers
  //   read by     workers that become busy
  //   pairing     seq_cst, a store-load race:
  //                 to work:   1. stop_watching()   2. needs_watcher() looks for sleepers
  //                 to sleep:  1. fall_asleep()     2. become_watcher() looks for a watcher
  //               One of the two sees the other: the one that works wakes the sleeper, or that one
  //               watches.
  atomic<unsigned> watcher_{nobody};
};

}  // namespace weft::detail
