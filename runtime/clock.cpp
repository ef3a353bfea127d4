#include "clock.h"

#include <stdexcept>

#include <time.h>

namespace weft {

namespace {
// The time source of this thread; null for the kernel's clock. Owner thread only.
constinit thread_local const clock::time_point* thread_clock = nullptr;
}  // namespace

clock::time_point clock::now() noexcept {
  if (thread_clock != nullptr) return *thread_clock;
  timespec ts;
  ::clock_gettime(CLOCK_MONOTONIC, &ts);
  return time_point(std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec));
}

clock::time_point now() noexcept {
  return clock::now();
}

void detail::throw_not_a_duration() {
  throw std::invalid_argument("a duration must be a number");
}

void detail::set_thread_clock(const clock::time_point* source) noexcept {
  thread_clock = source;
}

}  // namespace weft
