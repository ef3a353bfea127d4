#pragma once

#include "clock.h"
#include "detail/time_limit.h"
#include "detail/timer_wheel.h"
#include "spawn.h"

#include <optional>

namespace weft {

namespace detail {

/// Waits for a point in time. Its timer lies in the awaiting frame.
///
/// Reads the clock when it is awaited, not when it is made: an awaitable may be made outside of the
/// runtime, whose clock may be virtual.
class sleep_operation : public leaf_operation<sleep_operation> {
 public:
  explicit sleep_operation(clock::duration delay) noexcept : stage_(stage::delay) {
    timer_.when = clock::time_point(delay);
  }
  explicit sleep_operation(clock::time_point when) noexcept : stage_(stage::deadline) {
    timer_.when = when;
  }

  bool await_ready();
  bool await_suspend(std::coroutine_handle<> waiter) noexcept;
  void await_resume() const {
    if (outcome != wait_outcome::completed) [[unlikely]]
      throw_interrupted(outcome);
    if (stage_ == stage::immediate) deliver_request();
  }

  bool try_now() noexcept;
  bool publish() noexcept;
  void take() noexcept {}

 private:
  struct node : timer_node {
    sleep_operation* owner = nullptr;
  };
  enum class stage : std::uint8_t {
    delay,      // not awaited yet: timer_.when counts from the await
    deadline,   // not awaited yet: timer_.when is a point in time
    immediate,  // awaited, and over already: gives way once, without a timer
    timed,      // awaited
  };

  void begin() noexcept;
  static void on_fire(timer_node& self) noexcept;
  static bool on_claim(timer_node& self) noexcept;
  static unlink_result disarm(wait_node& self) noexcept;

  node timer_;
  stage stage_;
};

}  // namespace detail

/// Completes no earlier than `d` after it is awaited; at most about 0.1 ms later on an idle
/// machine. A duration of zero or less gives way once, as yield().
/// Cancellation: disarms the timer at once.
/// Cost: no allocation; about 50 ns to arm and cancel.
template <class Rep, class Period>
detail::sleep_operation sleep(std::chrono::duration<Rep, Period> d) {
  return detail::sleep_operation(detail::to_clock_duration(d));
}
/// Completes no earlier than at `when`.
inline detail::sleep_operation sleep_until(clock::time_point when) noexcept {
  return detail::sleep_operation(when);
}

namespace detail {

/// The time, inside of a runtime; none elsewhere, where nobody knows whose clock will count.
std::optional<clock::time_point> time_inside() noexcept;

}  // namespace detail

/// What an interval does about ticks that nobody awaited in time.
enum class missed_tick {
  burst,  // gives them one after the other, without waiting, until it has caught up
  delay,  // the next one comes a period after the late one
  skip,   // drops them; the next one comes at a multiple of the period
};

/// Ticks every `period`; the first tick completes at once.
///
/// Inside of a runtime the ticks count from where it is made. One that is made elsewhere (a global,
/// or before run()) counts from its first tick(), on the clock of the runtime that awaits it.
class interval {
 public:
  template <class Rep, class Period>
  explicit interval(std::chrono::duration<Rep, Period> period,
                    missed_tick policy = missed_tick::burst)
      : period_(detail::to_clock_duration(period)), next_(detail::time_inside()), policy_(policy) {
    check_period();
  }

  /// Waits for the next tick and gives the time it was due. Cancellation: the tick is not lost.
  [[nodiscard]] task<clock::time_point> tick();

 private:
  void check_period() const;

  clock::duration period_;
  std::optional<clock::time_point> next_;  // none: no clock to count on yet
  missed_tick policy_;
};

}  // namespace weft
