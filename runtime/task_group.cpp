#include "task_group.h"

#include "detail/scheduler.h"
#include "error.h"

#include <algorithm>
#include <utility>

namespace weft {

using detail::spin_guard;
using detail::unlink_result;

task_group::task_group() noexcept
    : owner_(*detail::here.task), requests_before_(detail::requests_before(owner_)) {
  interrupts_body_.begin();
}

task_group::~task_group() {
  forget_children();
  if (interrupts_body_.active()) interrupts_body_.end();
  while (member* each = failed_.pop_front())
    detail::drop_handle(*each->child.load(std::memory_order_relaxed));
  while (blocks_ != nullptr) delete std::exchange(blocks_, blocks_->next);
}

/// Under lock_.
std::ptrdiff_t task_group::alive_locked() const noexcept {
  // acquire: see ends_.
  const std::ptrdiff_t ends = ends_.load(std::memory_order_acquire);
  return owner_waits_ ? ends : spawned_ + ends;
}

/// Under lock_: one more child. False: the last one has ended.
bool task_group::count_child() noexcept {
  if (!owner_waits_) {
    ++spawned_;
    return true;
  }
  std::ptrdiff_t alive = ends_.load(std::memory_order_relaxed);
  // Relaxed: who spawns tells nobody with it.
  while (alive > 0 && !ends_.compare_exchange_weak(alive, alive + 1, std::memory_order_relaxed)) {
  }
  return alive > 0;
}

/// The group may be gone afterwards, unless its owner waits for us.
void task_group::count_end() noexcept {
  // acq_rel: see ends_.
  if (ends_.fetch_sub(1, std::memory_order_acq_rel) == 1) detail::wake(*joiner_->task);
}

// ---- Places -------------------------------------------------------------------------------------

/// A place for one more child, counted as alive.
task_group::member& task_group::begin_spawn() {
  for (;;) {
    {
      const spin_guard guard(lock_);
      member* const place = phase_ == phase::open ? take_place() : nullptr;
      if (phase_ != phase::open || (place != nullptr && !count_child()))
        detail::throw_invalid_state("task_group::spawn(): the group is ending or has ended");
      if (place != nullptr) return *place;
    }
    add_block();
  }
}

/// Under lock_. Null: there is none. Who completes a child leaves its place where it is, so that the
/// ends of children on several workers meet at one counter only; free places are gathered when they
/// are half of all, which keeps that cheap.
task_group::member* task_group::take_place() noexcept {
  if (member* const spare = spare_.pop_front()) return spare;
  if (newest_ == nullptr) return nullptr;
  if (newest_->used < newest_->size) return &newest_->places[newest_->used++];
  if (2 * alive_locked() > place_count_) return nullptr;
  for (block* each = blocks_; each != nullptr; each = each->next) {
    for (std::size_t i = 0; i < each->size; ++i) {
      member& place = each->places[i];
      // acquire: see now.
      if (place.now.load(std::memory_order_acquire) != member::state::ended) continue;
      place.now.store(member::state::idle, std::memory_order_relaxed);
      spare_.push_back(place);
    }
  }
  return spare_.pop_front();
}

void task_group::add_block() {
  constexpr std::ptrdiff_t least = detail::sizes::group_places, most = 64;
  std::ptrdiff_t size = 0;
  {
    const spin_guard guard(lock_);
    size = std::clamp(place_count_, least, most);
  }
  auto made = std::make_unique<block>(*this, static_cast<std::size_t>(size));
  const spin_guard guard(lock_);
  if (newest_ != nullptr && newest_->used < newest_->size) return;  // another spawner was quicker
  (newest_ == nullptr ? blocks_ : newest_->next) = made.get();
  newest_ = made.release();
  place_count_ += size;
}

task_group::block::block(task_group& group, std::size_t count)
    : places(std::make_unique<member[]>(count)), size(count) {
  for (std::size_t i = 0; i < count; ++i) {
    places[i].group = &group;
    places[i].on_done = on_child_done;
  }
}

void task_group::start(detail::task_state& child, const detail::task_type& type,
                       std::coroutine_handle<> frame, const spawn_options& options) {
  detail::scheduler& on = detail::scheduler::at(owner_.runtime);
  member* reserved = nullptr;
  std::uintptr_t extra = 0;
  try {
    extra = detail::make_extra(options.name);
    reserved = &begin_spawn();
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
  place.child.store(&child, std::memory_order_relaxed);
  on.count_spawn();
  bool aborting = false;
  {
    const spin_guard guard(lock_);
    // It may be cancelled from now on. release: see now.
    place.now.store(member::state::running, std::memory_order_release);
    aborting = phase_ == phase::aborting;
  }
  if (aborting) cancel_member(place);  // since begin_spawn: if it begins, then cancelled
  options.eager_start ? detail::run_now(child) : detail::schedule_back(child);
}

void task_group::on_child_done(detail::completion_waiter& self,
                               detail::task_state& child) noexcept {
  auto& place = static_cast<member&>(self);
  task_group& group = *place.group;
  const bool failed = child.type->failed(child) && !detail::ended_cancelled(child);
  if (failed) {
    group.abort();
    const spin_guard guard(group.lock_);
    group.failed_.push_back(place);
  }
  if (!failed && child.type->failed(child))
    group.child_was_cancelled_.store(true, std::memory_order_relaxed);  // seen with ends_
  const auto last = failed ? member::state::failed : member::state::ended;
  // acq_rel: see now.
  const bool used =
      place.now.exchange(last, std::memory_order_acq_rel) == member::state::cancelling;
  if (!failed && !used) detail::drop_handle(child);
  group.count_end();
}

// ---- Cancelling the children --------------------------------------------------------------------

/// Nobody drops the handle of its child meanwhile. False: it has none, or another canceller has it.
bool task_group::hold(member& place, member::state from) noexcept {
  // acquire: see now.
  return place.now.compare_exchange_strong(from, member::state::cancelling,
                                           std::memory_order_acquire, std::memory_order_relaxed);
}

void task_group::let_go(member& place) noexcept {
  detail::task_state& child = *place.child.load(std::memory_order_relaxed);
  auto seen = member::state::cancelling;
  // release: who completes the child drops the handle after us. acquire if that was done: as above.
  if (!place.now.compare_exchange_strong(seen, member::state::cancelled, std::memory_order_release,
                                         std::memory_order_acquire) &&
      seen == member::state::ended) {
    detail::drop_handle(child);
  }
}

void task_group::cancel_member(member& place) noexcept {
  if (!hold(place, member::state::running)) return;
  detail::cancel(*place.child.load(std::memory_order_relaxed));
  let_go(place);
}

/// One by one and without the lock: a cancellation runs the code of whatever the child waits for.
template <class Action>
void task_group::for_each_member(const Action& act) noexcept {
  const auto next_of = [this](const block* before) {
    const spin_guard guard(lock_);
    return before == nullptr ? blocks_ : before->next;
  };
  for (block* each = next_of(nullptr); each != nullptr; each = next_of(each)) {
    for (std::size_t i = 0; i < each->size; ++i) act(each->places[i]);
  }
}

/// Refuses further children, cancels those there are and, if it still runs, the body.
void task_group::abort() noexcept {
  bool cancel_owner = false;
  {
    const spin_guard guard(lock_);
    if (phase_ != phase::open) return;
    phase_ = phase::aborting;
    cancel_owner = body_running_;
    interrupting_ = cancel_owner;
  }
  for_each_member(cancel_member);
  if (!cancel_owner) return;
  interrupts_body_.raise();
  const spin_guard guard(lock_);
  interrupting_ = false;
}

/// For a frame that is destroyed while it waits, the last resort of a shutdown: the children end
/// without us.
void task_group::forget_children() noexcept {
  for (;;) {
    {
      const spin_guard guard(lock_);
      phase_ = phase::closed;
      if (alive_locked() == 0) return;
    }
    for_each_member([this](member& place) { disown(place); });
    detail::yield_thread();  // others are ending or beginning this moment, on other workers
  }
}

void task_group::disown(member& place) noexcept {
  if (!hold(place, member::state::running) && !hold(place, member::state::cancelled)) return;
  detail::task_state& child = *place.child.load(std::memory_order_relaxed);
  if (!detail::remove_waiter(child, place)) return let_go(place);
  // Relaxed: the child will not touch the place any more.
  place.now.store(member::state::ended, std::memory_order_relaxed);
  detail::drop_handle(child);
  ends_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: it is not the end of the child
}

void task_group::cancel() noexcept {
  abort();
}

// ---- Waiting for the children -------------------------------------------------------------------

bool task_group::join::try_now() noexcept {
  const spin_guard guard(group_.lock_);
  if (group_.alive_locked() > 0) return false;
  group_.phase_ = phase::closed;
  return true;
}

bool task_group::join::publish() noexcept {
  unlink = detail::waits<cancel_wait, "the end of a task_group", visit_children>;
  const spin_guard guard(group_.lock_);
  group_.joiner_ = this;
  group_.owner_waits_ = true;
  // acq_rel: see ends_.
  const std::ptrdiff_t ends = group_.ends_.fetch_add(group_.spawned_, std::memory_order_acq_rel);
  return ends + group_.spawned_ > 0;
}

unlink_result task_group::join::cancel_wait(detail::wait_node& self) noexcept {
  task_group& group = static_cast<join&>(self).group_;
  // Relaxed: who has counted the last end wakes us.
  if (group.ends_.load(std::memory_order_relaxed) == 0) return unlink_result::completed;
  group.abort();
  return unlink_result::forwarded;
}

void task_group::join::visit_children(const detail::wait_node& self, detail::visit_function visit,
                                      void* context) noexcept {
  task_group& group = static_cast<const join&>(self).group_;
  group.for_each_member([&](const task_group::member& place) {
    if (place.has_child()) visit(context, *place.child.load(std::memory_order_relaxed));
  });
}

/// The body has ended: from now on nobody interrupts the owner on our behalf.
void task_group::end_body() noexcept {
  for (;;) {
    {
      const spin_guard guard(lock_);
      body_running_ = false;
      if (!interrupting_) return;
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
    detail::task_state& child = *each->child.load(std::memory_order_relaxed);
    thrown.push_back(child.type->exception(child));
    if (detail::is_retrieved(child)) seen.push_back(thrown.back());
    detail::mark_retrieved(child);
    failed_.pop_front();
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
  end_body();
  const bool only_us = interrupts_body_.end();
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
  // What has cancelled a child, a shutdown it may be, has cancelled us as well, or is about to: here,
  // before our caller takes the work of the group for done.
  if (child_was_cancelled_.load(std::memory_order_relaxed)) {
    while (detail::scheduler::at(owner_.runtime).cancelling_all()) {
      detail::cpu_relax();  // it is at work on another thread
      co_await yield();
    }
    if (detail::consume_request(owner_)) throw cancelled_error();
  }
  if (cancelled || timed_out) std::rethrow_exception(body);
}

}  // namespace weft
