#include "guarded_word.h"

namespace weft::detail {

std::uint32_t guarded_word::lock_contended() noexcept {
  // A critical section lasts tens of nanoseconds: spinning that long finds the word free unless the
  // holder has lost its CPU.
  constexpr int spins_before_yield = 128;
  for (int spins = 0;; ++spins) {
    std::uint32_t seen = word_.load(std::memory_order_relaxed);
    // acquire: as in lock().
    if ((seen & lock_bit) == 0 &&
        word_.compare_exchange_weak(seen, seen | lock_bit, std::memory_order_acquire,
                                    std::memory_order_relaxed)) {
      return seen;
    }
    if (spins < spins_before_yield) {
      cpu_relax();
    } else {
      yield_thread();
    }
  }
}

}  // namespace weft::detail
