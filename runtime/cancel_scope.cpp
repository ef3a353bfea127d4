#include "cancel_scope.h"

#include "detail/time_limit.h"
#include "error.h"

namespace weft {

cancel_scope::cancel_scope() noexcept {
  scope_.what = detail::interrupt_scope::raises::cancellation;
  timer_.owner = this;
  timer_.fire = on_fire;
}

void cancel_scope::cancel() noexcept {
  scope_.expired.store(true, std::memory_order_seq_cst);  // seq_cst: see inside_
  cancellers_.fetch_add(1, std::memory_order_seq_cst);    // seq_cst: see cancellers_
  // seq_cst: see inside_. The visit waits for us, so the task lives.
  detail::task_state* const task = inside_.load(std::memory_order_seq_cst);
  if (task != nullptr) detail::interrupt(*task);
  cancellers_.fetch_sub(1, std::memory_order_release);  // release: our last touch, see cancellers_
}

void cancel_scope::set_deadline(clock::time_point when) noexcept {
  const bool over = when <= clock::now();
  {
    const detail::spin_guard guard(lock_);
    // One that fires at this moment has cancelled the scope already.
    if (!detail::timer_wheel::disarm(timer_)) return;
    deadline_ = when;
    // Relaxed: it is written under the same lock.
    if (!over && inside_.load(std::memory_order_relaxed) != nullptr) arm();
  }
  if (over) cancel();
}

/// Under lock_, during a visit.
void cancel_scope::arm() noexcept {
  if (deadline_ == clock::time_point::max()) return;
  timer_.when = deadline_;
  detail::arm_timer(timer_, *scope_.task);
}

void cancel_scope::on_fire(detail::timer_node& self) noexcept {
  cancel_scope& scope = *static_cast<scope_timer&>(self).owner;
  scope.scope_.expired.store(true, std::memory_order_relaxed);  // relaxed: see expired
  detail::interrupt(*scope.scope_.task);                        // the visit ends after us
  self.end_fire();
}

// ---- visit --------------------------------------------------------------------------------------

cancel_scope::visit::visit(cancel_scope& of)
    : scope_(of),
      requests_before_(detail::here.task == nullptr ? 0
                                                    : detail::requests_before(*detail::here.task)) {
  if (scope_.entered_before_) detail::throw_invalid_state("a cancel_scope is entered once");
  detail::enter_scope(scope_.scope_);
  scope_.entered_before_ = true;
  {
    const detail::spin_guard guard(scope_.lock_);
    // seq_cst: see inside_.
    scope_.inside_.store(scope_.scope_.task, std::memory_order_seq_cst);
    scope_.arm();
  }
  // seq_cst: see inside_. Cancelled before: seen at the first suspension.
  if (scope_.scope_.expired.load(std::memory_order_seq_cst)) detail::interrupt(*scope_.scope_.task);
}

cancel_scope::visit::~visit() {
  {
    const detail::spin_guard guard(scope_.lock_);
    scope_.inside_.store(nullptr, std::memory_order_seq_cst);  // seq_cst: see inside_
  }
  detail::timer_wheel::finish_disarm(scope_.timer_);
  // seq_cst: see cancellers_. They never wait.
  while (scope_.cancellers_.load(std::memory_order_seq_cst) != 0) detail::cpu_relax();
  detail::leave_scope(scope_.scope_);
}

bool cancel_scope::visit::catches() noexcept {
  const detail::interrupt_scope& scope = scope_.scope_;
  if (!scope.has_expired()) return false;
  // That of a request which was made, and delivered, since we entered.
  const detail::task_state& task = *scope.task;
  if (detail::cancelling(task) > requests_before_ && !detail::request_pending(task)) return false;
  // The outermost of nested ones takes it.
  if (!scope.shields && detail::cancelled_scopes(scope.outer) > 0) return false;
  scope_.caught_.store(true, std::memory_order_relaxed);
  return true;
}

}  // namespace weft
