#pragma once

#include "../runtime/clock.h"
#include "../runtime/task.h"
#include "mutex.h"

#include <chrono>
#include <coroutine>
#include <limits>
#include <optional>
#include <stdexcept>

namespace weft {

/// So many units a period, and no more than `burst` of them at once after a pause.
///
/// First come, first served: who wants many is not starved by those behind it that want few. The
/// generic cell rate algorithm (ITU-T I.371), which keeps one point in time in place of a counter
/// and a timer.
///
/// Threads: all members may be called from any thread. Destroy it when nobody waits.
/// Cost: no allocation and no clock but now() when the units are there; else a frame and a timer.
class rate_limiter {
 public:
  class acquire_operation;

  /// `count` units in each `per`, `burst` at once. Throws std::invalid_argument unless all are
  /// positive.
  template <class Rep, class Period>
  constexpr rate_limiter(double count, std::chrono::duration<Rep, Period> per, double burst = 1)
      : rate_limiter(std::chrono::duration<double, std::nano>(per).count() / count, burst) {}
  rate_limiter(const rate_limiter&) = delete;
  rate_limiter& operator=(const rate_limiter&) = delete;

  /// Waits until `count` units are due and nobody is ahead, and uses them. More than `burst` wait
  /// for a full burst, and those behind wait the longer.
  /// Requires: count >= 0.
  /// Cancellation: takes nothing.
  [[nodiscard]] acquire_operation acquire(double count = 1) noexcept;
  /// Uses the units if they are due and nobody waits.
  bool try_acquire(double count = 1) noexcept;

 private:
  constexpr rate_limiter(double unit_ns, double burst) : unit_ns_(unit_ns), burst_(burst) {
    const bool finite = unit_ns <= std::numeric_limits<double>::max();
    if (!(unit_ns > 0) || !finite || !(burst > 0))
      throw std::invalid_argument("a rate_limiter needs a positive count, period and burst");
  }
  task<> wait_for_turn(double count);
  [[nodiscard]] clock::time_point due_at(double count) const noexcept;
  void use(double count, clock::time_point now) noexcept;

  const double unit_ns_;  // what one unit takes
  const double burst_;
  mutex turn_;  // the front of the line holds it
  // When a whole burst is there again; guarded by turn_.
  clock::time_point full_at_ = clock::time_point::min();
};

/// Awaitable of void.
class [[nodiscard]] rate_limiter::acquire_operation {
 public:
  acquire_operation(rate_limiter& from, double count) noexcept : from_(&from), count_(count) {}

  bool await_ready();
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter);
  void await_resume();

 private:
  rate_limiter* from_;
  double count_;
  bool awaited_ = false;
  std::optional<task<>> waiting_;
};

inline rate_limiter::acquire_operation rate_limiter::acquire(double count) noexcept {
  return {*this, count};
}

}  // namespace weft
