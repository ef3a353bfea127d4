#pragma once

// An operation on a descriptor: the awaiter of every read, write, accept and connect.
//
// The system call is tried first, where readiness is not known to be absent; on EAGAIN the
// operation parks in its slot. After an event the call is tried again *before* the coroutine is
// resumed (retry_node), so a spurious event never resumes user code, and a cancelled read has
// consumed nothing.

#include "io_source.h"
#include "wait_node.h"

#include <coroutine>
#include <cstdint>

namespace weft::detail {

/// What task_state::leaf points to (tagged leaf_tag::retry) while an operation has to be tried
/// again.
struct retry_node {
  std::coroutine_handle<> waiter;
  /// True: resume `waiter`. False: it waits again and may run elsewhere already.
  bool (*retry)(retry_node& self) noexcept = nullptr;
};

/// Registers a source with the poller of this worker. 0 or an errno. Defined by the worker.
int register_source(io_source& source) noexcept;

enum class io_progress : std::uint8_t { done, blocked };

/// Non-template core. The derived operation sets `step`, which makes system calls until it is done
/// or blocked, and leaves its result (a count, or a negative errno) in `value`.
///
/// Cancellation: takes nothing (a read that was cancelled consumed no byte); write_all may have
/// transferred part.
/// Cost: no allocation, and only the system calls that move data.
class io_operation : public wait_node, public retry_node, public io_waiter {
 public:
  using step_function = io_progress (*)(io_operation& self) noexcept;

  bool await_ready() {
    if (awaited) [[unlikely]]
      throw_awaited_twice();
    awaited = true;
    return false;  // all is done in await_suspend: one place that makes system calls
  }
  bool await_suspend(std::coroutine_handle<> handle) noexcept;

 protected:
  io_operation(io_source* source, io_direction direction, step_function step) noexcept
      : source_(source), step_(step), direction_(direction) {
    if (source != nullptr) generation_ = source->generation();
  }

  /// Throws cancelled_error or timeout_error if the wait was ended; else the operation has its
  /// value.
  void check_outcome() const {
    if (outcome != wait_outcome::completed) [[unlikely]]
      throw_interrupted(outcome);
  }

  io_source* source_;
  std::int64_t value = 0;

 private:
  bool advance() noexcept;
  bool attempt() noexcept;
  bool attempt_in_group() noexcept;
  bool park() noexcept;
  static bool retry_operation(retry_node& self) noexcept;
  static void on_ready(io_waiter& self) noexcept;
  static unlink_result unlink_operation(wait_node& self) noexcept;

  step_function step_;
  std::uint32_t generation_ = 0;
  io_direction direction_;
  bool finished_ = false;

 public:
  io_operation(io_operation&& other) noexcept
      : wait_node(other),
        retry_node(other),
        io_waiter(other),
        source_(other.source_),
        value(other.value),
        step_(other.step_),
        generation_(other.generation_),
        direction_(other.direction_) {}
  io_operation& operator=(io_operation&&) = delete;
  ~io_operation() = default;
};

}  // namespace weft::detail
