#pragma once

// Time in a model stands still. Timers that are armed go to one wheel, which a thread of the model
// expires at whatever time it likes.

#include "../../../runtime/detail/timer_wheel.h"

namespace weft::model {

/// While it lives, timers are armed here.
class timers {
 public:
  timers() noexcept;
  ~timers();
  timers(const timers&) = delete;
  timers& operator=(const timers&) = delete;

  /// Fires what is due within so many ticks from the begin of the model.
  void expire(int ticks) noexcept;
  detail::timer_wheel& wheel() noexcept { return wheel_; }

 private:
  detail::timer_wheel wheel_{clock::time_point()};
};

/// The length of a tick of the wheel.
inline constexpr clock::duration tick{1 << 16};

}  // namespace weft::model
