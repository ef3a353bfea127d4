#pragma once

#include "../clock.h"
#include "own_cancellation.h"
#include "timer_wheel.h"

namespace weft::detail {

/// Arms a timer of `task` in the wheel of this worker; from a thread that is none, in that of the
/// runtime's first worker. Defined with sleep().
void arm_timer(timer_node& timer, task_state& task) noexcept;

/// The core of wait_for and timeout scopes: cancels a task when its time is over, and takes exactly
/// that cancellation back.
class time_limit {
 public:
  time_limit() noexcept { timer_.fire = on_fire; }
  time_limit(const time_limit&) = delete;
  time_limit& operator=(const time_limit&) = delete;
  ~time_limit() = default;

  /// Begins for the running task. time_point::max(): no limit for now. `over`: it has passed
  /// already, which the task sees at its first suspension.
  void start(clock::time_point when, bool over) noexcept;
  /// Ends it: afterwards nothing it armed can reach the task. True: the limit passed, and no other
  /// cancellation is under way; a cancelled_error from inside is a time-out.
  bool finish() noexcept;
  /// Moves the limit. False: it has passed already.
  bool reschedule(clock::time_point when) noexcept;

  [[nodiscard]] bool active() const noexcept { return timer_.cancellation.active(); }
  [[nodiscard]] bool expired() const noexcept { return timer_.cancellation.raised(); }
  [[nodiscard]] clock::time_point when() const noexcept { return timer_.when; }

 private:
  struct limit_timer : timer_node {
    own_cancellation cancellation;
  };
  static void on_fire(timer_node& self) noexcept;
  void arm(clock::time_point when, bool over) noexcept;

  limit_timer timer_;
};

}  // namespace weft::detail
