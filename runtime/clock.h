#pragma once

#include <chrono>

namespace weft {

/// Steady time with nanoseconds; virtual inside a test_runtime.
///
/// Threads: any. Cost: one clock_gettime (about 20 ns).
struct clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<clock>;
  static constexpr bool is_steady = true;

  static time_point now() noexcept;
};

/// clock::now().
clock::time_point now() noexcept;

namespace detail {

/// The clock seam: while a thread has a time source of its own, clock::now() reads it instead of
/// the kernel's clock. A test_runtime installs its virtual clock on the thread that runs it.
void set_thread_clock(const clock::time_point* source) noexcept;

[[noreturn]] void throw_not_a_duration();

/// Any duration as the clock's, rounded up (a timer never fires early) and limited to about 146
/// years either way. Throws std::invalid_argument for one that is not a number.
template <class Rep, class Period>
constexpr clock::duration to_clock_duration(std::chrono::duration<Rep, Period> d) {
  if constexpr (std::chrono::treat_as_floating_point_v<Rep>) {
    if (d.count() != d.count()) throw_not_a_duration();
  }
  using seconds = std::chrono::duration<double>;
  constexpr double limit = 4.6e9;
  if (std::chrono::duration_cast<seconds>(d).count() >= limit)
    return clock::duration(static_cast<clock::rep>(limit * 1e9));
  if (std::chrono::duration_cast<seconds>(d).count() <= -limit)
    return clock::duration(static_cast<clock::rep>(-limit * 1e9));
  return std::chrono::ceil<clock::duration>(d);
}

/// now() + d, limited to the clock's range.
template <class Rep, class Period>
clock::time_point deadline_after(std::chrono::duration<Rep, Period> d) {
  return clock::now() + to_clock_duration(d);
}

}  // namespace detail
}  // namespace weft
