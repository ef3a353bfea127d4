#pragma once

#include "task_state.h"
#include "threads.h"

#include <chrono>

namespace weft::detail {

/// How a thread that is not a worker waits for the end of a task: register it with add_waiter, then
/// wait.
class blocking_waiter : public completion_waiter {
 public:
  blocking_waiter() noexcept;
  /// True: done in time.
  bool wait_until(std::chrono::steady_clock::time_point when);
  void wait();

 private:
  os_mutex mutex_;
  os_condition changed_;
  bool done_ = false;  // guarded by mutex_
};

}  // namespace weft::detail
