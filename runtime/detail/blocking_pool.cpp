#include "blocking_pool.h"

#include "chaos.h"
#include "sys.h"
#include "threads.h"

#include <exception>
#include <mutex>
#include <new>

namespace weft::detail {

/// What the pool and its threads share.
class blocking_pool::core {
 public:
  core(std::size_t threads_max, std::chrono::milliseconds keep_alive) noexcept
      : threads_max_(threads_max == 0 ? 1 : threads_max), keep_alive_(keep_alive) {}

  /// `self` is this core: threads that are started share it.
  bool submit(blocking_job& job, const std::shared_ptr<core>& self) noexcept;
  bool withdraw(blocking_job& job) noexcept;
  std::size_t stop(std::chrono::steady_clock::time_point until) noexcept;
  std::size_t threads() const noexcept;
  std::size_t pending() const noexcept;
  bool busy() const noexcept { return in_hand() > 0; }

 private:
  using lock_type = std::unique_lock<os_mutex>;

  struct thread_node : list_node {
    os_thread thread;
    parker wake;
    bool idle = false;  // in idle_, else in working_ or departed_
  };

  // Called with mutex_ held; those that are given the lock may release it meanwhile.
  [[nodiscard]] thread_node* send_thread(const std::shared_ptr<core>& self) noexcept;
  bool start_thread(const std::shared_ptr<core>& self) noexcept;
  thread_node* pop_idle() noexcept;
  void leave_idle(thread_node& node) noexcept;
  bool sleep(thread_node& self, lock_type& lock) noexcept;
  void end_call(bool self_contained) noexcept;
  void depart(thread_node& self) noexcept;
  void join_departed() noexcept;
  std::size_t abandon_threads() noexcept;
  [[nodiscard]] std::size_t in_hand() const noexcept {
    return pending_.load(std::memory_order_relaxed);
  }

  void serve(thread_node& self, const std::shared_ptr<core>& shared) noexcept;
  void run_jobs(lock_type& lock, const std::shared_ptr<core>& shared) noexcept;

  const std::size_t threads_max_;
  const std::chrono::milliseconds keep_alive_;

  mutable os_mutex mutex_;
  // Guarded by mutex_.
  intrusive_list<blocking_job> queue_;
  intrusive_list<thread_node> idle_;  // the one that slept last in front
  intrusive_list<thread_node> working_;
  intrusive_list<thread_node> departed_;  // ended or about to: to be joined
  os_condition changed_;                  // for stop(): a call or a thread has ended
  std::size_t threads_ = 0;
  //   written by  who holds mutex_
  //   read by     who holds mutex_; busy(), on any thread
  //   pairing     none; relaxed: the mutex orders it, and busy() is a hint
  atomic<std::size_t> pending_{0};
  std::size_t awaited_ = 0;  // of the pending ones, those that are not self-contained
  // A thread was woken or started and has not looked into the queue since.
  bool one_on_its_way_ = false;
  bool stopped_ = false;
};

// ---- Jobs come ----------------------------------------------------------------------------------

bool blocking_pool::core::submit(blocking_job& job, const std::shared_ptr<core>& self) noexcept {
  thread_node* woken = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_ || (threads_ == 0 && !start_thread(self))) return false;
    queue_.push_back(job);
    pending_.store(in_hand() + 1, std::memory_order_relaxed);
    if (!job.self_contained) ++awaited_;
    woken = send_thread(self);
  }
  chaos::point();
  if (woken != nullptr) woken->wake.unpark();
  return true;
}

bool blocking_pool::core::withdraw(blocking_job& job) noexcept {
  const std::lock_guard lock(mutex_);
  if (!job.linked()) return false;
  intrusive_list<blocking_job>::unlink(job);
  end_call(job.self_contained);
  return true;
}

void blocking_pool::core::end_call(bool self_contained) noexcept {
  pending_.store(in_hand() - 1, std::memory_order_relaxed);
  if (!self_contained) --awaited_;
  if (stopped_) changed_.notify_all();
}

/// Sees to it that one thread is on its way to the queue, if there is any to be had. The caller
/// wakes the one it is given, without the lock.
blocking_pool::core::thread_node* blocking_pool::core::send_thread(
    const std::shared_ptr<core>& self) noexcept {
  if (one_on_its_way_) return nullptr;
  if (thread_node* idle = pop_idle()) {
    one_on_its_way_ = true;
    return idle;
  }
  if (threads_ < threads_max_) (void)start_thread(self);
  return nullptr;
}

bool blocking_pool::core::start_thread(const std::shared_ptr<core>& self) noexcept {
  if (const auto ask = sys::interposer.load(std::memory_order_relaxed);
      ask != nullptr && ask(sys::call::thread_start, -1) != 0) {
    return false;
  }
  auto* made = new (std::nothrow) thread_node;
  if (made == nullptr) return false;
  try {
    const sys::all_signals_blocked blocked;
    // It waits for mutex_ first, which we hold until the node is complete.
    made->thread = os_thread([made, shared = self] { shared->serve(*made, shared); });
  } catch (const std::exception&) {
    delete made;
    return false;
  }
  working_.push_back(*made);
  ++threads_;
  one_on_its_way_ = true;
  return true;
}

// ---- A thread -----------------------------------------------------------------------------------

void blocking_pool::core::serve(thread_node& self, const std::shared_ptr<core>& shared) noexcept {
  lock_type lock(mutex_);
  one_on_its_way_ = false;
  do {
    run_jobs(lock, shared);
  } while (sleep(self, lock));
  depart(self);
}

/// Runs jobs until there are none.
void blocking_pool::core::run_jobs(lock_type& lock, const std::shared_ptr<core>& shared) noexcept {
  while (blocking_job* job = queue_.pop_front()) {
    thread_node* woken = queue_.empty() ? nullptr : send_thread(shared);
    lock.unlock();
    if (woken != nullptr) woken->wake.unpark();
    const bool self_contained = job->self_contained;
    job->run(*job);
    chaos::point();
    lock.lock();
    end_call(self_contained);
  }
}

/// False: nobody needed this thread for the keep-alive, or the pool stops.
bool blocking_pool::core::sleep(thread_node& self, lock_type& lock) noexcept {
  if (stopped_) return false;
  intrusive_list<thread_node>::unlink(self);
  idle_.push_front(self);
  self.idle = true;
  lock.unlock();
  self.wake.spin();
  bool woken = self.wake.park_until(std::chrono::steady_clock::now() + keep_alive_);
  lock.lock();
  if (!woken && !self.idle) {  // the one who chose us is about to wake us
    lock.unlock();
    self.wake.park();
    lock.lock();
    woken = true;
  }
  if (woken) {
    one_on_its_way_ = false;
  } else {
    leave_idle(self);
  }
  return woken || !queue_.empty();
}

blocking_pool::core::thread_node* blocking_pool::core::pop_idle() noexcept {
  if (idle_.empty()) return nullptr;
  thread_node& last = *idle_.front();
  leave_idle(last);
  return &last;
}

void blocking_pool::core::leave_idle(thread_node& node) noexcept {
  intrusive_list<thread_node>::unlink(node);
  node.idle = false;
  working_.push_back(node);
}

/// The last look at the core: afterwards it may be gone.
void blocking_pool::core::depart(thread_node& self) noexcept {
  join_departed();
  intrusive_list<thread_node>::unlink(self);
  if (self.thread.joinable()) {
    departed_.push_back(self);
  } else {
    delete &self;  // abandoned
  }
  --threads_;
  if (stopped_) changed_.notify_all();
}

/// Threads that have left are joined by the next one to leave, or by stop().
void blocking_pool::core::join_departed() noexcept {
  while (thread_node* gone = departed_.pop_front()) {
    gone->thread.join();
    delete gone;
  }
}

// ---- Stop ---------------------------------------------------------------------------------------

std::size_t blocking_pool::core::stop(std::chrono::steady_clock::time_point until) noexcept {
  lock_type lock(mutex_);
  stopped_ = true;
  while (thread_node* idle = pop_idle()) idle->wake.unpark();
  changed_.wait_until(lock, until, [this] { return threads_ == 0; });
  // From now on only calls that somebody waits for, and threads that are in no call.
  changed_.wait(lock, [this] { return awaited_ == 0 && threads_ <= in_hand(); });
  join_departed();
  return abandon_threads();
}

/// Those in calls that nobody waits for: they end by themselves.
std::size_t blocking_pool::core::abandon_threads() noexcept {
  for (thread_node* each = working_.front(); each != nullptr; each = working_.after(*each)) {
    if (each->thread.joinable()) each->thread.detach();
  }
  return threads_;
}

std::size_t blocking_pool::core::threads() const noexcept {
  const std::lock_guard lock(mutex_);
  return threads_;
}

std::size_t blocking_pool::core::pending() const noexcept {
  const std::lock_guard lock(mutex_);
  return in_hand();
}

// ---- The pool -----------------------------------------------------------------------------------

blocking_pool::blocking_pool(std::size_t threads_max, std::chrono::milliseconds keep_alive)
    : core_(std::make_shared<core>(threads_max, keep_alive)) {}

blocking_pool::~blocking_pool() {
  (void)stop(std::chrono::steady_clock::now());
}

bool blocking_pool::submit(blocking_job& job) noexcept {
  return core_->submit(job, core_);
}

bool blocking_pool::withdraw(blocking_job& job) noexcept {
  return core_->withdraw(job);
}

std::size_t blocking_pool::stop(std::chrono::steady_clock::time_point until) noexcept {
  return core_->stop(until);
}

std::size_t blocking_pool::threads() const noexcept {
  return core_->threads();
}

std::size_t blocking_pool::pending() const noexcept {
  return core_->pending();
}

bool blocking_pool::busy() const noexcept {
  return core_->busy();
}

}  // namespace weft::detail
