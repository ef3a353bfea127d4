#include "shared_mutex.h"

#include "detail/wake_list.h"

#include <cassert>

namespace weft {

// ---- Guards -------------------------------------------------------------------------------------

void shared_lock_guard::unlock() noexcept {
  if (shared_mutex* const owned = std::exchange(mutex_, nullptr)) {
    owned->leave(shared_mutex::mode::shared);
  }
}

void lock_guard::unlock_shared_mutex() noexcept {
  std::exchange(shared_, nullptr)->leave(shared_mutex::mode::exclusive);
}

lock_guard shared_mutex::try_lock() noexcept {
  if (!try_enter(mode::exclusive)) return {};
  note_writer();
  return lock_guard(this);
}

shared_lock_guard shared_mutex::try_lock_shared() noexcept {
  return shared_lock_guard(try_enter(mode::shared) ? this : nullptr);
}

// ---- Entering and leaving -----------------------------------------------------------------------

// Under lock_.
void shared_mutex::enter(mode wanted) noexcept {
  if (wanted == mode::exclusive) {
    written_ = true;
  } else {
    ++readers_;
  }
}

bool shared_mutex::try_enter(mode wanted) noexcept {
  const detail::spin_guard guard(lock_);
  if (!waiters_.empty() || !admits(wanted)) return false;
  enter(wanted);
  return true;
}

void shared_mutex::leave(mode held) noexcept {
  if (held == mode::exclusive && detail::held_locks::watched()) detail::held_locks::forget(this);
  detail::wake_list woken;
  {
    const detail::spin_guard guard(lock_);
    if (held == mode::exclusive) {
      assert(written_);
      written_ = false;
    } else {
      assert(readers_ > 0);
      --readers_;
    }
    grant(woken);
  }
  woken.wake_all();
}

// Under lock_: lets in whoever can enter, from the front of the line.
void shared_mutex::grant(detail::wake_list& woken) noexcept {
  while (waiter* const front = waiters_.front()) {
    if (!admits(front->mode_)) return;
    detail::intrusive_list<waiter>::unlink(*front);
    if (!front->claim()) continue;
    enter(front->mode_);
    woken.add(*front);
  }
}

// A writer gave up its place: the readers behind it may enter now.
void shared_mutex::grant_after_removal() noexcept {
  detail::wake_list woken;
  {
    const detail::spin_guard guard(lock_);
    grant(woken);
  }
  woken.wake_all();
}

bool shared_mutex::locked() const noexcept {
  const detail::spin_guard guard(lock_);
  return written_;
}

std::size_t shared_mutex::readers() const noexcept {
  const detail::spin_guard guard(lock_);
  return readers_;
}

// ---- Waiting ------------------------------------------------------------------------------------

bool shared_mutex::waiter::try_now() noexcept {
  if (!mutex_->try_enter(mode_)) return false;
  outcome = detail::wait_outcome::completed;
  return true;
}

bool shared_mutex::waiter::publish() noexcept {
  const detail::spin_guard guard(mutex_->lock_);
  if (!mutex_->waiters_.empty() || !mutex_->admits(mode_)) {
    mutex_->waiters_.push_back(*this);
    return true;
  }
  if (!claim()) return true;
  mutex_->enter(mode_);
  outcome = detail::wait_outcome::completed;
  return false;
}

detail::unlink_result shared_mutex::waiter::take_out(detail::wait_node& self) noexcept {
  auto& gone = static_cast<waiter&>(self);
  shared_mutex& owner = *gone.mutex_;
  const detail::unlink_result result = detail::unlink_under(owner.lock_, gone);
  if (result == detail::unlink_result::removed) owner.grant_after_removal();
  return result;
}

void shared_mutex::waiter::visit_writer(const detail::wait_node& self, detail::visit_function visit,
                                        void* context) noexcept {
  const shared_mutex* const wanted = static_cast<const waiter&>(self).mutex_;
  if (const auto* writer = detail::held_locks::holder_of(wanted)) visit(context, *writer);
}

}  // namespace weft
