#include "blocking_waiter.h"

#include <mutex>

namespace weft::detail {

blocking_waiter::blocking_waiter() noexcept {
  on_done = [](completion_waiter& self, task_state&) noexcept {
    auto& waiter = static_cast<blocking_waiter&>(self);
    const std::lock_guard lock(waiter.mutex_);
    waiter.done_ = true;
    waiter.changed_.notify_all();  // under the lock: afterwards the waiter may be gone
  };
}

void blocking_waiter::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return done_; });
}

bool blocking_waiter::wait_until(std::chrono::steady_clock::time_point when) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, when, [this] { return done_; });
}

}  // namespace weft::detail
