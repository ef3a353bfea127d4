#pragma once

#include "debug.h"
#include "exception_context.h"
#include "metrics.h"
#include "sleep.h"
#include "spawn.h"

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace weft {

/// How to run. Every member has a default; string views are copied.
struct runtime_options {
  std::size_t workers = 0;                                // 0: one a usable CPU, at most 64
  std::size_t max_blocking_threads = 512;                 // for to_thread and its like
  std::chrono::milliseconds blocking_keep_alive{10'000};  // an idle blocking thread ends after this
  // What is left then is reported, and destroyed; calls on other threads that a task waits for are
  // awaited whatever they take.
  std::chrono::milliseconds shutdown_timeout{60'000};
  bool handle_sigint = true;  // see runtime::run
  // Looks for mistakes and reports them to the exception handler: see the README. Also on when the
  // environment variable WEFT_DEBUG is set, to anything but 0 and the empty string.
  bool debug = false;
  // weft-ps PID and weft-top PID show its tasks, from outside; see detail/inspection.h. Costs a
  // thread and two descriptors a process, an allocation a task, and a few nanoseconds a step. Also
  // on when the environment variable WEFT_PS is set, to anything but 0 and the empty string.
  bool inspectable = false;
  std::string_view name = {};
  // A file: what the workers do, as Chrome trace events, for ui.perfetto.dev. Written when the
  // runtime ends: the last million steps of each worker. Jobs of executors are not in it.
  std::string_view trace = {};
  // Null: one line to standard error.
  void (*exception_handler)(const exception_context&) = nullptr;
  deadlock_action on_deadlock = deadlock_action::by_mode;
  std::chrono::milliseconds deadlock_patience{1'000};  // of a real clock; see deadlock_action
};

namespace detail {

class inspection;

/// Throws std::logic_error on a worker.
void check_not_running();

/// A callback and its timer: one of "it ran" and "it was cancelled" wins.
struct delayed_call {
  //   written by  the callback's task and cancel(), any thread, once
  //   pairing     none; relaxed: the order of the word alone decides, and brings nothing
  atomic<bool> claimed{false};
  join_handle<> task;
  bool claim() noexcept {
    return !claimed.exchange(true, std::memory_order_relaxed);  // relaxed: see claimed
  }
};
template <std::invocable F>
task<> call_when(std::shared_ptr<delayed_call> call, clock::time_point when, F f) {
  co_await sleep_until(when);
  if (call->claim()) std::move(f)();
}

}  // namespace detail

/// A callback that call_later or call_at has scheduled. Dropping it changes nothing.
class timer_handle {
 public:
  timer_handle() noexcept = default;
  /// True if the callback will never run; false if it has run or is running. Any thread.
  bool cancel() noexcept;

 private:
  friend class runtime;
  explicit timer_handle(std::shared_ptr<detail::delayed_call> call) noexcept
      : call_(std::move(call)) {}
  std::shared_ptr<detail::delayed_call> call_;
};

/// Workers, reactor, timers and blocking pool, for programs that need more than weft::run.
///
/// With one worker everything runs on the thread that calls run(), while it runs, in asyncio's
/// order. With more, the workers are threads of the runtime from construction on, and nothing is
/// atomic between two awaits.
/// Threads: every member may be called from any thread, run() and shutdown() from any that is not a
/// worker.
class runtime {
 public:
  /// Throws std::system_error when threads or descriptors have run out, std::invalid_argument for
  /// more than 64 workers.
  explicit runtime(runtime_options options = {});
  /// shutdown(options.shutdown_timeout), then joins all threads. Not on a worker.
  ~runtime();
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;

  /// Runs `main` to its end and gives its value or rethrows its exception; other tasks go on.
  /// Throws std::logic_error on a worker, and where another thread runs the one worker already;
  /// deadlock_error if options.on_deadlock asks for it: `main` is left waiting then, until the
  /// runtime ends.
  ///
  /// Where the program has no handler of its own, the first SIGINT cancels `main`, and if `main`
  /// ends by that, run() shuts the runtime down and raises SIGINT again, with its default effect. A
  /// second one ends the process at once. Of several run() at a time the first one has the signal.
  template <class T>
  T run(task<T> main);
  template <detail::owned_awaitable A>
    requires(!is_task<A> && !is_join_handle<A>)
  await_result_t<A> run(A&& main) {
    return run(detail::as_task<A>(std::forward<A>(main)));
  }
  template <class F, class... Args>
    requires task_function<F, Args...>
  task_value_t<F, Args...> run(F&& main, Args&&... args) {
    return run(detail::call_in_frame(std::forward<F>(main), std::forward<Args>(args)...));
  }

  /// asyncio's run_coroutine_threadsafe. Any thread.
  template <class T>
  join_handle<T> spawn(task<T> child, spawn_options options = {}) {
    return detail::spawn_task(core(), std::move(child), options, 0);
  }
  template <detail::owned_awaitable A>
    requires(!is_task<A> && !is_join_handle<A>)
  join_handle<await_result_t<A>> spawn(A&& awaited, spawn_options options = {}) {
    return spawn(detail::as_task<A>(std::forward<A>(awaited)), options);
  }
  template <class F, class... Args>
    requires task_function<F, Args...>
  join_handle<task_value_t<F, Args...>> spawn(F&& f, Args&&... args) {
    return spawn(detail::call_in_frame(std::forward<F>(f), std::forward<Args>(args)...));
  }
  template <class F, class... Args>
    requires task_function<F, Args...>
  join_handle<task_value_t<F, Args...>> spawn(spawn_options options, F&& f, Args&&... args) {
    return spawn(detail::call_in_frame(std::forward<F>(f), std::forward<Args>(args)...), options);
  }

  /// Runs f() soon, on a worker, never on the caller's stack, in the order of the calls. What it
  /// throws goes to the exception handler. Any thread.
  template <std::invocable F>
  void call_soon(F f) {
    detail::start_callback(core(), detail::call_once(std::move(f)));
  }
  /// Runs f() after `delay` or at `when`.
  template <class Rep, class Period, std::invocable F>
  timer_handle call_later(std::chrono::duration<Rep, Period> delay, F f) {
    return call_at(now() + detail::to_clock_duration(delay), std::move(f));
  }
  template <std::invocable F>
  timer_handle call_at(clock::time_point when, F f);
  /// Of the runtime's clock, which is virtual in a test_runtime.
  [[nodiscard]] clock::time_point now() const noexcept;

  /// Called one at a time, on the thread that has something to report. Null restores the default:
  /// one line to standard error, where also goes what is reported from inside of it. When this
  /// returns the one before is not called any more.
  void set_exception_handler(std::function<void(const exception_context&)> handler);

  /// Cancels and awaits all tasks, again until none is left. False if the time-out passed first:
  /// the survivors were reported by name and destroyed where they waited. One that waits for a call
  /// on another thread (to_thread) or computes is given two seconds more, and left alone then.
  /// Threads: any that runs no tasks; several at a time, too. The runtime takes tasks afterwards.
  bool shutdown(std::chrono::milliseconds timeout);

  [[nodiscard]] runtime_metrics metrics() const;

  /// Of the calling worker (asyncio's get_running_loop). Throws std::logic_error elsewhere.
  static runtime& current();

 private:
  friend class test_runtime;
  struct virtual_time_t {};
  explicit runtime(runtime_options options, virtual_time_t);

  [[nodiscard]] detail::scheduler& core() const noexcept { return *core_; }
  void run_untyped(detail::task_state& main);
  void check_loop_free() const;
  void set_up(const runtime_options& options);

  std::unique_ptr<detail::scheduler> core_;
  std::chrono::milliseconds shutdown_timeout_;
  bool handle_sigint_ = false;
  std::unique_ptr<detail::inspection> inspection_;  // null: weft-ps may not look
};

template <class T>
T runtime::run(task<T> main) {
  detail::check_not_running();
  check_loop_free();
  join_handle<T> handle = detail::spawn_task(core(), std::move(main), {.name = "main"}, 0);
  run_untyped(*handle.state());
  detail::retrieve(*handle.state());
  return detail::block_of<T>::slot(*handle.state()).take();
}

template <std::invocable F>
timer_handle runtime::call_at(clock::time_point when, F f) {
  auto call = std::make_shared<detail::delayed_call>();
  call->task = spawn(detail::call_when(call, when, std::move(f)), {.name = "call_at"});
  return timer_handle(std::move(call));
}

/// asyncio.run: makes a runtime, runs `main`, then cancels and awaits whatever is left, and gives
/// main's value or rethrows its exception. Throws std::logic_error inside a running runtime, before
/// anything starts.
template <class T>
T run(task<T> main, runtime_options options = {}) {
  detail::check_not_running();
  runtime here(options);
  return here.run(std::move(main));
}
/// Any other awaitable given as an rvalue: run(sleep(1s)).
template <detail::owned_awaitable A>
  requires(!is_task<A> && !is_join_handle<A>)
await_result_t<A> run(A&& main, runtime_options options = {}) {
  return run(detail::as_task<A>(std::forward<A>(main)), options);
}
/// main(), which is kept until it has ended, so that a coroutine lambda with captures is safe.
template <class F>
  requires task_function<F>
task_value_t<F> run(F&& main, runtime_options options = {}) {
  return run(detail::call_in_frame(std::forward<F>(main)), options);
}
/// main(args...) with all of them moved into the task.
template <class F, class... Args>
  requires(sizeof...(Args) > 0 && task_function<F, Args...>)
task_value_t<F, Args...> run(F&& main, Args&&... args) {
  return run(detail::call_in_frame(std::forward<F>(main), std::forward<Args>(args)...));
}
template <class F, class... Args>
  requires task_function<F, Args...>
task_value_t<F, Args...> run(runtime_options options, F&& main, Args&&... args) {
  return run(detail::call_in_frame(std::forward<F>(main), std::forward<Args>(args)...), options);
}

/// None of these: says why not.
template <class F, class... Args>
  requires(!task_function<F, Args...> && !task_function<F> && !awaitable<F> &&
           !std::same_as<std::remove_cvref_t<F>, runtime_options>)
void run(F&&, Args&&...) {
  detail::explain_task_function<F, Args...>();
}

/// As runtime::call_soon and so on, on the current runtime. Throw std::logic_error outside of one.
template <std::invocable F>
void call_soon(F f) {
  runtime::current().call_soon(std::move(f));
}
template <class Rep, class Period, std::invocable F>
timer_handle call_later(std::chrono::duration<Rep, Period> delay, F f) {
  return runtime::current().call_later(delay, std::move(f));
}
template <std::invocable F>
timer_handle call_at(clock::time_point when, F f) {
  return runtime::current().call_at(when, std::move(f));
}

}  // namespace weft
