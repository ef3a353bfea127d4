#include "event.h"

#include "detail/wake_list.h"

namespace weft {

void event::set() noexcept {
  const std::uint32_t before = word_.lock();
  detail::wake_list woken;
  while (wait_operation* const waiter = detail::claim_front(waiters_)) woken.add(*waiter);
  // From here on the event may be gone: see guarded_word.
  word_.unlock(before | flag);
  woken.wake_all();
}

void event::clear() noexcept {
  const std::uint32_t before = word_.lock();
  word_.unlock(before & ~flag);
}

bool event::has_waiters() const noexcept {
  const std::uint32_t before = word_.lock();
  const bool waiting = !waiters_.empty();
  word_.unlock(before);
  return waiting;
}

bool event::wait_operation::publish() noexcept {
  const std::uint32_t before = event_->word_.lock();
  const bool set = (before & flag) != 0;
  const bool completed = set && claim();
  if (!set) event_->waiters_.push_back(*this);
  event_->word_.unlock(before);
  return !completed;
}

detail::unlink_result event::wait_operation::take_out(detail::wait_node& self) noexcept {
  auto& waiter = static_cast<wait_operation&>(self);
  event& awaited = *waiter.event_;
  const std::uint32_t before = awaited.word_.lock();
  const bool waits = waiter.linked();
  if (waits) detail::intrusive_list<wait_operation>::unlink(waiter);
  awaited.word_.unlock(before);
  return waits ? detail::unlink_result::removed : detail::unlink_result::completed;
}

}  // namespace weft
