#include "clock.h"

#include "../../../runtime/detail/time_limit.h"
#include "../checker/explore.h"

namespace weft {

clock::time_point clock::now() noexcept {
  return {};
}

namespace model {
namespace {
timers* current_timers = nullptr;
}  // namespace

timers::timers() noexcept {
  current_timers = this;
}
timers::~timers() {
  current_timers = nullptr;
}

void timers::expire(int ticks) noexcept {
  wheel_.expire(clock::time_point(tick * ticks));
}

}  // namespace model

void detail::arm_timer(timer_node& timer, task_state&) noexcept {
  model::check(model::current_timers != nullptr, "a timer is armed in a model without timers");
  model::current_timers->wheel().arm(timer);
}

}  // namespace weft
