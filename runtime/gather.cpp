#include "gather.h"

namespace weft::detail {

handle_set::handle_set(std::span<handle_observer> observers, on_failure policy) noexcept
    : observers_(observers), policy_(policy) {
  unlink = waits<cancel_handles, "gather()", visit_observed>;
}

bool handle_set::start(std::coroutine_handle<> parent) noexcept {
  task = here.task;
  task->leaf = parent.address();
  pending_.store(static_cast<std::int64_t>(observers_.size()) + 1, std::memory_order_relaxed);
  for (handle_observer& each : observers_) each.start(this, on_handle_done);
  if (pending_.fetch_sub(1, std::memory_order_relaxed) == 1) settle();
  return arm(*this);
}

/// Wakes the parent, if nobody has.
void handle_set::settle() noexcept {
  if (phase_.exchange(phase::woken, std::memory_order_relaxed) != phase::woken) wake(*task);
}

/// ... of the first failure, unless it has to wait for all.
void handle_set::settle_early(task_state& failed) noexcept {
  task_state* none = nullptr;
  if (!failed_.compare_exchange_strong(none, &failed, std::memory_order_relaxed)) return;
  phase expected = phase::waiting;
  if (phase_.compare_exchange_strong(expected, phase::woken, std::memory_order_relaxed))
    wake(*task);
}

void handle_set::on_handle_done(completion_waiter& self, task_state& child) noexcept {
  auto& each = static_cast<handle_observer&>(self);
  auto& set = *static_cast<handle_set*>(each.owner);
  if (set.policy_ == on_failure::cancel_siblings && child.type->failed(child))
    set.settle_early(child);
  if (set.pending_.fetch_sub(1, std::memory_order_relaxed) == 1) set.settle();
  each.end_call();
}

unlink_result handle_set::cancel_handles(wait_node& self) noexcept {
  auto& set = static_cast<handle_set&>(self);
  phase seen = phase::waiting;
  set.phase_.compare_exchange_strong(seen, phase::cancelled, std::memory_order_relaxed);
  if (seen == phase::woken) return unlink_result::completed;
  for (handle_observer& each : set.observers_) cancel(*each.observed);
  return unlink_result::forwarded;
}

void handle_set::visit_observed(const wait_node& self, visit_function visit,
                                void* context) noexcept {
  for (const handle_observer& each : static_cast<const handle_set&>(self).observers_)
    visit(context, *each.observed);
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
  if (task_state* failed = failed_.load(std::memory_order_relaxed)) {
    retrieve(*failed);
    std::rethrow_exception(failed->type->exception(*failed));
  }
}

}  // namespace weft::detail
