#include "executor.h"

#include "detail/address_space.h"
#include "detail/io_operation.h"
#include "detail/scheduler.h"
#include "detail/sys.h"
#include "spawn.h"

#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>
#include <signal.h>

namespace weft {

// ---- executor -----------------------------------------------------------------------------------

void executor::enqueue(detail::executor_job& job) {
  post(
      [](void* self) {
        auto& queued = *static_cast<detail::executor_job*>(self);
        queued.run(queued);
      },
      &job);
}

bool executor::withdraw(detail::executor_job&) noexcept {
  return false;
}

// ---- thread_pool_executor -----------------------------------------------------------------------

namespace {

/// Signals belong to the threads of the program: threads started meanwhile take none.
class signals_blocked {
 public:
  signals_blocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~signals_blocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  signals_blocked(const signals_blocked&) = delete;
  signals_blocked& operator=(const signals_blocked&) = delete;

 private:
  sigset_t before_;
};

/// A job from submit(), in memory of its own.
struct posted_job : detail::executor_job {
  posted_job(void (*call)(void*), void* with) noexcept : function(call), argument(with) {
    run = [](executor_job& self) noexcept {
      const std::unique_ptr<posted_job> job(static_cast<posted_job*>(&self));
      job->function(job->argument);
    };
  }
  void (*function)(void*);
  void* argument;
};

}  // namespace

/// What the threads share. They keep it alive, so that a pool may even be destroyed on one of them.
struct thread_pool_executor::core {
  std::size_t queue_limit = 0;       // immutable
  std::vector<std::thread> threads;  // owner only

  std::mutex mutex;
  std::condition_variable changed;
  // Guarded by mutex.
  detail::intrusive_list<detail::executor_job> queue;
  std::size_t queued = 0;
  bool stopping = false;

  void push(detail::executor_job& job) noexcept {
    queue.push_back(job);
    ++queued;
    changed.notify_one();
  }
  detail::executor_job* pop() noexcept {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return queued > 0 || stopping; });
    detail::executor_job* job = queue.pop_front();
    if (job != nullptr) --queued;
    return job;
  }
  void serve() noexcept {
    while (detail::executor_job* job = pop()) job->run(*job);
  }
  void stop() noexcept {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
      changed.notify_all();
    }
    for (std::thread& each : threads) {
      if (each.get_id() == std::this_thread::get_id()) {
        each.detach();
      } else {
        each.join();
      }
    }
    threads.clear();
  }
};

thread_pool_executor::thread_pool_executor(std::size_t threads, thread_pool_options options)
    : core_(std::make_shared<core>()) {
  if (threads == 0) throw std::invalid_argument("thread_pool_executor: at least one thread");
  core_->queue_limit = options.queue_limit;
  const signals_blocked none_for_us;
  try {
    for (std::size_t i = 0; i < threads; ++i) {
      const auto ask = detail::sys::interposer.load(std::memory_order_relaxed);
      if (const int error = ask == nullptr ? 0 : ask(detail::sys::call::thread_start, -1)) {
        throw std::system_error(error, std::system_category());
      }
      core_->threads.emplace_back([shared = core_] { shared->serve(); });
    }
  } catch (const std::system_error& error) {  // those that did start must end
    const std::string which = "a thread_pool_executor, after " +
                              std::to_string(core_->threads.size()) + " of " +
                              std::to_string(threads);
    core_->stop();
    detail::throw_no_thread(error.code().value(), which);
  } catch (...) {  // as above
    core_->stop();
    throw;
  }
}

thread_pool_executor::~thread_pool_executor() {
  core_->stop();
}

std::size_t thread_pool_executor::threads() const noexcept {
  return core_->threads.size();
}

std::size_t thread_pool_executor::queued_approx() const noexcept {
  const std::lock_guard lock(core_->mutex);
  return core_->queued;
}

void thread_pool_executor::post(void (*run)(void*), void* job) {
  auto posted = std::make_unique<posted_job>(run, job);
  const std::lock_guard lock(core_->mutex);
  if (core_->queue_limit != 0 && core_->queued >= core_->queue_limit) throw queue_full();
  core_->push(*posted.release());
}

void thread_pool_executor::enqueue(detail::executor_job& job) {
  const std::lock_guard lock(core_->mutex);
  core_->push(job);
}

bool thread_pool_executor::withdraw(detail::executor_job& job) noexcept {
  const std::lock_guard lock(core_->mutex);
  if (!job.linked()) return false;
  detail::intrusive_list<detail::executor_job>::unlink(job);
  --core_->queued;
  return true;
}

namespace detail {

void away_mark::set() noexcept {
  if (here.task != nullptr) {
    runtime_ = here.task->runtime;
  } else if (worker* self = worker::current()) {
    runtime_ = self->home().index();
  } else {
    return;
  }
  scheduler::away(static_cast<std::uint8_t>(runtime_)).fetch_add(1, std::memory_order_relaxed);
}

void away_mark::clear() noexcept {
  const int runtime = std::exchange(runtime_, nowhere);
  if (runtime == nowhere) return;
  // The runtime may be gone, but not the count. release: see scheduler::away.
  scheduler::away(static_cast<std::uint8_t>(runtime)).fetch_sub(1, std::memory_order_release);
}

// ---- executor_wait ------------------------------------------------------------------------------

bool executor_wait::publish() noexcept {
  unlink = waits<withdraw_or_stop, "run_in_executor()">;
  run = run_here;
  if (interrupted(*task)) return true;                     // its wait ends as soon as it begins
  phase_.store(phase::queued, std::memory_order_relaxed);  // published with the job
  away_.set();
  try {
    where_->enqueue(*this);
  } catch (...) {  // the awaiting coroutine gets it
    refused_ = std::current_exception();
    return false;
  }
  return true;
}

void executor_wait::take() const {
  if (refused_ != nullptr) std::rethrow_exception(refused_);
  if (phase_.load(std::memory_order_relaxed) != phase::skipped) return;
  deliver_request();
  throw cancelled_error();
}

void executor_wait::run_here(executor_job& self) noexcept {
  auto& wait = static_cast<executor_wait&>(self);
  phase expected = phase::queued;
  if (wait.phase_.compare_exchange_strong(expected, phase::started, std::memory_order_relaxed))
    wait.call_(wait);
  wake(*wait.task);
}

unlink_result executor_wait::withdraw_or_stop(wait_node& self) noexcept {
  auto& wait = static_cast<executor_wait&>(self);
  phase expected = phase::queued;
  if (wait.phase_.load(std::memory_order_relaxed) == phase::unsent || wait.where_->withdraw(wait))
    return unlink_result::removed;
  // The executor does not give it back: it will be skipped when its turn comes.
  if (!wait.phase_.compare_exchange_strong(expected, phase::skipped, std::memory_order_relaxed))
    wait.request_stop_(wait);
  return unlink_result::completed;
}

// ---- Moving the task ----------------------------------------------------------------------------

namespace {

/// A task that ended elsewhere is completed by a worker of its runtime, where shutdown and main
/// expect it.
bool complete_on_worker(retry_node&) noexcept {
  here.finished = here.task;
  return false;
}

void hand_back(task_state& finished) noexcept {
  static constinit retry_node completion{nullptr, complete_on_worker};
  finished.leaf =
      reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(&completion) | leaf_tag::retry);
  schedule(finished);
}

/// As a worker would, on a thread that is none.
void resume_elsewhere(task_state& task) noexcept {
  const execution outer = here;  // of an executor that runs jobs inside post(), maybe on a worker
  const std::uint8_t runtime = task.runtime;
  set_thread_clock(scheduler::at(runtime).virtual_clock());
  here.task = &task;
  here.budget = operations_per_resume;
  std::coroutine_handle<>::from_address(task.leaf).resume();
  task_state* finished = std::exchange(here.finished, nullptr);
  here.task = outer.task;
  here.budget = outer.budget;
  set_thread_clock(outer.worker != nullptr ? worker::current()->home().virtual_clock() : nullptr);
  if (finished != nullptr) hand_back(*finished);
  // The runtime may be gone, but not the count. release: see scheduler::away.
  scheduler::away(runtime).fetch_sub(1, std::memory_order_release);
}

}  // namespace

bool executor_hop::await_ready() {
  if (std::exchange(awaited_, true)) throw_awaited_twice();
  return false;
}

bool executor_hop::await_suspend(std::coroutine_handle<> waiter) {
  task_ = here.task;
  assert(task_ != nullptr && "resume_on outside a weft task");
  if (interrupted(*task_)) return false;
  if ((task_->life.load(std::memory_order_relaxed) & task_life::pinned) != 0) [[unlikely]]
    report_misuse("resume_on() takes a task of spawn_local() or spawn_on() away from its worker");
  task_->leaf = waiter.address();
  run = resume_here;
  atomic<std::int32_t>& away = scheduler::away(task_->runtime);
  away.fetch_add(1, std::memory_order_relaxed);
  try {
    where_->enqueue(*this);
  } catch (...) {  // refused: the coroutine gets it here
    away.fetch_sub(1, std::memory_order_relaxed);
    throw;
  }
  return true;
}

void executor_hop::await_resume() const {
  deliver_request();
}

void executor_hop::resume_here(executor_job& self) noexcept {
  resume_elsewhere(*static_cast<executor_hop&>(self).task_);
}

bool runtime_hop::await_ready() {
  if (std::exchange(awaited_, true)) throw_awaited_twice();
  assert(here.task != nullptr && "resume_on outside a weft task");
  if (scheduler::at(here.task->runtime).owner() != where_) {
    throw std::invalid_argument(
        "resume_on(runtime): a task stays in its runtime; spawn one there and await its handle");
  }
  return false;
}

bool runtime_hop::await_suspend(std::coroutine_handle<> waiter) noexcept {
  here.task->leaf = waiter.address();
  if (interrupted(*here.task)) return false;
  reschedule_current();
  return true;
}

void runtime_hop::await_resume() const {
  deliver_request();
}

void prepare_to_block() noexcept {
  if (worker* self = worker::current()) self->offer_forks();
}

}  // namespace detail
}  // namespace weft
