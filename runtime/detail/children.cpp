#include "children.h"

#include "../error.h"
#include "scheduler.h"

namespace weft::detail {

void child_frame::start(completion_waiter& waiter) noexcept {
  scheduler& on = scheduler::at(here.task->runtime);
  init_task(*state_, *type_, on.index(), frame_, task_life::one_handle, inherit_extra());
  state_->waiters = &waiter;  // nobody else has seen the task
  started_ = true;
  on.count_spawn();
  schedule_back(*state_);
}

child_set::child_set(std::span<child_frame> children, on_failure policy) noexcept
    : children_(children), policy_(policy) {
  unlink = waits<cancel_children, "gather()", visit_children>;
  on_done = on_child_done;
}

bool child_set::start(std::coroutine_handle<> parent) noexcept {
  task = here.task;
  task->leaf = parent.address();
  // One more, so that the parent is not woken before all are started.
  pending_.store(children_.size() + 1, std::memory_order_relaxed);
  for (child_frame& child : children_) child.start(*this);
  // acq_rel: see progress_. The children are held until pending_ falls.
  if ((progress_.fetch_or(all_started, std::memory_order_acq_rel) & one_failed) != 0) {
    cancel_all(failed_.load(std::memory_order_relaxed));
  }
  if (pending_.fetch_sub(1, std::memory_order_acquire) == 1) return false;  // acquire: see pending_
  return arm(*this);
}

void child_set::on_child_done(completion_waiter& self, task_state& child) noexcept {
  auto& set = static_cast<child_set&>(self);
  if (set.policy_ == on_failure::cancel_siblings && child.type->failed(child)) {
    mark_retrieved(child);
    task_state* none = nullptr;
    // Before our pending_ step, so that the siblings are still held, and which publishes it.
    if (set.failed_.compare_exchange_strong(none, &child, std::memory_order_relaxed) &&
        (set.progress_.fetch_or(one_failed, std::memory_order_acq_rel) & all_started) !=
            0) {  // acq_rel: see progress_
      set.cancel_all(&child);
    }
  }
  task_state& parent = *set.task;
  // acq_rel: see pending_. Afterwards the set may be gone, unless we are the last.
  if (set.pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) wake(parent);
}

void child_set::cancel_all(const task_state* except) noexcept {
  for (child_frame& child : children_) {
    if (child.started() && &child.state() != except) cancel(child.state());
  }
}

unlink_result child_set::cancel_children(wait_node& self) noexcept {
  auto& set = static_cast<child_set&>(self);
  // All done: the results are delivered, the request stays. Relaxed: the children that are asked
  // when this was an old value have ended, and nothing happens to them.
  if (set.pending_.load(std::memory_order_relaxed) == 0) return unlink_result::completed;
  set.cancel_all(nullptr);
  return unlink_result::forwarded;
}

void child_set::visit_children(const wait_node& self, visit_function visit,
                               void* context) noexcept {
  for (const child_frame& child : static_cast<const child_set&>(self).children_)
    visit(context, child.state());
}

void child_set::check() {
  for (child_frame& child : children_) {
    if (child.state().type->failed(child.state())) mark_retrieved(child.state());
  }
  if (passed_on != wait_outcome::completed) throw_interrupted(passed_on);
  if (task_state* failed = failed_.load(std::memory_order_relaxed))
    std::rethrow_exception(failed->type->exception(*failed));
}

}  // namespace weft::detail
