#include "condition_variable.h"

#include "../runtime/error.h"
#include "detail/wake_list.h"

#include <limits>

namespace weft {

namespace detail {

void condition_wait::check_guard() {
  if (guard_->mutex_ == nullptr) {
    throw_invalid_state("wait for a condition needs the guard of a locked mutex");
  }
}

void condition_wait::begin() noexcept {
  mutex_ = guard_->mutex_;
  relocking_ = false;
  {
    const spin_guard guard(condition_->lock_);
    condition_->waiters_.push_back(*this);
  }
  // Only now: a notification by whoever gets the mutex next finds us.
  mutex_->release();
}

bool condition_wait::relock() noexcept {
  relocking_ = true;
  return mutex_->grant_or_queue(*this) == mutex::attempt::granted;
}

unlink_result condition_wait::take_out(wait_node& self) noexcept {
  auto& waiter = static_cast<condition_wait&>(self);
  bool locked = false;
  {
    const spin_guard guard(waiter.condition_->lock_);
    if (waiter.relocking_) return unlink_result::completed;
    intrusive_list<condition_wait>::unlink(waiter);
    waiter.cancelled_ = true;
    locked = waiter.relock();
  }
  // Completed in any case: the wake comes with the lock.
  if (locked) wake(*waiter.task);
  return unlink_result::completed;
}

void condition_wait::check_cancelled() {
  if (!cancelled_) return;
  const bool requested = consume_request(*here.task) || !interrupted(*here.task);
  throw_interrupted(requested ? wait_outcome::cancelled : wait_outcome::interrupted);
}

}  // namespace detail

bool condition_variable::wait_operation::await_suspend(std::coroutine_handle<> waiter) noexcept {
  task = detail::here.task;
  task->leaf = waiter.address();
  begin();
  return detail::arm(*this);
}

void condition_variable::notify_one(std::size_t count) noexcept {
  detail::wake_list woken;
  {
    const detail::spin_guard guard(lock_);
    for (; count > 0; --count) {
      detail::condition_wait* const waiter = waiters_.pop_front();
      if (waiter == nullptr) break;
      if (waiter->relock()) woken.add(*waiter);
    }
  }
  woken.wake_all();
}

void condition_variable::notify_all() noexcept {
  notify_one(std::numeric_limits<std::size_t>::max());
}

bool condition_variable::has_waiters() const noexcept {
  const detail::spin_guard guard(lock_);
  return !waiters_.empty();
}

}  // namespace weft
