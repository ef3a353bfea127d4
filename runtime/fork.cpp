#include "fork.h"

#include "detail/blocking_waiter.h"
#include "detail/scheduler.h"

namespace weft::detail {

namespace {

// What is rare stands apart, so that a fork which nobody takes needs no stack frame for it.

/// The deque is full, or this is an executor's thread, which has none.
[[gnu::noinline]] void start_at_once(task_state& child) noexcept {
  scheduler& home = scheduler::at(here.task->runtime);
  home.adopt_fork(child).worker = home_worker(home);
  schedule_back(child);
}

/// It runs inside its parent, or not at all: the context that it would have had is not needed.
[[gnu::noinline]] void forget_context(task_state& child) noexcept {
  drop_extra(child.extra.load(std::memory_order_relaxed));
}

/// Newest first is the rule; whoever breaks it makes ordinary tasks of the younger ones.
[[gnu::noinline]] bool take_back_from_below(worker& self, task_state& child,
                                            task_state* newest) noexcept {
  for (; newest != nullptr; newest = self.pop_fork()) {
    if (newest == &child) return true;
    self.push_back(self.home().adopt_fork(*newest));
  }
  return false;
}

}  // namespace

void offer(task_state& child, const task_type& type, std::coroutine_handle<> frame) {
  task_state* const parent = here.task;
  if (parent == nullptr) [[unlikely]]
    throw_invalid_state("fork() needs a running task");
  // All a thief needs to make it a task; published by the push.
  child.type = &type;
  child.leaf = frame.address();
  child.next = parent;  // until it is a task
  const bool plain = parent->extra.load(std::memory_order_relaxed) == 0;
  child.extra.store(plain ? 0 : inherit_context(), std::memory_order_relaxed);
  worker* self = worker::current();
  if (self == nullptr || !self->forks().push(child)) [[unlikely]]
    return start_at_once(child);
  self->offer_forks();
}

bool take_back(task_state& child) noexcept {
  worker* self = worker::current();
  // Null on an executor's thread: a task since the move, or made one here.
  if (self == nullptr) [[unlikely]]
    return false;
  task_state* newest = self->pop_fork();
  if (newest != &child) [[unlikely]] {
    if (!take_back_from_below(*self, child, newest)) return false;
  }
  if (child.extra.load(std::memory_order_relaxed) != 0) [[unlikely]]
    forget_context(child);
  return true;
}

void await_adoption(task_state& child) noexcept {
  // The adopter is between its claim and init_task. Relaxed: who has waited looks at the word
  // again, by done() or to add itself, and sees the task by that.
  while (child.life.load(std::memory_order_relaxed) == 0) cpu_relax();
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
