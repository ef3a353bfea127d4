#include "sleep.h"

#include "detail/scheduler.h"

#include <stdexcept>

namespace weft {
namespace detail {

void arm_timer(timer_node& timer, task_state& task) noexcept {
  if (worker* self = worker::current()) {
    self->timers().arm(timer);
    return;
  }
  worker& first = scheduler::at(task.runtime).worker_at(0);
  // Not worker::notify(): the worker may be between its look at the wheel and its sleep.
  if (first.timers().arm(timer)) first.poll().notify();
}

bool sleep_operation::await_ready() {
  if (awaited) [[unlikely]]
    throw_awaited_twice();
  awaited = true;
  begin();
  return false;
}

void sleep_operation::begin() noexcept {
  if (stage_ != stage::delay && stage_ != stage::deadline) return;
  const clock::time_point now = clock::now();
  if (stage_ == stage::delay) timer_.when = now + timer_.when.time_since_epoch();
  stage_ = timer_.when <= now ? stage::immediate : stage::timed;
}

/// Of a select, which wants to know.
bool sleep_operation::try_now() noexcept {
  begin();
  return stage_ == stage::immediate;
}

bool sleep_operation::await_suspend(std::coroutine_handle<> waiter) noexcept {
  if (stage_ != stage::immediate) return leaf_operation::await_suspend(waiter);
  here.task->leaf = waiter.address();
  if (interrupted(*here.task)) return false;
  reschedule_current();
  return true;
}

bool sleep_operation::publish() noexcept {
  begin();
  unlink = waits<disarm, "sleep()">;
  timer_.owner = this;
  timer_.fire = on_fire;
  timer_.claim = on_claim;
  arm_timer(timer_, *task);
  return true;
}

bool sleep_operation::on_claim(timer_node& self) noexcept {
  return static_cast<node&>(self).owner->claim();
}

void sleep_operation::on_fire(timer_node& self) noexcept {
  wake(*static_cast<node&>(self).owner->task);
}

unlink_result sleep_operation::disarm(wait_node& self) noexcept {
  auto& sleeper = static_cast<sleep_operation&>(self);
  return timer_wheel::disarm(sleeper.timer_) ? unlink_result::removed : unlink_result::completed;
}

std::optional<clock::time_point> time_inside() noexcept {
  const bool inside = here.worker != nullptr || here.task != nullptr;
  return inside ? std::optional(clock::now()) : std::nullopt;
}

}  // namespace detail

void interval::check_period() const {
  if (period_ <= clock::duration::zero())
    throw std::invalid_argument("interval: the period must be positive");
}

task<clock::time_point> interval::tick() {
  if (!next_) next_ = clock::now();
  const clock::time_point due = *next_;
  if (due > clock::now()) co_await sleep_until(due);
  const clock::time_point now = clock::now();
  switch (policy_) {
    case missed_tick::burst:
      next_ = due + period_;
      break;
    case missed_tick::delay:
      next_ = now + period_;
      break;
    case missed_tick::skip:
      next_ = due + period_ * ((now - due) / period_ + 1);
      break;
  }
  co_return due;
}

}  // namespace weft
