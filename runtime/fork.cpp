#include "fork.h"

#include "detail/scheduler.h"

namespace weft::detail {

void offer(task_state& child, const task_type& type, std::coroutine_handle<> frame) {
  if (here.task == nullptr) throw_invalid_state("fork() needs a running task");
  // All a thief needs to make it a task; published by the push.
  child.type = &type;
  child.leaf = frame.address();
  child.extra.store(inherit_context(), std::memory_order_relaxed);
  child.next = here.task;  // its parent, until it is a task
  worker* self = worker::current();
  if (self != nullptr && self->forks().push(child)) [[likely]] {
    self->offer_forks();
  } else {
    drop_extra(child.extra.load(std::memory_order_relaxed));
    start_task(scheduler::at(here.task->runtime), child, type, frame, {}, 0);
  }
}

namespace {

/// It runs inside its parent, or not at all: the context that it would have had is not needed.
void forget_context(task_state& child) noexcept {
  const std::uintptr_t extra = child.extra.load(std::memory_order_relaxed);
  if (extra != 0) [[unlikely]]
    drop_extra(extra);
}

}  // namespace

bool take_back(task_state& child) noexcept {
  worker* self = worker::current();
  // Null on an executor's thread: a task since the move, or made one here.
  if (self == nullptr) return false;
  // Newest first is the rule; whoever breaks it makes ordinary tasks of the younger ones.
  while (task_state* newest = self->pop_fork()) {
    if (newest == &child) {
      forget_context(child);
      return true;
    }
    self->push_back(self->adopted(*newest));
  }
  return false;
}

void await_adoption(task_state& child) noexcept {
  // acquire: pairs with the release in init_task. The adopter is between its claim and init_task.
  while (child.life.load(std::memory_order_acquire) == 0) cpu_relax();
}

void abandon(task_state& child) noexcept {
  cancel(child);
  if (worker* self = worker::current()) return self->help_until_done(child);
  blocking_waiter waiter;
  if (!add_waiter(child, waiter)) return;
  // On an executor's thread. Virtual time stands still for tasks that work there, but this one
  // waits. See scheduler::away for the orders.
  atomic<std::int32_t>& away = scheduler::away(here.task->runtime);
  away.fetch_sub(1, std::memory_order_release);
  waiter.wait();
  away.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace weft::detail
