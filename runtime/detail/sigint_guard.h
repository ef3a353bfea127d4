#pragma once

// Ctrl-C as asyncio.run answers it: the first SIGINT cancels the main task, a second one ends the
// process at once.
//
// The signal handler sets a flag of the scheduler and wakes a worker, who does the rest. One guard
// at a time has the signal: the first one that finds the default disposition. It belongs to the
// process, so that of several runtimes at once the others know nothing of it.
//
// Rejected: a pipe as in signal_set, because a registered descriptor makes busy workers poll.

#include "task_state.h"

namespace weft::detail {

class scheduler;

class sigint_guard {
 public:
  /// Has no effect where the program has a handler of its own or ignores the signal, and while
  /// another guard lives. The caller holds `main` for as long.
  sigint_guard(scheduler& on, task_state& main) noexcept;
  sigint_guard(const sigint_guard&) = delete;
  sigint_guard& operator=(const sigint_guard&) = delete;
  ~sigint_guard() { (void)finish(); }

  /// Gives the signal back. True: it has come, and the main task was asked to stop.
  [[nodiscard]] bool finish() noexcept;

 private:
  scheduler& on_;
  bool armed_ = false;
};

}  // namespace weft::detail
