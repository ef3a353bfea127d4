#include "task_group.h"

#include "detail/scheduler.h"

namespace weft {

using detail::spin_guard;
using detail::unlink_result;

task_group::task_group() noexcept
    : owner_(*detail::here.task),
      requests_before_(detail::cancelling(owner_)),
      pending_before_(detail::request_pending(owner_)) {}

task_group::~task_group() {
  while (member* each = spare_.pop_front()) delete each;
}

/// A place for one more child, counted as unfinished.
task_group::member* task_group::begin_spawn() {
  member* place = nullptr;
  {
    const spin_guard guard(lock_);
    if (phase_ != phase::open)
      detail::throw_invalid_state("task_group::spawn(): the group is ending or has ended");
    ++unfinished_;
    place = spare_.pop_front();
  }
  if (place != nullptr) return place;
  try {
    place = new member;
  } catch (...) {
    const spin_guard guard(lock_);
    --unfinished_;
    throw;
  }
  place->group = this;
  place->on_done = on_child_done;
  return place;
}

void task_group::start(detail::task_state& child, const detail::task_type& type,
                       std::coroutine_handle<> frame, std::string_view name) {
  detail::scheduler& on = detail::scheduler::at(owner_.runtime);
  member* reserved = nullptr;
  std::uintptr_t extra = 0;
  try {
    extra = detail::make_extra(name);
    reserved = begin_spawn();
  } catch (...) {  // refused: the task is destroyed unrun
    detail::drop_extra(extra);
    frame.destroy();
    throw;
  }
  member& place = *reserved;
  // Two handles: the caller's and ours, which keeps the child while it may have to be cancelled.
  detail::init_task(child, type, on.index(), frame, 2 * detail::task_life::one_handle, extra);
  child.waiters = &place;
  place.child = &child;
  on.count_spawn();
  bool aborting = false;
  {
    const spin_guard guard(lock_);
    children_.push_back(place);
    aborting = phase_ == phase::aborting;
  }
  if (aborting)
    detail::cancel(child);  // the group was cancelled since begin_spawn: the child never runs
  detail::schedule(child);
}

void task_group::on_child_done(detail::completion_waiter& self,
                               detail::task_state& child) noexcept {
  auto& place = static_cast<member&>(self);
  task_group& group = *place.group;
  if (child.type->failed(child) && !detail::ended_cancelled(child)) {
    detail::mark_retrieved(child);
    group.add_failure(child.type->exception(child));
    group.abort();
  }
  detail::wait_node* joiner = nullptr;
  {
    const spin_guard guard(group.lock_);
    detail::intrusive_list<member>::unlink(place);
    place.child = nullptr;
    group.spare_.push_back(place);
    if (--group.unfinished_ == 0) joiner = std::exchange(group.joiner_, nullptr);
  }
  // The group may be gone now, unless its owner waits for us.
  detail::drop_handle(child);
  if (joiner != nullptr) detail::wake(*joiner->task);
}

void task_group::add_failure(std::exception_ptr error) {
  const spin_guard guard(lock_);
  failures_.push_back(std::move(error));
}

/// Refuses further children, cancels those there are and, if it still runs, the body.
void task_group::abort() noexcept {
  bool cancel_owner = false;
  {
    const spin_guard guard(lock_);
    if (phase_ != phase::open) return;
    phase_ = phase::aborting;
    cancel_owner = body_running_;
    interrupted_body_ = cancel_owner;
    interrupting_ = cancel_owner;
  }
  cancel_children();
  if (!cancel_owner) return;
  detail::cancel(owner_);
  const spin_guard guard(lock_);
  interrupting_ = false;
}

/// One by one and without the lock: a cancellation runs the code of whatever the child waits for.
void task_group::cancel_children() noexcept {
  for (;;) {
    detail::task_state* child = nullptr;
    {
      const spin_guard guard(lock_);
      member* next = children_.pop_front();
      if (next == nullptr) return;
      cancelled_children_.push_back(*next);
      child = next->child;
      detail::add_handle(*child);
    }
    detail::cancel(*child);
    detail::drop_handle(*child);
  }
}

void task_group::cancel() noexcept {
  abort();
}

// ---- Waiting for the children -------------------------------------------------------------------

bool task_group::join::try_now() noexcept {
  const spin_guard guard(group_.lock_);
  return group_.unfinished_ == 0;
}

bool task_group::join::publish() noexcept {
  unlink = detail::waits<cancel_wait, "the end of a task_group">;
  const spin_guard guard(group_.lock_);
  if (group_.unfinished_ == 0) return false;
  group_.joiner_ = this;
  return true;
}

unlink_result task_group::join::cancel_wait(detail::wait_node& self) noexcept {
  task_group& group = static_cast<join&>(self).group_;
  {
    const spin_guard guard(group.lock_);
    if (group.joiner_ == nullptr) return unlink_result::completed;
    group.join_cancelled_ = true;
  }
  group.abort();
  return unlink_result::forwarded;
}

/// The body has ended: from now on nobody interrupts the owner on our behalf. True if somebody had.
bool task_group::end_body() noexcept {
  for (;;) {
    {
      const spin_guard guard(lock_);
      body_running_ = false;
      if (!interrupting_) return interrupted_body_;
    }
    detail::cpu_relax();  // a child is in the middle of cancelling us
  }
}

task<> task_group::finish(std::exception_ptr body) {
  const bool interrupted = end_body();
  const bool only_us = interrupted && detail::retract(owner_, requests_before_, pending_before_);
  const bool body_cancelled = detail::is_cancellation(body) || detail::is_own_timeout(body, owner_);
  if (body != nullptr) {
    if (!body_cancelled) add_failure(body);
    abort();
  }
  co_await join(*this);
  {
    const spin_guard guard(lock_);
    phase_ = phase::closed;
  }
  const bool from_outside = join_cancelled_ || (body_cancelled && !only_us);
  if (!failures_.empty()) {
    if (from_outside) detail::repost_request(owner_);
    throw exception_group("errors in a task group", std::move(failures_));
  }
  if (join_cancelled_) {
    detail::throw_interrupted(detail::level_raised(owner_) ? detail::wait_outcome::interrupted
                                                           : detail::wait_outcome::cancelled);
  }
  if (from_outside) std::rethrow_exception(body);
}

}  // namespace weft
