#include "interrupt_scope.h"

#include "../error.h"
#include "wait_node.h"

#include <typeinfo>

namespace weft::detail {
namespace {

/// The scope outside of `scope` that nothing shields from.
interrupt_scope* next_in_reach(const interrupt_scope& scope) noexcept {
  return scope.shields ? nullptr : scope.outer;
}

/// LEVEL says that a scope in the list raises now.
void renew_level(task_state& task) noexcept {
  if (!level_raised(task)) return;
  clear_level(task);  // before the look: one that expires meanwhile raises it again
  for (const interrupt_scope* each = task.scopes; each != nullptr; each = each->outer) {
    if (each->raises_now()) return interrupt(task);
  }
}

/// Requests wait while any scope shields.
void update_mask(task_state& task) noexcept {
  for (const interrupt_scope* scope = task.scopes; scope != nullptr; scope = scope->outer) {
    if (scope->shields) return mask_requests(task);
  }
  unmask_requests(task);
}

}  // namespace

void enter_scope(interrupt_scope& scope) {
  if (here.task == nullptr)
    throw_invalid_state("a deadline or a cancel scope needs a running task");
  scope.task = here.task;
  scope.outer = here.task->scopes;
  here.task->scopes = &scope;
  if (scope.shields) update_mask(*scope.task);
}

void leave_scope(interrupt_scope& scope) noexcept {
  task_state& task = *scope.task;
  if (here.task != &task) [[unlikely]] {
    report_misuse(
        "a deadline or cancel scope was left by another task than the one that entered it");
  }
  // Usually the innermost; a scope that was moved into another object may leave out of order.
  interrupt_scope** link = &task.scopes;
  while (*link != &scope) link = &(*link)->outer;
  *link = scope.outer;
  if (scope.shields) update_mask(task);
  renew_level(task);
}

void set_shield(interrupt_scope& scope, bool on) noexcept {
  scope.shields = on;
  if (scope.task != nullptr) update_mask(*scope.task);
}

bool scope_raises(const task_state& task) noexcept {
  for (const interrupt_scope* each = task.scopes; each != nullptr; each = next_in_reach(*each)) {
    if (each->raises_now()) return true;
  }
  return false;
}

int cancelled_scopes(const interrupt_scope* innermost) noexcept {
  int count = 0;
  for (const interrupt_scope* each = innermost; each != nullptr; each = next_in_reach(*each)) {
    if (each->what != interrupt_scope::raises::timeout && each->has_expired()) ++count;
  }
  return count;
}

int spent_scopes(const interrupt_scope* innermost) noexcept {
  int count = 0;
  for (const interrupt_scope* each = innermost; each != nullptr; each = next_in_reach(*each)) {
    if (each->spent) ++count;
  }
  return count;
}

bool take_scope_cancellation(task_state& task) noexcept {
  bool cancels = false;
  bool any_spent = false;
  for (interrupt_scope* each = task.scopes; each != nullptr; each = next_in_reach(*each)) {
    if (each->what == interrupt_scope::raises::timeout || !each->raises_now()) continue;
    cancels = true;
    each->spent = each->what == interrupt_scope::raises::cancellation_once;
    any_spent |= each->spent;
  }
  if (any_spent) renew_level(task);
  return cancels;
}

bool is_own_timeout(const std::exception_ptr& error, const task_state& owner) noexcept {
  return error != nullptr && level_raised(owner) &&
         *error.__cxa_exception_type() == typeid(timeout_error);
}

bool take_cancellation(wait_outcome outcome) noexcept {
  if (outcome == wait_outcome::interrupted) return take_scope_cancellation(*here.task);
  // One exception stands for all requests made before the task runs again.
  (void)consume_request(*here.task);
  return true;
}

void throw_timeout() {
  throw timeout_error();
}

}  // namespace weft::detail
