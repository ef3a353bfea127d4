#pragma once

#include "../../runtime/detail/atomic.h"
#include "../../runtime/detail/chaos.h"

#include <cstdint>

namespace weft::detail {

/// A word of state and the spin lock of the list that belongs to it, in one atomic.
///
/// Changes that need no list are one compare-exchange. Changes that do take the lock, and the store
/// that publishes the new state is the one that releases it: whoever acts on the new state may
/// destroy the whole object at once, since nobody touches it afterwards. (With a spin lock beside
/// the word, an event could die between "it is set" and the unlock inside set().)
///
/// Threads: any. Cost: one atomic read-modify-write to lock, a store to unlock.
class guarded_word {
 public:
  /// Bit 0 is the lock; users have the others.
  static constexpr std::uint32_t lock_bit = 1;

  constexpr guarded_word() noexcept = default;
  guarded_word(const guarded_word&) = delete;
  guarded_word& operator=(const guarded_word&) = delete;

  /// A snapshot, without the lock bit.
  [[nodiscard]] std::uint32_t load() const noexcept {
    // acquire: pairs with unlock() and give_or_see(): what was written before the bits is seen.
    return word_.load(std::memory_order_acquire) & ~lock_bit;
  }
  /// From one state to another in one step, while nobody has the lock. take: what earlier owners of
  /// the state wrote is seen. give: what we wrote is seen by the next who takes.
  bool take(std::uint32_t from, std::uint32_t to) noexcept { return take_or_see(from, to); }
  bool give(std::uint32_t from, std::uint32_t to) noexcept { return give_or_see(from, to); }
  /// The same, for who tries again with what was there: where they say false, `from` is that,
  /// without the lock bit; if it has not changed, somebody has the lock. It was seen without an
  /// order.
  bool take_or_see(std::uint32_t& from, std::uint32_t to) noexcept {
    // acquire: pairs with the release in give_or_see() and unlock().
    const bool taken = word_.compare_exchange_strong(from, to, std::memory_order_acquire,
                                                     std::memory_order_relaxed);
    if (!taken) from &= ~lock_bit;
    return taken;
  }
  bool give_or_see(std::uint32_t& from, std::uint32_t to) noexcept {
    // release: pairs with the acquire in take_or_see(), load() and lock().
    const bool given = word_.compare_exchange_strong(from, to, std::memory_order_release,
                                                     std::memory_order_relaxed);
    if (!given) from &= ~lock_bit;
    return given;
  }

  /// Returns the state, which nobody else changes until unlock().
  [[nodiscard]] std::uint32_t lock() noexcept {
    // acquire: pairs with the release in unlock() and give_or_see().
    const std::uint32_t before = word_.fetch_or(lock_bit, std::memory_order_acquire);
    return (before & lock_bit) == 0 ? before : lock_contended();
  }
  void unlock(std::uint32_t state) noexcept {
    chaos::point();
    // release: pairs with every acquire above. A store: nobody else changes a locked word.
    word_.store(state, std::memory_order_release);
  }

 private:
  std::uint32_t lock_contended() noexcept;

  //   written by  any thread: take and give while the lock bit is clear, else only who has set it
  //   read by     any thread
  //   pairing     acquire by who takes a state or the lock, release by who gives it, see above
  atomic<std::uint32_t> word_{0};
};

}  // namespace weft::detail
