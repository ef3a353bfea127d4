#include "spin_lock.h"

namespace weft::detail {

void spin_lock::lock_contended() noexcept {
  // A critical section lasts tens of nanoseconds: spinning that long finds it free unless its
  // holder lost the CPU.
  constexpr int spins_before_yield = 128;
  for (int spins = 0;; ++spins) {
    if (try_lock()) return;
    if (spins < spins_before_yield) {
      cpu_relax();
    } else {
      yield_thread();
    }
  }
}

}  // namespace weft::detail
