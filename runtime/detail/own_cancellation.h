#pragma once

#include "interrupt_scope.h"

#include <cassert>

namespace weft::detail {

/// One cancellation that a part of the library makes of the task that it works for: a limit that has
/// passed, a task group with a child that failed. It is told from those of others, and taken back.
///
/// asyncio's rule decides whose it was: on the way out the own request is taken back, and the
/// cancellation was the own one only if no more requests are left than had been delivered on the way
/// in.
///
/// Behind a shield a request would wait until the shield is gone. There it is a scope of the task that
/// raises once: what has been postponed stays so. Of several such that were raised the outermost one
/// is told, by the same rule.
class own_cancellation {
 public:
  own_cancellation() noexcept = default;
  own_cancellation(const own_cancellation&) = delete;
  own_cancellation& operator=(const own_cancellation&) = delete;
  ~own_cancellation() { assert(!active_); }

  /// Begins for the running task.
  void begin() noexcept;
  /// Once, between begin and end. Any thread.
  void raise() noexcept;
  /// Ends it, when nobody can raise it any more. By the task. True: it was raised, and no other
  /// cancellation is under way; a cancelled_error from inside stands for it.
  bool end() noexcept;

  [[nodiscard]] bool active() const noexcept { return active_; }
  [[nodiscard]] bool raised() const noexcept { return scope_.has_expired(); }
  [[nodiscard]] task_state& task() const noexcept { return *scope_.task; }

 private:
  interrupt_scope scope_;     // entered behind a shield only; `expired` tells in any case
  int cancelled_before_ = 0;  // requests; behind a shield, scopes
  bool shielded_ = false;
  bool active_ = false;
};

}  // namespace weft::detail
