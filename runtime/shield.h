#pragma once

#include "spawn.h"

namespace weft {

namespace detail {

/// Waits for a task without passing cancellations on to it. Not a leaf for select: the end of a
/// task cannot be awaited and lost at once.
template <class T>
class [[nodiscard]] shield_awaiter : public join_operation {
 public:
  explicit shield_awaiter(task_state* child) noexcept
      : join_operation(
            child,
            waits<join_operation::leave_child, "a shielded task", join_operation::visit_child>) {}
  [[nodiscard]] T await_resume() {
    if (outcome != wait_outcome::completed) [[unlikely]]
      throw_interrupted(outcome);
    check_child();
    retrieve(*child_);
    return block_of<T>::slot(*child_).copy();
  }

 private:
  using join_operation::take;
};

/// ... which it spawned itself, and whose handle it owns.
template <class T>
class [[nodiscard]] shield_task_awaiter : public shield_awaiter<T> {
 public:
  explicit shield_task_awaiter(join_handle<T> work) noexcept
      : shield_awaiter<T>(work.state()), work_(std::move(work)) {}

 private:
  join_handle<T> work_;
};

}  // namespace detail

/// Awaiting is cancellable, the work is not: a cancelled await leaves the task running.
template <class T>
detail::shield_awaiter<T> shield(join_handle<T>& handle) noexcept {
  return detail::shield_awaiter<T>(handle.state());
}
/// asyncio's everyday spelling: starts `work` at once, as a task of its own. The runtime owns it if
/// the await is cancelled.
template <class T>
detail::shield_task_awaiter<T> shield(task<T> work) {
  return detail::shield_task_awaiter<T>(spawn(std::move(work)));
}

}  // namespace weft
