#include "blocking_pool.h"

#include "chaos.h"
#include "sys.h"

#include <cerrno>
#include <new>
#include <system_error>
#include <utility>

#include <pthread.h>
#include <signal.h>

namespace weft::detail {

struct blocking_pool::worker_thread : list_node {
  os_thread thread;
  os_condition wake;
  blocking_job* handed = nullptr;  // guarded by the pool's mutex
};

blocking_pool::blocking_pool(std::size_t threads_max, std::chrono::milliseconds keep_alive) noexcept
    : threads_max_(threads_max == 0 ? 1 : threads_max), keep_alive_(keep_alive) {}

blocking_pool::~blocking_pool() {
  stop();
}

bool blocking_pool::submit(blocking_job& job) noexcept {
  const std::lock_guard lock(mutex_);
  if (stopped_) return false;
  if (worker_thread* idle = idle_.pop_front()) {
    idle->handed = &job;
    idle->wake.notify_one();  // under the lock: afterwards the thread may end
  } else if (threads_ >= threads_max_ || !start_thread(job)) {
    if (threads_ == 0) return false;
    queue_.push_back(job);
  }
  ++pending_;
  return true;
}

bool blocking_pool::withdraw(blocking_job& job) noexcept {
  const std::lock_guard lock(mutex_);
  if (!job.linked()) return false;
  intrusive_list<blocking_job>::unlink(job);
  --pending_;
  return true;
}

/// Called with mutex_ held.
bool blocking_pool::start_thread(blocking_job& first) noexcept {
  if (const auto ask = sys::interposer.load(std::memory_order_relaxed);
      ask != nullptr && ask(sys::call::thread_start, -1) != 0) {
    return false;
  }
  auto* made = new (std::nothrow) worker_thread;
  if (made == nullptr) return false;
  // Signals belong to the threads of the program: a pool thread takes none.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = true;
  try {
    made->thread = os_thread([this, made, job = &first] { serve(*made, job); });
  } catch (const std::system_error&) {
    started = false;
    delete made;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (started) ++threads_;
  return started;
}

void blocking_pool::serve(worker_thread& self, blocking_job* first) noexcept {
  blocking_job* job = first;
  {
    // The starter holds the mutex until the thread object is complete.
    const std::lock_guard lock(mutex_);
  }
  while (job != nullptr) {
    job->run(*job);
    chaos::point();
    std::unique_lock lock(mutex_);
    --pending_;
    job = next_job(self, lock);
  }
}

/// The next job for this thread, or null when it has to end. Called with mutex_ held.
blocking_job* blocking_pool::next_job(worker_thread& self,
                                      std::unique_lock<os_mutex>& lock) noexcept {
  if (blocking_job* queued = queue_.pop_front()) return queued;
  if (!stopped_) {
    idle_.push_front(self);
    const auto until = std::chrono::steady_clock::now() + keep_alive_;
    while (self.handed == nullptr && !stopped_ &&
           self.wake.wait_until(lock, until) != std::cv_status::timeout) {
    }
    if (blocking_job* handed = std::exchange(self.handed, nullptr)) return handed;
    if (self.linked()) intrusive_list<worker_thread>::unlink(self);
    if (blocking_job* queued = queue_.pop_front()) return queued;
  }
  join_departed();
  departed_.push_back(self);
  if (--threads_ == 0) all_ended_.notify_all();
  return nullptr;
}

/// Threads that have left are joined by the next one to leave, or by stop().
void blocking_pool::join_departed() noexcept {
  while (worker_thread* gone = departed_.pop_front()) {
    gone->thread.join();
    delete gone;
  }
}

void blocking_pool::stop() noexcept {
  std::unique_lock lock(mutex_);
  stopped_ = true;
  while (worker_thread* idle = idle_.pop_front()) idle->wake.notify_one();
  all_ended_.wait(lock, [this] { return threads_ == 0; });
  join_departed();
}

std::size_t blocking_pool::threads() const noexcept {
  const std::lock_guard lock(mutex_);
  return threads_;
}

std::size_t blocking_pool::pending() const noexcept {
  const std::lock_guard lock(mutex_);
  return pending_;
}

}  // namespace weft::detail
