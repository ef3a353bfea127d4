#include "task_group.h"

#include "detail/scheduler.h"

#include <algorithm>

namespace weft {

using detail::spin_guard;
using detail::unlink_result;

task_group::task_group() noexcept
    : owner_(*detail::here.task), requests_before_(detail::requests_before(owner_)) {}

task_group::~task_group() {
  forget_children();
  while (member* each = failed_.pop_front()) {
    detail::drop_handle(*each->child);
    delete each;
  }
  while (member* each = spare_.pop_front()) delete each;
}

/// For a frame that is destroyed while it waits, the last resort of a shutdown: the children end
/// without us.
void task_group::forget_children() noexcept {
  for (;;) {
    member* place = nullptr;
    detail::task_state* child = nullptr;
    {
      const spin_guard guard(lock_);
      place = children_.front();
      if (place == nullptr) place = cancelled_children_.front();
      if (place == nullptr) return;
      child = place->child;
      detail::add_handle(*child);
    }
    if (detail::remove_waiter(*child, *place)) {
      detail::intrusive_list<member>::unlink(*place);  // nobody else touches the lists any more
      delete place;
      detail::drop_handle(*child);
    }
    // Else it is ending this moment, on another worker: look again.
    detail::drop_handle(*child);
  }
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
                       std::coroutine_handle<> frame, const spawn_options& options) {
  detail::scheduler& on = detail::scheduler::at(owner_.runtime);
  member* reserved = nullptr;
  std::uintptr_t extra = 0;
  try {
    extra = detail::make_extra(options.name);
    reserved = begin_spawn();
  } catch (...) {  // refused: the task is destroyed unrun
    detail::drop_extra(extra);
    frame.destroy();
    throw;
  }
  member& place = *reserved;
  // Two handles: the caller's and ours, which keeps the child while it may have to be cancelled.
  detail::init_task(child, type, on.index(), frame, 2 * detail::task_life::one_handle, extra);
  child.worker = detail::home_worker(on);
  place.completion_waiter::next = nullptr;  // from its last child, if that had other waiters
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
  options.eager_start ? detail::run_now(child) : detail::schedule_back(child);
}

void task_group::on_child_done(detail::completion_waiter& self,
                               detail::task_state& child) noexcept {
  auto& place = static_cast<member&>(self);
  task_group& group = *place.group;
  const bool failed = child.type->failed(child) && !detail::ended_cancelled(child);
  if (failed) group.abort();
  detail::wait_node* joiner = nullptr;
  {
    const spin_guard guard(group.lock_);
    detail::intrusive_list<member>::unlink(place);
    (failed ? group.failed_ : group.spare_).push_back(place);
    if (--group.unfinished_ == 0 && group.joiner_ != nullptr) {
      group.phase_ = phase::closed;
      joiner = std::exchange(group.joiner_, nullptr);
    }
  }
  // The group may be gone now, unless its owner waits for us.
  if (!failed) detail::drop_handle(child);
  if (joiner != nullptr) detail::wake(*joiner->task);
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

/// Under lock_, by the owner, whose body is over. True: the group has ended, and takes no child
/// any more.
bool task_group::all_ended() noexcept {
  if (unfinished_ > 0) return false;
  phase_ = phase::closed;
  return true;
}

bool task_group::join::try_now() noexcept {
  const spin_guard guard(group_.lock_);
  return group_.all_ended();
}

bool task_group::join::publish() noexcept {
  unlink = detail::waits<cancel_wait, "the end of a task_group", visit_children>;
  const spin_guard guard(group_.lock_);
  if (group_.all_ended()) return false;
  group_.joiner_ = this;
  return true;
}

unlink_result task_group::join::cancel_wait(detail::wait_node& self) noexcept {
  task_group& group = static_cast<join&>(self).group_;
  {
    const spin_guard guard(group.lock_);
    if (group.joiner_ == nullptr) return unlink_result::completed;
  }
  group.abort();
  return unlink_result::forwarded;
}

void task_group::join::visit_children(const detail::wait_node& self, detail::visit_function visit,
                                      void* context) noexcept {
  task_group& group = static_cast<const join&>(self).group_;
  const spin_guard guard(group.lock_);
  for (auto* list : {&group.children_, &group.cancelled_children_}) {
    for (task_group::member* each = list->front(); each != nullptr; each = list->after(*each))
      visit(context, *each->child);
  }
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

/// Those of the children, in the order of their ends, and the body's. One that the body or a sibling
/// has seen through the child's handle, and failed with too, is one failure.
std::vector<std::exception_ptr> task_group::take_failures(std::exception_ptr body) {
  std::vector<std::exception_ptr> thrown;
  std::vector<std::exception_ptr> seen;
  while (member* each = failed_.front()) {
    detail::task_state& child = *each->child;
    thrown.push_back(child.type->exception(child));
    if (detail::is_retrieved(child)) seen.push_back(thrown.back());
    detail::mark_retrieved(child);
    detail::intrusive_list<member>::unlink(*each);
    spare_.push_back(*each);
    detail::drop_handle(child);
  }
  if (body != nullptr) thrown.push_back(std::move(body));
  if (seen.empty()) return thrown;
  std::vector<std::exception_ptr> failures;
  for (std::exception_ptr& each : thrown) {
    const bool again = std::ranges::find(seen, each) != seen.end() &&
                       std::ranges::find(failures, each) != failures.end();
    if (!again) failures.push_back(std::move(each));
  }
  return failures;
}

task<> task_group::finish(std::exception_ptr body) {
  using detail::wait_outcome;
  const bool interrupted = end_body();
  const bool only_us = interrupted && detail::retract(owner_, requests_before_);
  const bool cancelled = detail::is_cancellation(body) && !only_us;
  const bool timed_out = detail::is_own_timeout(body, owner_);
  // Requests that the body's cancellation stands for; none if it has awaited a cancelled child.
  const bool requested = cancelled && detail::cancelling(owner_) > requests_before_;
  if (body != nullptr) abort();
  const wait_outcome join_ended = co_await join(*this);
  const bool failed = body != nullptr && !detail::is_cancellation(body) && !timed_out;
  auto failures = take_failures(failed ? body : nullptr);
  if (!failures.empty()) {
    if (requested || join_ended == wait_outcome::cancelled) detail::repost_request(owner_);
    throw exception_group("errors in a task group", std::move(failures));
  }
  if (join_ended != wait_outcome::completed) detail::throw_interrupted(join_ended);
  if (cancelled || timed_out) std::rethrow_exception(body);
}

}  // namespace weft
