#include "rate_limiter.h"

#include "../runtime/detail/wait_node.h"
#include "../runtime/sleep.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace weft {

namespace {

// Rounded up: never early. Limited to what a time_point can take.
clock::duration nanoseconds(double count) noexcept {
  constexpr double limit = 4.6e18;
  return clock::duration(static_cast<clock::rep>(std::ceil(std::min(count, limit))));
}

}  // namespace

// Requires: turn_ is held, here and below.
clock::time_point rate_limiter::due_at(double count) const noexcept {
  const double spare = burst_ - std::min(count, burst_);
  return full_at_ == clock::time_point::min() ? full_at_ : full_at_ - nanoseconds(spare * unit_ns_);
}

void rate_limiter::use(double count, clock::time_point now) noexcept {
  full_at_ = std::max(full_at_, now) + nanoseconds(count * unit_ns_);
}

bool rate_limiter::try_acquire(double count) noexcept {
  assert(count >= 0);
  const lock_guard turn = turn_.try_lock();
  const clock::time_point now = clock::now();
  if (!turn || now < due_at(count)) return false;
  use(count, now);
  return true;
}

task<> rate_limiter::wait_for_turn(double count) {
  const lock_guard turn = co_await turn_.lock();
  const clock::time_point due = due_at(count);
  if (clock::now() < due) co_await sleep_until(due);
  use(count, clock::now());
}

bool rate_limiter::acquire_operation::await_ready() {
  if (awaited_) [[unlikely]]
    detail::throw_awaited_twice();
  awaited_ = true;
  return from_->try_acquire(count_);
}

std::coroutine_handle<> rate_limiter::acquire_operation::await_suspend(
    std::coroutine_handle<> waiter) {
  waiting_.emplace(from_->wait_for_turn(count_));
  return waiting_->operator co_await().await_suspend(waiter);
}

void rate_limiter::acquire_operation::await_resume() {
  if (waiting_) waiting_->operator co_await().await_resume();
}

}  // namespace weft
