#include "shared_mutex.h"

#include "detail/wake_list.h"

namespace weft {

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

bool shared_mutex::try_enter_slowly(mode wanted) noexcept {
  const std::uint32_t state = word_.lock();
  const bool enters = is_open(state, wanted);
  word_.unlock(enters ? state + part_of(wanted) : state);
  return enters;
}

void shared_mutex::leave_slowly(mode held) noexcept {
  detail::wake_list woken;
  const std::uint32_t state = word_.lock();
  assert(state >= part_of(held));
  word_.unlock(grant(state - part_of(held), woken));
  woken.wake_all();
}

/// Under the lock of word_: lets in whoever can enter, from the front of the line, and returns the
/// state with them.
std::uint32_t shared_mutex::grant(std::uint32_t state, detail::wake_list& woken) noexcept {
  while (waiter* const front = waiters_.front()) {
    if (!admits(state, front->mode_)) return state;
    detail::intrusive_list<waiter>::unlink(*front);
    if (!front->claim()) continue;
    state += part_of(front->mode_);
    woken.add(*front);
  }
  return state & ~is_waited_for;
}

/// When a writer gives up its place, the readers behind it may enter.
bool shared_mutex::remove(waiter& gone) noexcept {
  detail::wake_list woken;
  const std::uint32_t state = word_.lock();
  const bool waits = gone.linked();
  if (waits) detail::intrusive_list<waiter>::unlink(gone);
  word_.unlock(waits ? grant(state, woken) : state);
  woken.wake_all();
  return waits;
}

// ---- Waiting ------------------------------------------------------------------------------------

bool shared_mutex::waiter::publish() noexcept {
  const std::uint32_t state = mutex_->word_.lock();
  if (!is_open(state, mode_)) {
    mutex_->waiters_.push_back(*this);
    mutex_->word_.unlock(state | is_waited_for);
    return true;
  }
  if (!claim()) {
    mutex_->word_.unlock(state);
    return true;
  }
  outcome = detail::wait_outcome::completed;
  mutex_->word_.unlock(state + part_of(mode_));
  return false;
}

detail::unlink_result shared_mutex::waiter::take_out(detail::wait_node& self) noexcept {
  auto& gone = static_cast<waiter&>(self);
  const bool waited = gone.mutex_->remove(gone);
  return waited ? detail::unlink_result::removed : detail::unlink_result::completed;
}

void shared_mutex::waiter::visit_writer(const detail::wait_node& self, detail::visit_function visit,
                                        void* context) noexcept {
  const shared_mutex* const wanted = static_cast<const waiter&>(self).mutex_;
  if (const auto* writer = detail::held_locks::holder_of(wanted)) visit(context, *writer);
}

}  // namespace weft
