#include "gather.h"

namespace weft::detail {

handle_set::handle_set(std::span<handle_observer> observers, on_failure policy) noexcept
    : observers_(observers), policy_(policy) {
  unlink = waits<cancel_handles, "gather()">;
}

bool handle_set::start(std::coroutine_handle<> parent) noexcept {
  task = here.task;
  task->leaf = parent.address();
  pending_.store(static_cast<std::int64_t>(observers_.size()) + 1, std::memory_order_relaxed);
  for (handle_observer& each : observers_) each.start(this, on_handle_done);
  if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) settle();  // acq_rel: see pending_
  return arm(*this);
}

/// Wakes the parent, once.
void handle_set::settle() noexcept {
  if (!woken_.exchange(true, std::memory_order_acq_rel)) wake(*task);  // acq_rel: see woken_
}

void handle_set::on_handle_done(completion_waiter& self, task_state& child) noexcept {
  auto& each = static_cast<handle_observer&>(self);
  auto& set = *static_cast<handle_set*>(each.owner);
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
  each.end_call();
}

unlink_result handle_set::cancel_handles(wait_node& self) noexcept {
  auto& set = static_cast<handle_set&>(self);
  // acquire: see woken_.
  if (set.woken_.load(std::memory_order_acquire)) return unlink_result::completed;
  set.wait_for_all_.store(true, std::memory_order_release);  // release: see wait_for_all_
  for (handle_observer& each : set.observers_) cancel(*each.observed);
  return unlink_result::forwarded;
}

void handle_set::take_back(std::span<handle_observer> observers) noexcept {
  for (handle_observer& each : observers) each.stop();
}

void handle_set::check() {
  take_back(observers_);
  if (passed_on != wait_outcome::completed) {
    for (handle_observer& each : observers_) retrieve(*each.observed);
    throw_interrupted(passed_on);
  }
  // acquire: see failed_.
  if (task_state* failed = failed_.load(std::memory_order_acquire)) {
    retrieve(*failed);
    std::rethrow_exception(failed->type->exception(*failed));
  }
}

}  // namespace weft::detail
