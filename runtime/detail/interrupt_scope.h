#pragma once

#include "task_state.h"

#include <cstdint>

namespace weft::detail {

/// A region of a task that somebody can end from outside: a deadline, a cancel scope. While it is
/// entered and has expired, every suspension of the task raises; or, for `cancellation_once`, one.
///
/// The list of a task's scopes belongs to the task, and to a canceller while that has the task
/// BUSY; `expired` is set on any thread.
struct interrupt_scope {
  enum class raises : std::uint8_t { timeout, cancellation, cancellation_once };

  interrupt_scope* outer = nullptr;
  task_state* task = nullptr;
  raises what = raises::timeout;
  bool shields = false;  // what comes from outside of it waits until it is left
  bool spent = false;    // cancellation_once: it was raised
  //   written by  timers and cancellers, on any thread, before they raise LEVEL
  //   read by     the task, any number of times
  //   pairing     with LEVEL: who has seen that sees this, so a timer, which brings nothing else,
  //               stores relaxed. A canceller's store is at least release, and the load acquire: who
  //               sees that a scope was cancelled sees what the canceller did before
  atomic<bool> expired{false};

  [[nodiscard]] bool has_expired() const noexcept {
    return expired.load(std::memory_order_acquire);  // acquire: see expired
  }
  /// Owner, or a canceller of the BUSY task.
  [[nodiscard]] bool raises_now() const noexcept { return has_expired() && !spent; }
};

/// Enters and leaves a scope of the running task, innermost last. Throws invalid_state_error
/// outside of a task.
void enter_scope(interrupt_scope& scope);
void leave_scope(interrupt_scope& scope) noexcept;
/// Owner only: puts the shield up or down.
void set_shield(interrupt_scope& scope, bool on) noexcept;

/// Has a scope expired that no scope inside of it shields from? Owner, or a canceller of the BUSY
/// task.
bool scope_raises(const task_state& task) noexcept;
/// ... how many of those, from `innermost` outwards, stand for a cancellation, raised or not yet? And
/// how many for one that was raised for good?
int cancelled_scopes(const interrupt_scope* innermost) noexcept;
int spent_scopes(const interrupt_scope* innermost) noexcept;
/// Does one raise a cancellation now, which outweighs a time-out? One exception stands for all
/// that raise once: they are spent. Owner.
bool take_scope_cancellation(task_state& task) noexcept;
/// The time-out of a deadline that encloses the caller, on its way out.
bool is_own_timeout(const std::exception_ptr& error, const task_state& owner) noexcept;

}  // namespace weft::detail
