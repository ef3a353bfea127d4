#pragma once

#include "detail/task_state.h"

#include <stop_token>

namespace weft {

namespace detail {

/// Keeps the header of the running task, not its frame, alive.
class held_task {
 public:
  /// Throws std::logic_error: "`operation` outside of a task".
  explicit held_task(const char* operation);
  held_task(const held_task&) = delete;
  held_task& operator=(const held_task&) = delete;
  ~held_task() { drop_handle(*task_); }
  [[nodiscard]] task_state& get() const noexcept { return *task_; }

 private:
  task_state* task_;
};

}  // namespace detail

/// While it lives, a stop request on the token cancels the task that made it, once. At once if
/// there was one already: then the next await that suspends throws.
///
/// Threads: made by the task; the token may be triggered anywhere. The destructor waits for a
/// request that is under way on another thread (as std::stop_callback), which never takes long.
/// Cost: no allocation.
class [[nodiscard]] cancel_on {
 public:
  explicit cancel_on(std::stop_token token)
      : task_("cancel_on"), callback_(std::move(token), canceller{&task_.get()}) {}
  cancel_on(const cancel_on&) = delete;
  cancel_on& operator=(const cancel_on&) = delete;
  ~cancel_on() = default;

 private:
  struct canceller {
    detail::task_state* task;
    void operator()() const noexcept { detail::cancel(*task); }
  };

  detail::held_task task_;
  std::stop_callback<canceller> callback_;
};

namespace this_task {

/// A token that is triggered when this task is cancelled: for code that knows std::stop_token and
/// runs, maybe on other threads, on the task's behalf. Callbacks on it run on the thread that
/// cancels. If the task takes its cancellation back (uncancel to zero, or a timeout that was its
/// own), tokens given so far stay triggered and new ones are not. Throws std::logic_error outside
/// of a task.
/// Cost: one allocation a task.
std::stop_token stop_token();

}  // namespace this_task
}  // namespace weft
