#include "time_limit.h"

namespace weft::detail {

void time_limit::start(clock::time_point when, bool over) noexcept {
  timer_.cancellation.begin();
  arm(when, over);
}

void time_limit::arm(clock::time_point when, bool over) noexcept {
  timer_.when = when;
  if (when == clock::time_point::max()) return;
  if (over) return on_fire(timer_);
  arm_timer(timer_, timer_.cancellation.task());
}

void time_limit::on_fire(timer_node& self) noexcept {
  auto& limit = static_cast<limit_timer&>(self);
  limit.cancellation.raise();
  limit.end_fire();
}

bool time_limit::reschedule(clock::time_point when) noexcept {
  if (!active() || expired()) return false;
  if (!timer_wheel::disarm(timer_)) return false;
  arm(when, when <= clock::now());
  return true;
}

bool time_limit::finish() noexcept {
  timer_wheel::finish_disarm(timer_);
  return timer_.cancellation.end();
}

}  // namespace weft::detail
