#include "gather.h"

namespace weft::detail {

handle_set::handle_set(std::span<observer> observers, on_failure policy) noexcept
    : observers_(observers), policy_(policy) {
  unlink = cancel_handles;
}

void handle_set::check_handles(std::span<const observer> observers) {
  for (const observer& each : observers) {
    if (each.observed == nullptr) throw_invalid_state("gather() of an empty join_handle");
    if (each.observed == here.task) throw_invalid_state("a task cannot await itself");
  }
}

bool handle_set::start(std::coroutine_handle<> parent) noexcept {
  task = here.task;
  task->leaf = parent.address();
  pending_.store(static_cast<std::int64_t>(observers_.size()) + 1, std::memory_order_relaxed);
  for (observer& each : observers_) {
    each.set = this;
    each.on_done = on_handle_done;
    each.registered = true;
    if (!add_waiter(*each.observed, each)) on_handle_done(each, *each.observed);
  }
  if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) settle();  // acq_rel: see pending_
  return arm(*this);
}

/// Wakes the parent, once.
void handle_set::settle() noexcept {
  if (!woken_.exchange(true, std::memory_order_acq_rel)) wake(*task);  // acq_rel: see woken_
}

void handle_set::on_handle_done(completion_waiter& self, task_state& child) noexcept {
  auto& each = static_cast<observer&>(self);
  handle_set& set = *each.set;
  // acq_rel: see pending_.
  const bool last = set.pending_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  bool early = false;
  if (set.policy_ == on_failure::cancel_siblings && child.type->failed(child)) {
    task_state* none = nullptr;
    // acq_rel: see failed_.
    early = set.failed_.compare_exchange_strong(none, &child, std::memory_order_acq_rel,
                                                std::memory_order_relaxed) &&
            !set.wait_for_all_.load(std::memory_order_acquire);  // acquire: see wait_for_all_
  }
  if (last || early) set.settle();
  // release: our last touch; pairs with check().
  each.told.store(true, std::memory_order_release);
}

unlink_result handle_set::cancel_handles(wait_node& self) noexcept {
  auto& set = static_cast<handle_set&>(self);
  // acquire: see woken_.
  if (set.woken_.load(std::memory_order_acquire)) return unlink_result::completed;
  set.cancelled_ = true;
  set.wait_for_all_.store(true, std::memory_order_release);  // release: see wait_for_all_
  for (observer& each : set.observers_) cancel(*each.observed);
  return unlink_result::forwarded;
}

void handle_set::check() {
  for (observer& each : observers_) {
    if (!each.registered || remove_waiter(*each.observed, each)) continue;
    // acquire: pairs with the release at the end of on_handle_done, which never waits.
    while (!each.told.load(std::memory_order_acquire)) cpu_relax();
  }
  if (cancelled_) {
    for (observer& each : observers_) retrieve(*each.observed);
    throw_interrupted(level_raised(*here.task) ? wait_outcome::interrupted
                                               : wait_outcome::cancelled);
  }
  // acquire: see failed_.
  if (task_state* failed = failed_.load(std::memory_order_acquire)) {
    retrieve(*failed);
    std::rethrow_exception(failed->type->exception(*failed));
  }
}

}  // namespace weft::detail
