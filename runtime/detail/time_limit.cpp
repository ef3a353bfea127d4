#include "time_limit.h"

namespace weft::detail {

void time_limit::start(clock::time_point when, bool over) noexcept {
  assert(!active_ && here.task != nullptr);
  active_ = true;
  timer_.scope.task = here.task;
  timer_.shielded = requests_masked(*here.task);
  if (timer_.shielded) {
    timer_.scope.what = interrupt_scope::raises::cancellation_once;
    enter_scope(timer_.scope);
    cancelled_before_ = spent_scopes(timer_.scope.outer);
  } else {
    cancelled_before_ = requests_before(*here.task);
  }
  arm(when, over);
}

void time_limit::arm(clock::time_point when, bool over) noexcept {
  timer_.when = when;
  if (when == clock::time_point::max()) return;
  if (over) return on_fire(timer_);
  arm_timer(timer_, *timer_.scope.task);
}

void time_limit::on_fire(timer_node& self) noexcept {
  auto& limit = static_cast<limit_timer&>(self);
  limit.scope.expired.store(true, std::memory_order_relaxed);  // relaxed: see expired
  if (limit.shielded) {
    interrupt(*limit.scope.task);
  } else {
    cancel(*limit.scope.task);
  }
  limit.end_fire();
}

bool time_limit::reschedule(clock::time_point when) noexcept {
  if (!active_ || expired()) return false;
  if (!timer_wheel::disarm(timer_)) return false;
  arm(when, when <= clock::now());
  return true;
}

bool time_limit::finish() noexcept {
  active_ = false;
  timer_wheel::finish_disarm(timer_);
  if (timer_.shielded) {
    leave_scope(timer_.scope);
    return expired() && cancelled_scopes(timer_.scope.outer) <= cancelled_before_;
  }
  if (!expired()) return false;
  return retract(*timer_.scope.task, cancelled_before_);
}

}  // namespace weft::detail
