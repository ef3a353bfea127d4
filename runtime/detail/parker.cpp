// Linux: a futex.
#include "parker.h"

#include "sys.h"

namespace weft::detail {

void parker::spin() const noexcept {
  // Relaxed: a hint; park() takes the wake-up.
  for (int left = sizes::parker_spins;
       left > 0 && word_.load(std::memory_order_relaxed) != notified; --left) {
    cpu_relax();
  }
}

void parker::park() noexcept {
  (void)sleep(nullptr);
}

bool parker::park_until(std::chrono::steady_clock::time_point when) noexcept {
  return sleep(&when) == end::notified;
}

parker::end parker::sleep(const std::chrono::steady_clock::time_point* until) noexcept {
  std::uint32_t seen = empty;
  // A failure means that somebody was faster: nothing to sleep for.
  if (word_.compare_exchange_strong(seen, asleep, std::memory_order_relaxed)) {
    while (word_.load(std::memory_order_relaxed) == asleep) {
      std::int64_t left_ns = sys::no_time_limit;
      if (until != nullptr) {
        left_ns = std::chrono::nanoseconds(*until - std::chrono::steady_clock::now()).count();
        if (left_ns <= 0) break;
      }
      sys::futex_wait(&word_, asleep, left_ns);
    }
    seen = asleep;
    // relaxed: nobody has woken us, so there is nothing to see.
    if (word_.compare_exchange_strong(seen, empty, std::memory_order_relaxed))
      return end::timed_out;
  }
  // acquire: see word_.
  (void)word_.exchange(empty, std::memory_order_acquire);
  return end::notified;
}

void parker::unpark() noexcept {
  // release: see word_.
  if (word_.exchange(notified, std::memory_order_release) == asleep) sys::futex_wake_one(&word_);
}

}  // namespace weft::detail
