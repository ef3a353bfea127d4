#include "mutex.h"

#include "../runtime/error.h"
#include "detail/wake_list.h"

namespace weft {

void mutex::unlock() {
  if (!release()) detail::throw_invalid_state("unlock of a mutex that is not locked");
}

void mutex::note_holder_slowly() noexcept {
  if (!detail::held_locks::note(this)) return;
  const std::uint32_t before = word_.lock();
  word_.unlock(before | is_noted);
}

bool mutex::release_slowly() noexcept {
  // The bit is set and cleared by who holds the mutex, and that is us.
  if ((word_.load() & is_noted) != 0) detail::held_locks::forget(this);
  const std::uint32_t before = word_.lock();
  if ((before & is_locked) == 0) {
    word_.unlock(before);
    return false;
  }
  // The lock stays locked and changes its owner: nobody can come in between.
  detail::wake_list next;
  detail::wait_node* const heir = detail::claim_front(waiters_);
  if (heir != nullptr) next.add(*heir);
  word_.unlock((heir != nullptr ? is_locked : free) | (waiters_.empty() ? free : is_waited_for));
  next.wake_all();
  return true;
}

mutex::attempt mutex::grant_or_queue(detail::wait_node& waiter) noexcept {
  const std::uint32_t before = word_.lock();
  if ((before & is_locked) != 0) {
    waiters_.push_back(waiter);
    word_.unlock(before | is_waited_for);
    return attempt::queued;
  }
  if (!waiter.claim()) {
    word_.unlock(before);
    return attempt::lost;
  }
  waiter.outcome = detail::wait_outcome::completed;
  word_.unlock(before | is_locked);
  return attempt::granted;
}

bool mutex::remove(detail::wait_node& waiter) noexcept {
  const std::uint32_t before = word_.lock();
  const bool waits = waiter.linked();
  if (waits) detail::intrusive_list<detail::wait_node>::unlink(waiter);
  word_.unlock(waiters_.empty() ? before & ~is_waited_for : before);
  return waits;
}

detail::unlink_result mutex::lock_operation::take_out(detail::wait_node& self) noexcept {
  const bool waited = static_cast<lock_operation&>(self).mutex_->remove(self);
  return waited ? detail::unlink_result::removed : detail::unlink_result::completed;
}

void mutex::lock_operation::visit_holder(const detail::wait_node& self,
                                         detail::visit_function visit, void* context) noexcept {
  const mutex* const wanted = static_cast<const lock_operation&>(self).mutex_;
  if (const auto* holder = detail::held_locks::holder_of(wanted)) visit(context, *holder);
}

}  // namespace weft
