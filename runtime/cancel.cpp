#include "cancel.h"

#include <typeinfo>

namespace weft::detail {

void enter_scope(interrupt_scope& scope) {
  if (here.task == nullptr) throw_invalid_state("a deadline needs a running task");
  scope.task = here.task;
  scope.outer = here.task->scopes;
  here.task->scopes = &scope;
}

void leave_scope(interrupt_scope& scope) noexcept {
  task_state& task = *scope.task;
  // Usually the innermost; a scope that was moved into another object may leave out of order.
  interrupt_scope** link = &task.scopes;
  while (*link != &scope) link = &(*link)->outer;
  *link = scope.outer;
  if (!level_raised(task)) return;
  clear_level(task);
  for (const interrupt_scope* outer = task.scopes; outer != nullptr; outer = outer->outer) {
    // acquire: see expired.
    if (outer->expired.load(std::memory_order_acquire)) return interrupt(task);
  }
}

bool is_own_timeout(const std::exception_ptr& error, const task_state& owner) noexcept {
  return error != nullptr && level_raised(owner) &&
         *error.__cxa_exception_type() == typeid(timeout_error);
}

void throw_interrupted(wait_outcome outcome) {
  if (outcome == wait_outcome::interrupted) throw timeout_error();
  // One exception stands for all requests made before the task runs again.
  (void)consume_request(*here.task);
  throw cancelled_error();
}

}  // namespace weft::detail
