#include "threads.h"

#include "race_detector.h"

namespace weft::detail {

namespace execution = model::execution;

void os_mutex::lock() noexcept {
  execution::point(true);
  execution::opaque();
  if (model::race_detector::is_freed(this)) execution::fail("a mutex in freed memory is locked");
  while (held_) (void)execution::wait_in(waiting_, false);
  held_ = true;
  execution::clock().join(released_);
}

bool os_mutex::try_lock() noexcept {
  execution::point(true);
  execution::opaque();
  if (held_) return false;
  held_ = true;
  execution::clock().join(released_);
  return true;
}

void os_mutex::unlock() noexcept {
  execution::opaque();
  if (!held_) execution::fail("a mutex is unlocked that nobody has locked");
  released_ = execution::clock();
  ++execution::clock().at[execution::current()];
  held_ = false;
  execution::wake_all(waiting_);
}

void os_condition::notify_one() noexcept {
  execution::opaque();
  if (model::race_detector::is_freed(this))
    execution::fail("a condition in freed memory is notified");
  execution::wake_one(waiting_);
}

void os_condition::notify_all() noexcept {
  execution::opaque();
  if (model::race_detector::is_freed(this))
    execution::fail("a condition in freed memory is notified");
  execution::wake_all(waiting_);
}

std::cv_status os_condition::wait_here(std::unique_lock<os_mutex>& lock, bool timed) noexcept {
  lock.unlock();
  const execution::wait_end end = execution::wait_in(waiting_, timed);
  lock.lock();
  return end == execution::wait_end::timed_out ? std::cv_status::timeout
                                               : std::cv_status::no_timeout;
}

void os_thread::join() noexcept {
  execution::join_thread(std::exchange(number_, none));
}

unsigned os_thread::start(void (*run)(void*), void* body) noexcept {
  return execution::start_thread(run, body);
}

}  // namespace weft::detail
