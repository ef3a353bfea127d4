#pragma once

#include "atomic.h"
#include "task_state.h"

#include <span>

namespace weft::detail {

/// Tells an operation of the end of a task that somebody else owns, and can be taken back at any
/// time. One of several: `owner` is the operation that waits for all of them.
///
/// The handle on the task stays alive until stop() has returned.
struct handle_observer : completion_waiter {
  void* owner = nullptr;
  task_state* observed = nullptr;
  //   written by  the completing thread at the end of on_done (release)
  //   read by     stop() (acquire), which spins
  atomic<bool> told{false};
  bool registered = false;  // the waiting task's

  explicit handle_observer(task_state* task) noexcept : observed(task) {}
  handle_observer(handle_observer&& other) noexcept : observed(other.observed) {}
  handle_observer& operator=(handle_observer&&) = delete;
  ~handle_observer() = default;

  /// Calls on_done(*this, task) when the task is done: on the thread that completes it, or here and
  /// now. on_done ends with end_call().
  void start(void* for_whom, void (*on_done)(completion_waiter&, task_state&) noexcept) noexcept;
  void end_call() noexcept { told.store(true, std::memory_order_release); }  // release: see told
  /// When it returns, on_done has been called, or never will be.
  void stop() noexcept;
};

/// Before anybody waits: throws invalid_state_error for an empty handle ("`operation` of an empty
/// join_handle") and for that of the running task.
void check_handles(std::span<const handle_observer> observers, const char* operation);

}  // namespace weft::detail
