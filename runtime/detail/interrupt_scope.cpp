#include "interrupt_scope.h"

#include "../error.h"
#include "wait_node.h"

#include <typeinfo>

namespace weft::detail {
namespace {

template <class Wanted>
bool any_in_reach(const interrupt_scope* innermost, Wanted wanted) noexcept {
  for (const interrupt_scope* scope = innermost; scope != nullptr; scope = scope->outer) {
    if (wanted(*scope)) return true;
    if (scope->shields) return false;
  }
  return false;
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
  if (!level_raised(task)) return;
  clear_level(task);
  for (const interrupt_scope* left = task.scopes; left != nullptr; left = left->outer) {
    if (left->has_expired()) return interrupt(task);
  }
}

void set_shield(interrupt_scope& scope, bool on) noexcept {
  scope.shields = on;
  if (scope.task != nullptr) update_mask(*scope.task);
}

bool scope_raises(const task_state& task) noexcept {
  return any_in_reach(task.scopes,
                      [](const interrupt_scope& scope) { return scope.has_expired(); });
}

bool scope_cancels(const interrupt_scope* innermost) noexcept {
  return any_in_reach(innermost, [](const interrupt_scope& scope) {
    return scope.what == interrupt_scope::raises::cancellation && scope.has_expired();
  });
}

bool is_own_timeout(const std::exception_ptr& error, const task_state& owner) noexcept {
  return error != nullptr && level_raised(owner) &&
         *error.__cxa_exception_type() == typeid(timeout_error);
}

void throw_interrupted(wait_outcome outcome) {
  if (outcome == wait_outcome::interrupted && !scope_cancels(here.task->scopes))
    throw timeout_error();
  // One exception stands for all requests made before the task runs again.
  if (outcome == wait_outcome::cancelled) (void)consume_request(*here.task);
  throw cancelled_error();
}

}  // namespace weft::detail
