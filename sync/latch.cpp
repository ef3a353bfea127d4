#include "latch.h"

#include "detail/wake_list.h"

#include <algorithm>

namespace weft {

void latch::count_down(std::size_t n) noexcept {
  detail::wake_list woken;
  {
    const detail::spin_guard guard(lock_);
    count_down_locked(n, woken);
  }
  woken.wake_all();
}

void latch::count_down_locked(std::size_t n, detail::wake_list& woken) noexcept {
  count_ -= std::min(n, count_);
  if (count_ != 0) return;
  while (detail::wait_node* const waiter = detail::claim_front(waiters_)) woken.add(*waiter);
}

bool latch::try_wait() const noexcept {
  const detail::spin_guard guard(lock_);
  return count_ == 0;
}

bool latch::wait_operation::publish() noexcept {
  const detail::spin_guard guard(latch_->lock_);
  if (latch_->count_ == 0) return !claim();
  latch_->waiters_.push_back(*this);
  return true;
}

detail::unlink_result latch::wait_operation::take_out(detail::wait_node& self) noexcept {
  return detail::unlink_under(static_cast<wait_operation&>(self).latch_->lock_, self);
}

bool latch::arrive_operation::publish() noexcept {
  detail::wake_list woken;
  {
    const detail::spin_guard guard(latch_->lock_);
    latch_->count_down_locked(1, woken);
    if (latch_->count_ != 0) {
      latch_->waiters_.push_back(*this);
      return true;
    }
  }
  woken.wake_all();
  return false;
}

detail::unlink_result latch::arrive_operation::take_out(detail::wait_node& self) noexcept {
  auto& waiter = static_cast<arrive_operation&>(self);
  const detail::spin_guard guard(waiter.latch_->lock_);
  if (!waiter.linked()) return detail::unlink_result::completed;
  detail::intrusive_list<detail::wait_node>::unlink(waiter);
  ++waiter.latch_->count_;
  return detail::unlink_result::removed;
}

}  // namespace weft
