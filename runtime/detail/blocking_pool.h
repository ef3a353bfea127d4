#pragma once

// Threads for blocking calls: to_thread, name resolution, file operations.
//
// A job is an intrusive node in the object that waits for it, so submitting allocates nothing. Idle
// threads form a stack: the one that slept last is handed the next job directly, through its own
// slot and its own condition variable, so one job wakes one thread with warm caches, and a thread
// whose keep-alive ends can not take a wake-up with it: "push, hand over, or start a thread" is one
// critical section. With no idle thread and fewer than the maximum, a thread is started; beyond
// that jobs queue first in first out, without bound in the pool itself: each waits for a task that
// awaits it.
//
// Rejected: one condition variable for all (a herd, and a lost wake-up when a timed-out thread
// consumes it).

#include "intrusive_list.h"
#include "threads.h"

#include <chrono>
#include <cstddef>
#include <mutex>

namespace weft::detail {

/// One call to make. run() happens once, on a pool thread; the job may be gone when it returns.
struct blocking_job : list_node {
  void (*run)(blocking_job& self) noexcept = nullptr;
};

class blocking_pool {
 public:
  blocking_pool(std::size_t threads_max, std::chrono::milliseconds keep_alive) noexcept;
  ~blocking_pool();
  blocking_pool(const blocking_pool&) = delete;
  blocking_pool& operator=(const blocking_pool&) = delete;

  /// Any thread. False: no thread runs and none can be started (the job was not taken), or the pool
  /// is stopped.
  [[nodiscard]] bool submit(blocking_job& job) noexcept;
  /// True: the job had not begun and never will.
  bool withdraw(blocking_job& job) noexcept;

  /// Runs what is queued to its end, joins all threads, refuses what comes later. Idempotent.
  void stop() noexcept;

  [[nodiscard]] std::size_t threads() const noexcept;
  /// Jobs queued or running.
  [[nodiscard]] std::size_t pending() const noexcept;

 private:
  struct worker_thread;

  bool start_thread(blocking_job& first) noexcept;
  void serve(worker_thread& self, blocking_job* first) noexcept;
  blocking_job* next_job(worker_thread& self, std::unique_lock<os_mutex>& lock) noexcept;
  void join_departed() noexcept;

  const std::size_t threads_max_;
  const std::chrono::milliseconds keep_alive_;

  mutable os_mutex mutex_;
  // Guarded by mutex_.
  intrusive_list<blocking_job> queue_;
  intrusive_list<worker_thread> idle_;      // the one that slept last in front
  intrusive_list<worker_thread> departed_;  // ended or about to: to be joined
  os_condition all_ended_;
  std::size_t threads_ = 0;
  std::size_t pending_ = 0;
  bool stopped_ = false;
};

}  // namespace weft::detail
