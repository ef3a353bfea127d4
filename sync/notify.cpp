#include "notify.h"

#include "detail/wake_list.h"

#include <utility>

namespace weft {

void notify::notify_one() noexcept {
  detail::wake_list woken;
  {
    const detail::spin_guard guard(lock_);
    if (wait_operation* const waiter = detail::claim_front(waiters_)) {
      waiter->owes_ = true;
      woken.add(*waiter);
    } else {
      kept_ = true;
    }
  }
  woken.wake_all();
}

void notify::notify_waiters() noexcept {
  detail::wake_list woken;
  {
    const detail::spin_guard guard(lock_);
    while (wait_operation* const waiter = detail::claim_front(waiters_)) woken.add(*waiter);
  }
  woken.wake_all();
}

bool notify::wait_operation::try_now() noexcept {
  const detail::spin_guard guard(source_->lock_);
  owes_ = std::exchange(source_->kept_, false);
  return owes_;
}

bool notify::wait_operation::publish() noexcept {
  const detail::spin_guard guard(source_->lock_);
  if (!source_->kept_) {
    source_->waiters_.push_back(*this);
    return true;
  }
  if (!claim()) return true;
  source_->kept_ = false;
  owes_ = true;
  return false;
}

detail::unlink_result notify::wait_operation::take_out(detail::wait_node& self) noexcept {
  auto& waiter = static_cast<wait_operation&>(self);
  return detail::unlink_under(waiter.source_->lock_, waiter);
}

}  // namespace weft
