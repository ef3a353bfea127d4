#pragma once

// Threads for blocking calls: to_thread and file operations. A runtime has a second pool for name
// look-ups: they do not wait behind calls of the program, nor these behind servers that are silent.
//
// A job is an intrusive node in the object that waits for it, so submitting allocates nothing. Jobs
// lie in one queue, first in first out, without bound in the pool itself: each belongs to a task
// that awaits it. Idle threads form a stack: the one that slept last has the warmest caches.
//
// Waking: at most one thread at a time is on its way to the queue. Whoever finds it empty of such a
// thread sends one, an idle one or a new one: submit() does, and so does a thread that takes a job
// and leaves others behind, before it runs its own, which may block. So every job gets a thread of
// its own soon, as long as there are threads; and many short jobs are run by few threads, without a
// wake-up each. A thread is woken through its own parker, after the lock is released: it does not
// run into the lock of the one who wakes it.
//
// Before it sleeps a thread spins for some microseconds: a task that makes one call after the other
// submits the next one right after the answer (its worker spins for that, see worker.h), and then
// neither side makes a system call.
//
// A thread that has been idle for the keep-alive ends. Popping it from the stack and its look
// whether it is still there happen under the lock, so a wake-up never goes to one that is leaving.
//
// Stop: what is queued runs to its end, the threads are joined. Calls that nobody waits for any
// more, which run on beyond the time limit, are left alone: their threads own the core together
// with the pool, and end by themselves.
//
// Rejected: one condition variable for all (a herd, and a lost wake-up when a timed-out thread
// consumes it); a wake-up a job (100 short jobs cost 100 wake-ups, where four do); jobs handed to a
// thread in particular (they wait for that thread to wake while another one becomes free).

#include "blocking_job.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace weft::detail {

class blocking_pool {
 public:
  blocking_pool(std::size_t threads_max, std::chrono::milliseconds keep_alive);
  /// Stops it, whatever time the running calls take.
  ~blocking_pool();
  blocking_pool(const blocking_pool&) = delete;
  blocking_pool& operator=(const blocking_pool&) = delete;

  /// Any thread. False: no thread runs and none can be started (the job was not taken), or the pool
  /// is stopped.
  [[nodiscard]] bool submit(blocking_job& job) noexcept;
  /// True: the job had not begun and never will.
  bool withdraw(blocking_job& job) noexcept;

  /// Refuses what comes later, runs what is queued to its end, and joins all threads. Once `until`
  /// has passed it waits only for calls that are not self-contained. Idempotent. Returns the number
  /// of calls that it has left running.
  std::size_t stop(std::chrono::steady_clock::time_point until) noexcept;

  [[nodiscard]] std::size_t threads() const noexcept;
  /// Jobs queued or running.
  [[nodiscard]] std::size_t pending() const noexcept;
  /// Is there any? A look without order and without the lock.
  [[nodiscard]] bool busy() const noexcept;

 private:
  class core;
  std::shared_ptr<core> core_;
};

}  // namespace weft::detail
