#include "barrier.h"

#include "../runtime/error.h"
#include "detail/wake_list.h"

namespace weft {

void barrier::abort() noexcept {
  fail_waiters(condition::broken);
}
void barrier::reset() noexcept {
  fail_waiters(condition::whole);
}

bool barrier::broken() const noexcept {
  const detail::spin_guard guard(lock_);
  return condition_ == condition::broken;
}

std::size_t barrier::waiting() const noexcept {
  const detail::spin_guard guard(lock_);
  return arrived_;
}

void barrier::fail_waiters(condition from_now_on) noexcept {
  detail::wake_list woken;
  {
    const detail::spin_guard guard(lock_);
    condition_ = from_now_on;
    arrived_ = 0;
    while (wait_operation* const waiter = waiters_.pop_front()) {
      waiter->failed_ = true;
      woken.add(*waiter);
    }
  }
  woken.wake_all();
}

// Under lock_: the round is complete.
void barrier::let_go(detail::wake_list& woken) noexcept {
  arrived_ = 0;
  std::size_t index = 0;
  while (wait_operation* const waiter = waiters_.pop_front()) {
    waiter->index_ = index++;
    woken.add(*waiter);
  }
}

// Under the lock. True: no need to wait.
bool barrier::wait_operation::arrive() noexcept {
  failed_ = barrier_->condition_ == condition::broken;
  if (failed_) return true;
  index_ = barrier_->parties_ - 1;
  return barrier_->arrived_ == index_;
}

bool barrier::wait_operation::try_now() noexcept {
  detail::wake_list woken;
  {
    const detail::spin_guard guard(barrier_->lock_);
    if (!arrive()) return false;
    if (!failed_) barrier_->let_go(woken);
  }
  woken.wake_all();
  return true;
}

bool barrier::wait_operation::publish() noexcept {
  detail::wake_list woken;
  {
    const detail::spin_guard guard(barrier_->lock_);
    if (!arrive()) {
      ++barrier_->arrived_;
      barrier_->waiters_.push_back(*this);
      return true;
    }
    if (!failed_) barrier_->let_go(woken);
  }
  woken.wake_all();
  return false;
}

std::size_t barrier::wait_operation::take() const {
  if (failed_) throw broken_barrier_error();
  return index_;
}

detail::unlink_result barrier::wait_operation::take_out(detail::wait_node& self) noexcept {
  auto& waiter = static_cast<wait_operation&>(self);
  const detail::spin_guard guard(waiter.barrier_->lock_);
  if (!waiter.linked()) return detail::unlink_result::completed;
  detail::intrusive_list<wait_operation>::unlink(waiter);
  --waiter.barrier_->arrived_;
  return detail::unlink_result::removed;
}

}  // namespace weft
