#pragma once

#include "detail/intrusive_list.h"
#include "detail/wait_node.h"
#include "future.h"
#include "to_thread.h"

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace weft {

class executor;
class runtime;

namespace detail {

/// Something for an executor to run, in the frame of a suspended task: submitting it allocates
/// nothing.
struct executor_job : list_node {
  /// Once, on a thread of the executor; the job may be gone when it returns.
  void (*run)(executor_job& self) noexcept = nullptr;
};

/// While it counts, virtual time of one runtime stands still: something of it is in the hands of an
/// executor.
class away_mark {
 public:
  away_mark() noexcept = default;
  away_mark(const away_mark&) = delete;
  away_mark& operator=(const away_mark&) = delete;
  ~away_mark() { clear(); }
  /// For the runtime of this thread, if it has one.
  void set() noexcept;
  void clear() noexcept;

 private:
  static constexpr int nowhere = -1;
  int runtime_ = nowhere;
};

/// What submit() leaves with an executor.
template <class F>
struct submitted_job {
  explicit submitted_job(F function) : f(std::move(function)) { away.set(); }

  away_mark away;  // cleared last, when the future is done
  F f;
  promise<std::invoke_result_t<F>> outcome;

  static void run(void* self) {
    const std::unique_ptr<submitted_job> job(static_cast<submitted_job*>(self));
    if (job->outcome.done()) return;  // cancelled meanwhile: never runs
    try {
      if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
        std::move(job->f)();
        job->outcome.try_set_value();
      } else {
        job->outcome.try_set_value(std::move(job->f)());
      }
    } catch (...) {  // it belongs to whoever has the future
      job->outcome.try_set_exception(std::current_exception());
    }
  }
};

class executor_wait;
class executor_hop;

}  // namespace detail

/// Something that runs jobs on threads of its own. Derive from it to give an existing thread pool
/// or event loop to tasks.
///
/// Threads: submit from any thread. It must outlive its jobs.
class executor {
 public:
  executor() = default;
  executor(const executor&) = delete;
  executor& operator=(const executor&) = delete;
  virtual ~executor() = default;

  /// Runs f() there and gives its outcome. Throws what post() throws (queue_full). A future that is
  /// cancelled before f starts keeps it from running; one that is dropped does not.
  template <std::invocable F>
  future<std::invoke_result_t<F>> submit(F f) {
    auto job = std::make_unique<detail::submitted_job<F>>(std::move(f));
    future<std::invoke_result_t<F>> outcome = job->outcome.get_future();
    post(&detail::submitted_job<F>::run, job.get());
    static_cast<void>(job.release());  // run() frees it
    return outcome;
  }

 private:
  friend detail::executor_wait;
  friend detail::executor_hop;

  /// Calls run(job) once, now or later, on a thread of the executor. Throws if it cannot take the
  /// job. Any thread.
  virtual void post(void (*run)(void*), void* job) = 0;
  /// The same for the job of a suspended task, which needs no memory and no bound: the task waits,
  /// nothing piles up.
  virtual void enqueue(detail::executor_job& job);
  /// True: the job has not begun and never will. An executor that cannot tell says false.
  virtual bool withdraw(detail::executor_job& job) noexcept;
};

/// Trivially destructible: safe inside co_await.
struct thread_pool_options {
  std::size_t queue_limit = 0;  // jobs that wait for a thread; 0: no limit
};

/// A fixed number of threads and one queue, first in first out.
///
/// At the limit submit() throws queue_full; tasks in run_in_executor() and resume_on() queue beyond
/// it, suspended, which slows them down to what the threads can do.
/// Threads: all members from any thread; its threads take no signals.
class thread_pool_executor : public executor {
 public:
  /// Throws std::invalid_argument for zero threads, std::system_error when they cannot be started.
  explicit thread_pool_executor(std::size_t threads, thread_pool_options options = {});
  /// Runs what is queued and joins the threads. On one of its own threads it leaves that one to end
  /// by itself.
  ~thread_pool_executor() override;

  [[nodiscard]] std::size_t threads() const noexcept;
  /// Jobs that wait for a thread.
  [[nodiscard]] std::size_t queued_approx() const noexcept;

 private:
  struct core;

  void post(void (*run)(void*), void* job) override;
  void enqueue(detail::executor_job& job) override;
  bool withdraw(detail::executor_job& job) noexcept override;

  std::shared_ptr<core> core_;
};

namespace detail {

/// Waits for a job on an executor. The job lies in the awaiter. Not for select as it is, like
/// thread_wait.
class executor_wait : public leaf_operation<executor_wait>, public executor_job {
 protected:
  executor_wait(executor& where, void (*call)(executor_wait&) noexcept,
                void (*request_stop)(executor_wait&) noexcept) noexcept
      : where_(&where), call_(call), request_stop_(request_stop) {}
  executor_wait(executor_wait&& other) noexcept
      : leaf_operation(other),
        executor_job(other),
        where_(other.where_),
        call_(other.call_),
        request_stop_(other.request_stop_) {}
  executor_wait& operator=(executor_wait&&) = delete;
  ~executor_wait() = default;
  /// The task runs again: virtual time may go on.
  void arrive() noexcept { away_.clear(); }
  /// Throws if the job did not run.
  void take() const;

 private:
  enum class phase : std::uint8_t { unsent, queued, started, skipped };

  friend leaf_operation<executor_wait>;
  bool try_now() noexcept { return false; }
  bool publish() noexcept;
  static void run_here(executor_job& self) noexcept;
  static unlink_result withdraw_or_stop(wait_node& self) noexcept;

  executor* where_;
  void (*call_)(executor_wait&) noexcept;
  void (*request_stop_)(executor_wait&) noexcept;
  away_mark away_;
  std::exception_ptr refused_;
  //   written by  the task (queued), the executor's thread (started) and the canceller (skipped),
  //               by compare-exchange
  //   read by     the task, after its wake
  //   pairing     none; relaxed: the order of the word alone decides whether the call happens. The
  //               job comes through the executor, and what the call did with the wake
  atomic<phase> phase_{phase::unsent};
};

template <class F, class... Args>
class [[nodiscard]] executor_operation : public executor_wait {
 public:
  using value_type = job_value_t<F, Args...>;

  template <class G, class... A>
  explicit executor_operation(executor& where, G&& f, A&&... args)
      : executor_wait(
            where, [](executor_wait& self) noexcept { of(self).outcome_.run(of(self).call_); },
            [](executor_wait& self) noexcept { of(self).call_.request_stop(); }),
        call_(std::in_place, std::forward<G>(f), std::forward<A>(args)...) {}

  [[nodiscard]] value_type await_resume() {
    arrive();
    if (outcome != wait_outcome::completed) [[unlikely]]
      throw_interrupted(outcome);
    take();
    return outcome_.take();
  }

 private:
  static executor_operation& of(executor_wait& self) noexcept {
    return static_cast<executor_operation&>(self);
  }

  packed_call<F, Args...> call_;
  call_outcome<value_type> outcome_;
};

template <class F, class... Args>
using executor_operation_of = executor_operation<std::decay_t<F>, std::decay_t<Args>...>;

/// Moves the running task to an executor's thread.
class [[nodiscard]] executor_hop : public executor_job {
 public:
  explicit executor_hop(executor& where) noexcept : where_(&where) {}

  bool await_ready();
  bool await_suspend(std::coroutine_handle<> waiter);
  void await_resume() const;

 private:
  static void resume_here(executor_job& self) noexcept;

  executor* where_;
  task_state* task_ = nullptr;
  bool awaited_ = false;
};

/// Moves the running task back to a worker.
class [[nodiscard]] runtime_hop {
 public:
  explicit runtime_hop(runtime& where) noexcept : where_(&where) {}

  bool await_ready();
  bool await_suspend(std::coroutine_handle<> waiter) noexcept;
  void await_resume() const;

 private:
  runtime* where_;
  bool awaited_ = false;
};

/// This worker is about to stand still: somebody else should look at what it owns.
void prepare_to_block() noexcept;

}  // namespace detail

/// Calls f(args...) on `where`, everything moved in, and gives what it returns or rethrows what it
/// throws. The coroutine resumes on a worker of its runtime. `where` must live until then.
///
/// Cancellation: as to_thread. Throws what the executor's post() throws.
/// Cost: no allocation on a thread_pool_executor.
template <class F, class... Args>
  requires blocking_job<F, Args...> && safe_in_await<F>
detail::executor_operation_of<F, Args...> run_in_executor(executor& where, F&& f, Args&&... args) {
  return detail::executor_operation_of<F, Args...>(where, std::forward<F>(f),
                                                   std::forward<Args>(args)...);
}
template <class F, class... Args>
  requires blocking_job<F, Args...> && (!safe_in_await<F>)
[[deprecated(
    "g++ < 13 destroys this lambda twice inside co_await: name it and pass the name or "
    "std::ref(it)")]]
detail::executor_operation_of<F, Args...> run_in_executor(executor& where, F&& f, Args&&... args) {
  return detail::executor_operation_of<F, Args...>(where, std::forward<F>(f),
                                                   std::forward<Args>(args)...);
}

/// Goes on on a thread of `where`, until the next await that suspends brings the task back to a
/// worker of its runtime.
///
/// Not for a task that must stay on its worker (spawn_local): debug mode reports it. Forks made
/// meanwhile are ordinary tasks. A cancellation point, before and after the move.
/// `where` must outlive the stay: a task does not destroy the executor on whose thread it runs.
inline detail::executor_hop resume_on(executor& where) noexcept {
  return detail::executor_hop(where);
}
/// Goes on on a worker of `where`, behind everything that is ready. Throws std::invalid_argument
/// unless it is the runtime of the task: tasks do not change their runtime. A cancellation point.
inline detail::runtime_hop resume_on(runtime& where) noexcept {
  return detail::runtime_hop(where);
}

/// Calls f() here, although it blocks: other workers take over what waits for this one, within
/// milliseconds. With one worker everything stands still until f returns: prefer to_thread. Cannot
/// be cancelled.
template <std::invocable F>
std::invoke_result_t<F> block_in_place(F&& f) {
  detail::prepare_to_block();
  return std::invoke(std::forward<F>(f));
}

}  // namespace weft
