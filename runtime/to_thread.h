#pragma once

#include "awaitable.h"
#include "detail/blocking_pool.h"
#include "detail/wait_node.h"
#include "result.h"

#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

template <class F, class... Args>
inline constexpr bool takes_stop_token =
    !std::invocable<F, Args...> && std::invocable<F, std::stop_token, Args...>;

template <class F, class... Args>
struct job_result {
  using type = std::invoke_result_t<F, Args...>;
};
template <class F, class... Args>
  requires takes_stop_token<F, Args...>
struct job_result<F, Args...> {
  using type = std::invoke_result_t<F, std::stop_token, Args...>;
};

}  // namespace detail

/// f(args...), or f(stop_token, args...) when only that can be called.
template <class F, class... Args>
concept blocking_job = std::invocable<std::decay_t<F>, std::decay_t<Args>...> ||
                       std::invocable<std::decay_t<F>, std::stop_token, std::decay_t<Args>...>;
template <class F, class... Args>
using job_value_t = typename detail::job_result<std::decay_t<F>, std::decay_t<Args>...>::type;

/// Names the form of to_thread that returns at once when it is cancelled.
struct abandon_on_cancel_t {};
inline constexpr abandon_on_cancel_t abandon_on_cancel{};

namespace detail {

struct no_stop_source {
  void request_stop() const noexcept {}
};

/// A callable with its arguments, all owned, and a stop source if it asks for one. Called once.
template <class F, class... Args>
class packed_call {
 public:
  using value_type = job_value_t<F, Args...>;

  template <class G, class... A>
  explicit packed_call(std::in_place_t, G&& f, A&&... args)
      : f_(std::forward<G>(f)), args_(std::forward<A>(args)...) {
    static_assert((std::constructible_from<F, G> && ... && std::constructible_from<Args, A>),
                  "weft: callable and arguments go to another thread; std::move what cannot be "
                  "copied, or pass std::ref(x) to what stays here");
  }

  value_type operator()() {
    return std::apply(
        [this](Args&... args) -> value_type {
          if constexpr (takes_stop_token<F, Args...>) {
            return std::invoke(std::move(f_), stop_.get_token(), std::move(args)...);
          } else {
            return std::invoke(std::move(f_), std::move(args)...);
          }
        },
        args_);
  }
  void request_stop() noexcept { stop_.request_stop(); }

 private:
  F f_;
  std::tuple<Args...> args_;
  [[no_unique_address]] std::conditional_t<takes_stop_token<F, Args...>, std::stop_source,
                                           no_stop_source> stop_;
};

/// What a call gave, brought from one thread to another.
template <class T>
class call_outcome {
 public:
  template <class Call>
  void run(Call& call) noexcept {
    try {
      if constexpr (std::is_void_v<T>) {
        call();
        value_.emplace();
      } else {
        value_.emplace(call());
      }
    } catch (...) {  // it belongs to whoever awaits the call
      error_ = std::current_exception();
    }
  }
  T take() {
    if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
    if constexpr (std::is_reference_v<T>) {
      return static_cast<T>(value_->get());
    } else if constexpr (!std::is_void_v<T>) {
      return std::move(*value_);
    }
  }

 private:
  std::optional<value_t<T>> value_;
  std::exception_ptr error_;
};

/// How far a job has come on its way to the blocking pool.
enum class job_state : std::uint8_t {
  unsent,   // not awaited yet, or already cancelled when it was
  sent,     // queued or running; the wait word of the task knows the rest
  refused,  // no thread could be started
};

/// Waits for a job on the blocking pool. The job lies in the awaiter. Not for select as it is: its
/// end cannot be awaited and lost at once, so select gives it a task.
class thread_wait : public leaf_operation<thread_wait>, public blocking_job {
 protected:
  thread_wait(void (*call)(thread_wait&) noexcept,
              void (*request_stop)(thread_wait&) noexcept) noexcept
      : call_(call), request_stop_(request_stop) {}
  /// Throws std::system_error if the job was refused.
  void take() const;

 private:
  friend leaf_operation<thread_wait>;
  bool try_now() noexcept { return false; }
  bool publish() noexcept;
  static void run_here(blocking_job& self) noexcept;
  static unlink_result withdraw_or_stop(wait_node& self) noexcept;

  void (*call_)(thread_wait&) noexcept;
  void (*request_stop_)(thread_wait&) noexcept;
  job_state state_ = job_state::unsent;
};

template <class F, class... Args>
class [[nodiscard]] thread_operation : public thread_wait {
 public:
  using value_type = job_value_t<F, Args...>;

  template <class G, class... A>
  explicit thread_operation(std::in_place_t, G&& f, A&&... args)
      : thread_wait([](thread_wait& self) noexcept { of(self).outcome_.run(of(self).call_); },
                    [](thread_wait& self) noexcept { of(self).call_.request_stop(); }),
        call_(std::in_place, std::forward<G>(f), std::forward<A>(args)...) {}

  [[nodiscard]] value_type await_resume() {
    if (outcome != wait_outcome::completed) [[unlikely]]
      throw_interrupted(outcome);
    take();
    return outcome_.take();
  }

 private:
  static thread_operation& of(thread_wait& self) noexcept {
    return static_cast<thread_operation&>(self);
  }

  packed_call<F, Args...> call_;
  call_outcome<value_type> outcome_;
};

/// A job that outlives its awaiter when that is cancelled.
struct abandonable_job : blocking_job {
  enum class phase : std::uint8_t { pending, finished, abandoned };

  abandonable_job() noexcept;
  virtual ~abandonable_job();
  abandonable_job(const abandonable_job&) = delete;
  abandonable_job& operator=(const abandonable_job&) = delete;

  virtual void call() noexcept = 0;
  virtual void request_stop() noexcept = 0;
  void drop_reference() noexcept;

  task_state* task = nullptr;
  context* values = nullptr;  // of the task, which it may outlive; counted
  //   written by  the pool's thread (finished) and the canceller (abandoned), by compare-exchange:
  //               the first one decides who wakes the task
  //   pairing     none; relaxed: the order of the word alone decides. The outcome comes with the
  //               wake, and who abandons reads none
  atomic<phase> decided{phase::pending};
  //   written by  awaiter and pool
  //   pairing     acq_rel: the last one frees the job and sees what the other did
  atomic<int> references{1};
};

class abandonable_wait : public leaf_operation<abandonable_wait> {
 protected:
  explicit abandonable_wait(abandonable_job* job) noexcept : job_(job) {}
  abandonable_wait(abandonable_wait&& other) noexcept
      : leaf_operation(other), job_(std::exchange(other.job_, nullptr)), state_(other.state_) {}
  abandonable_wait& operator=(abandonable_wait&&) = delete;
  ~abandonable_wait() {
    if (job_ != nullptr) job_->drop_reference();
  }

  /// Throws std::system_error if the job was refused.
  void take() const;

  abandonable_job* job_;

 private:
  friend leaf_operation<abandonable_wait>;
  bool try_now() noexcept { return false; }
  bool publish() noexcept;
  static unlink_result withdraw_or_abandon(wait_node& self) noexcept;

  job_state state_ = job_state::unsent;
};

template <class F, class... Args>
class [[nodiscard]] abandonable_operation : public abandonable_wait {
 public:
  using value_type = job_value_t<F, Args...>;

  template <class G, class... A>
  explicit abandonable_operation(call_kind kind, G&& f, A&&... args)
      : abandonable_wait(new job(std::forward<G>(f), std::forward<A>(args)...)) {
    job_->kind = kind;
  }

  [[nodiscard]] value_type await_resume() {
    if (outcome != wait_outcome::completed) [[unlikely]]
      throw_interrupted(outcome);
    take();
    return static_cast<job&>(*job_).result.take();
  }

 private:
  struct job final : abandonable_job {
    template <class G, class... A>
    explicit job(G&& f, A&&... args)
        : work(std::in_place, std::forward<G>(f), std::forward<A>(args)...) {}
    void call() noexcept override { result.run(work); }
    void request_stop() noexcept override { work.request_stop(); }

    packed_call<F, Args...> work;
    call_outcome<value_type> result;
  };
};

template <class F, class... Args>
using thread_operation_of = thread_operation<std::decay_t<F>, std::decay_t<Args>...>;
template <class F, class... Args>
using abandonable_operation_of = abandonable_operation<std::decay_t<F>, std::decay_t<Args>...>;

}  // namespace detail

/// Calls f(args...) on a thread of the runtime's blocking pool, everything moved in, and gives what
/// it returns or rethrows what it throws. The coroutine resumes on a worker of its runtime.
///
/// Cancellation: before it starts, f never runs. While it runs, a std::stop_token first parameter
/// is triggered and the await waits for the end, so that references stay valid; the result is
/// delivered and the request stays pending. Throws std::system_error when no thread could be
/// started.
/// Bound: runtime_options::max_blocking_threads run at once, further calls wait in line.
/// Cost: no allocation (a stop state where f takes a token); callable, arguments and result lie in
/// the awaiting frame.
template <class F, class... Args>
  requires blocking_job<F, Args...> && safe_in_await<F>
detail::thread_operation_of<F, Args...> to_thread(F&& f, Args&&... args) {
  return detail::thread_operation_of<F, Args...>(std::in_place, std::forward<F>(f),
                                                 std::forward<Args>(args)...);
}
template <class F, class... Args>
  requires blocking_job<F, Args...> && (!safe_in_await<F>)
[[deprecated(
    "g++ < 13 destroys this lambda twice inside co_await: name it and pass the name or "
    "std::ref(it)")]]
detail::thread_operation_of<F, Args...> to_thread(F&& f, Args&&... args) {
  return detail::thread_operation_of<F, Args...>(std::in_place, std::forward<F>(f),
                                                 std::forward<Args>(args)...);
}

/// As to_thread, but a cancelled await ends at once: f goes on by itself (its std::stop_token is
/// triggered, if it takes one), and its outcome is dropped. f must own what it uses: it may outlive
/// the runtime, whose end waits for it until runtime_options::shutdown_timeout.
/// Cost: one allocation.
template <class F, class... Args>
  requires blocking_job<F, Args...> && safe_in_await<F>
detail::abandonable_operation_of<F, Args...> to_thread(abandon_on_cancel_t, F&& f, Args&&... args) {
  return detail::abandonable_operation_of<F, Args...>(
      detail::call_kind::general, std::forward<F>(f), std::forward<Args>(args)...);
}
template <class F, class... Args>
  requires blocking_job<F, Args...> && (!safe_in_await<F>)
[[deprecated(
    "g++ < 13 destroys this lambda twice inside co_await: name it and pass the name or "
    "std::ref(it)")]]
detail::abandonable_operation_of<F, Args...> to_thread(abandon_on_cancel_t, F&& f, Args&&... args) {
  return detail::abandonable_operation_of<F, Args...>(
      detail::call_kind::general, std::forward<F>(f), std::forward<Args>(args)...);
}

namespace detail {

/// For net: to_thread(abandon_on_cancel, f, args...) on the threads for name look-ups, of which
/// there are 32 at most.
template <class F, class... Args>
  requires weft::blocking_job<F, Args...> && safe_in_await<F>
abandonable_operation_of<F, Args...> to_look_up_thread(F&& f, Args&&... args) {
  return abandonable_operation_of<F, Args...>(call_kind::look_up, std::forward<F>(f),
                                              std::forward<Args>(args)...);
}

}  // namespace detail

}  // namespace weft
