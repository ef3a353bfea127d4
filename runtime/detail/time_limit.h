#pragma once

#include "../clock.h"
#include "interrupt_scope.h"
#include "timer_wheel.h"

namespace weft::detail {

/// Arms a timer of `task` in the wheel of this worker; from a thread that is none, in that of the
/// runtime's first worker. Defined with sleep().
void arm_timer(timer_node& timer, task_state& task) noexcept;

/// The core of wait_for and timeout scopes: cancels a task when its time is over, and takes exactly
/// that request back.
///
/// asyncio's rule decides whose cancellation it was: on the way out the scope takes its own request
/// back, and the outcome is a time-out only if no more requests are left than had been delivered on
/// the way in.
///
/// Behind a shield a request would wait until the shield is gone. There the limit is a scope of the
/// task that raises one cancellation: what has been postponed stays so. Of several such limits that
/// have passed the outermost one is told, by the same rule.
class time_limit {
 public:
  time_limit() noexcept { timer_.fire = on_fire; }
  time_limit(const time_limit&) = delete;
  time_limit& operator=(const time_limit&) = delete;
  ~time_limit() { assert(!active_); }

  /// Begins for the running task. time_point::max(): no limit for now. `over`: it has passed
  /// already, which the task sees at its first suspension.
  void start(clock::time_point when, bool over) noexcept;
  /// Ends it: afterwards nothing it armed can reach the task. True: the limit passed, and no other
  /// cancellation is under way; a cancelled_error from inside is a time-out.
  bool finish() noexcept;
  /// Moves the limit. False: it has passed already.
  bool reschedule(clock::time_point when) noexcept;

  [[nodiscard]] bool active() const noexcept { return active_; }
  [[nodiscard]] bool expired() const noexcept { return timer_.scope.has_expired(); }
  [[nodiscard]] clock::time_point when() const noexcept { return timer_.when; }

 private:
  struct limit_timer : timer_node {
    interrupt_scope scope;  // entered behind a shield only; `expired` tells in any case
    bool shielded = false;
  };
  static void on_fire(timer_node& self) noexcept;
  void arm(clock::time_point when, bool over) noexcept;

  limit_timer timer_;
  int cancelled_before_ = 0;  // requests; behind a shield, scopes
  bool active_ = false;
};

}  // namespace weft::detail
