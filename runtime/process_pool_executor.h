#pragma once

#include "detail/remote_function.h"
#include "executor.h"
#include "future.h"
#include "spawn.h"
#include "task.h"

#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weft {

/// What can go to another process and come back: numbers, enumerations and aggregates of them
/// without pointers, std::string, and vectors, optionals, pairs and tuples of these.
template <class T>
concept transferable = detail::is_transferable<T>;

/// A function that a process_pool_executor can call, known by its name in this process and those of
/// the pool. Define it at namespace scope, so that it is there when they begin to serve:
///
///     const weft::process_function count_primes("count_primes",
///                                               [](long from, long to) -> long { ... });
///
/// The function is a plain one or a lambda that captures nothing. A name that is taken throws
/// std::logic_error.
template <class Signature>
class process_function;

template <class R, class... P>
class process_function<R(P...)> : public detail::remote_function {
  static_assert(std::is_void_v<R> || transferable<R>,
                "weft::process_function: this result cannot go to another process");
  static_assert((transferable<std::decay_t<P>> && ...),
                "weft::process_function: one of these parameters cannot go to another process");

 public:
  process_function(std::string_view name, R (*function)(P...))
      : remote_function(name, serve), function_(function) {}

  /// Calls it here.
  R operator()(P... arguments) const { return function_(std::forward<P>(arguments)...); }

 private:
  static void serve(const remote_function& self, detail::wire_reader& from,
                    detail::wire_writer& to) {
    const auto& called = static_cast<const process_function&>(self);
    std::tuple<std::decay_t<P>...> arguments{from.get<std::decay_t<P>>()...};
    if constexpr (std::is_void_v<R>) {
      std::apply(called.function_, std::move(arguments));
    } else {
      to.put<R>(std::apply(called.function_, std::move(arguments)));
    }
  }

  R (*function_)(P...);
};

namespace detail {

template <class F>
struct plain_signature;
template <class R, class... P>
struct plain_signature<R (*)(P...)> {
  using type = R(P...);
};
template <class R, class... P>
struct plain_signature<R (*)(P...) noexcept> {
  using type = R(P...);
};

}  // namespace detail

template <class F>
process_function(std::string_view, F)
    -> process_function<typename detail::plain_signature<decltype(+std::declval<F>())>::type>;

/// Processes that run functions: for code that crashes, leaks, or cannot share a process with
/// itself. asyncio's way to more than one CPU; here threads do that.
///
/// A process is started when a call finds none idle: this program anew, with its own arguments, and
/// all that main() does before its first runtime is done there too (call serve_if_asked() first in
/// main() to avoid that). Its stdin is empty, the rest it has from us. It serves one call at a time
/// and ends with the pool, or with us.
///
/// A call whose process ends meanwhile throws broken_process_pool; the next call gets a new
/// process. An exception of the function arrives as a std::runtime_error with its text.
/// Threads: all members from any thread. Cost: a thread of this process for each of the pool, and
/// about 50 us for a call.
class process_pool_executor {
 public:
  /// Throws std::invalid_argument for zero processes, std::system_error when the threads cannot be
  /// started.
  explicit process_pool_executor(std::size_t processes);
  process_pool_executor(const process_pool_executor&) = delete;
  process_pool_executor& operator=(const process_pool_executor&) = delete;
  /// Runs what is queued, then ends the processes.
  ~process_pool_executor();

  /// Calls f(args...) there. Cancelling or dropping the future does not stop a call that runs.
  template <class R, class... P, class... Args>
    requires(sizeof...(P) == sizeof...(Args) &&
             (std::convertible_to<Args &&, std::decay_t<P>> && ...))
  future<R> submit(const process_function<R(P...)>& f, Args&&... args) {
    return threads_.submit(
        [this, request = request_for<P...>(f, std::forward<Args>(args)...)]() -> R {
          return value_in<R>(call({}, request).value());
        });
  }

  [[nodiscard]] std::size_t processes() const noexcept { return threads_.threads(); }

  /// In a process that was started for a pool: serves, and never returns. A runtime or a pool does
  /// the same when it is made.
  static void serve_if_asked() { detail::serve_if_pool_process(); }

  /// For run_in_executor: arguments as a message, a call by the calling thread, the value in its
  /// answer. A stop request ends the process that is at work, and there is no answer.
  template <class... P, class... Args>
  static std::string request_for(const detail::remote_function& f, Args&&... args) {
    detail::wire_writer request;
    request.put(f.name());
    (request.put<std::decay_t<P>>(static_cast<std::decay_t<P>>(std::forward<Args>(args))), ...);
    return std::move(request).take();
  }
  std::optional<std::string> call(const std::stop_token& stop, std::string_view request);
  template <class R>
  static R value_in(std::string_view answer) {
    detail::wire_reader from(answer);
    if constexpr (!std::is_void_v<R>) return from.get<R>();
  }
  [[nodiscard]] executor& threads() noexcept { return threads_; }

 private:
  class worker_process;
  class processes_at_rest;
  static std::unique_ptr<processes_at_rest> prepare();

  std::unique_ptr<processes_at_rest> at_rest_;
  thread_pool_executor threads_;  // the last member: its threads use the others
};

namespace detail {

template <class R>
task<R> call_in_process(process_pool_executor& where, std::string request) {
  auto job = [](std::stop_token stop, process_pool_executor* pool, std::string_view message) {
    return pool->call(stop, message);
  };
  const std::optional<std::string> answer =
      co_await run_in_executor(where.threads(), job, &where, std::string_view(request));
  if (!answer) {
    this_task::check_cancelled();  // what has stopped it
    throw cancelled_error();
  }
  co_return process_pool_executor::value_in<R>(*answer);
}

}  // namespace detail

/// Calls f(args...) in a process of the pool, and gives its value. `where` must live until then.
/// Throws broken_process_pool when that process ends meanwhile, std::runtime_error for an exception
/// of f, std::logic_error when the process does not know f, std::system_error when none can be
/// started.
/// Cancellation: a call that has not begun never will; one that runs is ended with its process.
template <class R, class... P, class... Args>
  requires(sizeof...(P) == sizeof...(Args) &&
           (std::convertible_to<Args &&, std::decay_t<P>> && ...))
task<R> run_in_executor(process_pool_executor& where, const process_function<R(P...)>& f,
                        Args&&... args) {
  return detail::call_in_process<R>(
      where, process_pool_executor::request_for<P...>(f, std::forward<Args>(args)...));
}

}  // namespace weft
