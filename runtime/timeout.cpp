#include "timeout.h"

#include "sleep.h"

namespace weft {

deadline::deadline(clock::time_point when, bool over) {
  detail::enter_scope(scope_);
  timer_.scope = &scope_;
  timer_.fire = on_fire;
  timer_.when = when;
  if (over) {
    on_fire(timer_);  // seen at the first suspension
  } else {
    detail::arm_timer(timer_, *scope_.task);
  }
}

deadline::~deadline() {
  detail::timer_wheel::finish_disarm(timer_);
  detail::leave_scope(scope_);
}

void deadline::on_fire(detail::timer_node& self) noexcept {
  auto& timer = static_cast<scope_timer&>(self);
  timer.scope->expired.store(true, std::memory_order_relaxed);  // relaxed: see expired
  detail::interrupt(*timer.scope->task);
  timer.end_fire();
}

bool deadline::move_to(clock::time_point when) noexcept {
  if (expired() || !detail::timer_wheel::disarm(timer_)) return false;
  timer_.when = when;
  if (when <= clock::now()) {
    on_fire(timer_);
    return true;
  }
  detail::arm_timer(timer_, *scope_.task);
  return true;
}

}  // namespace weft
