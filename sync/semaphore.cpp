#include "semaphore.h"

#include "../runtime/error.h"

#include <cassert>

namespace weft {

// ---- permit -------------------------------------------------------------------------------------

void permit::release() noexcept {
  if (semaphore* const from = std::exchange(from_, nullptr)) from->release(count_);
}

// ---- semaphore ----------------------------------------------------------------------------------

semaphore::acquire_operation semaphore::acquire(std::ptrdiff_t count) noexcept {
  return acquire_operation(*this, count);
}

permit semaphore::try_acquire(std::ptrdiff_t count) noexcept {
  assert(count >= 0);
  const detail::spin_guard guard(lock_);
  if (closed_ || !waiters_.empty() || permits_ < count) return {};
  permits_ -= count;
  return {this, count};
}

void semaphore::release(std::ptrdiff_t count) noexcept {
  [[maybe_unused]] const bool within_limit = try_release(count);
  assert(within_limit && "a permit was given back twice");
}

bool semaphore::try_release(std::ptrdiff_t count) noexcept {
  assert(count >= 0);
  detail::wake_list woken;
  {
    const detail::spin_guard guard(lock_);
    if (count > limit_ - permits_) return false;
    permits_ += count;
    grant(woken);
  }
  woken.wake_all();
  return true;
}

// Under lock_: serves the line from its front, as far as the permits reach.
void semaphore::grant(detail::wake_list& woken) noexcept {
  while (acquire_operation* const front = waiters_.front()) {
    if (front->count_ > permits_) return;
    detail::intrusive_list<acquire_operation>::unlink(*front);
    if (!front->claim()) continue;
    permits_ -= front->count_;
    front->granted_ = true;
    woken.add(*front);
  }
}

std::ptrdiff_t semaphore::available() const noexcept {
  const detail::spin_guard guard(lock_);
  return permits_;
}

void semaphore::close() noexcept {
  detail::wake_list woken;
  {
    const detail::spin_guard guard(lock_);
    closed_ = true;
    while (acquire_operation* const waiter = detail::claim_front(waiters_)) woken.add(*waiter);
  }
  woken.wake_all();
}

// ---- acquire_operation --------------------------------------------------------------------------

semaphore::acquire_operation::acquire_operation(semaphore& from, std::ptrdiff_t count) noexcept
    : from_(&from), count_(count) {
  assert(count >= 0);
  unlink = detail::waits<take_out, "semaphore::acquire()">;
}

semaphore::acquire_operation::progress semaphore::acquire_operation::attempt() noexcept {
  const bool never = from_->closed_ || count_ > from_->limit_;
  const bool now = !never && from_->waiters_.empty() && count_ <= from_->permits_;
  if (!never && !now) return progress::blocked;
  if (!claim()) return progress::lost;
  if (now) {
    from_->permits_ -= count_;
    granted_ = true;
  }
  return progress::done;
}

bool semaphore::acquire_operation::try_now() noexcept {
  const detail::spin_guard guard(from_->lock_);
  return attempt() == progress::done;
}

bool semaphore::acquire_operation::publish() noexcept {
  const detail::spin_guard guard(from_->lock_);
  const progress reached = attempt();
  if (reached == progress::blocked) from_->waiters_.push_back(*this);
  return reached != progress::done;
}

permit semaphore::acquire_operation::take() {
  if (granted_) {
    granted_ = false;
    return {from_, count_};
  }
  if (count_ > from_->limit_) {
    throw std::invalid_argument("acquire of more permits than a bounded_semaphore has");
  }
  detail::throw_invalid_state("semaphore is closed");
}

detail::unlink_result semaphore::acquire_operation::take_out(detail::wait_node& self) noexcept {
  auto& waiter = static_cast<acquire_operation&>(self);
  semaphore& from = *waiter.from_;
  const detail::unlink_result result = detail::unlink_under(from.lock_, waiter);
  // Those behind it may want less than it did.
  if (result == detail::unlink_result::removed) from.try_release(0);
  return result;
}

// ---- bounded_semaphore --------------------------------------------------------------------------

semaphore::acquire_operation bounded_semaphore::acquire(std::ptrdiff_t count) noexcept {
  return permits_.acquire(count);
}

void bounded_semaphore::release(std::ptrdiff_t count) {
  if (!permits_.try_release(count)) {
    detail::throw_invalid_state("bounded_semaphore released too many times");
  }
}

}  // namespace weft
