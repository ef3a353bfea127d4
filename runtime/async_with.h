#pragma once

#include "async_generator.h"
#include "cancel.h"
#include "detail/interrupt_scope.h"

#include <concepts>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

/// Something that is acquired and released by awaiting: Python's asynchronous context manager.
/// aenter() gives a value or nothing; aexit(error) releases, where `error` is what the body has
/// thrown, or null. An aexit that gives bool says true to end the exception there.
template <class R>
concept async_resource = requires(std::remove_reference_t<R>& resource, std::exception_ptr error) {
  { resource.aenter() } -> awaitable;
  { resource.aexit(error) } -> awaitable;
};

/// What aenter() gives.
template <async_resource R>
using enter_value_t =
    await_result_t<decltype(std::declval<std::remove_reference_t<R>&>().aenter())>;

namespace detail {

/// A body takes the value as it comes (moved, if it is an object), or by reference, or not at all.
template <class F, class V>
struct with_argument {
  using type = V&&;
};
template <class F, class V>
  requires(!std::invocable<F&, V> && std::invocable<F&, V&>)
struct with_argument<F, V> {
  using type = V&;
};
template <class F, class V>
using with_argument_t = typename with_argument<std::remove_cvref_t<F>, V>::type;

template <class F, class V>
struct with_value {};
template <class F, class V>
  requires(!std::is_void_v<V>) && scope_body<F, with_argument_t<F, V>>
struct with_value<F, V> {
  using type = body_value_t<F, with_argument_t<F, V>>;
};
template <scope_body F>
struct with_value<F, void> {
  using type = body_value_t<F>;
};

}  // namespace detail

/// What an async_with gives whose value is V and whose body is F.
template <class F, class V>
using with_value_t = typename detail::with_value<F, V>::type;
template <class F, class V>
concept with_body = requires { typename with_value_t<F, V>; };

namespace detail {

/// How a body has ended.
template <class T>
struct body_outcome {
  std::optional<value_t<T>> value;
  std::exception_ptr error;

  /// `left`: what the exits have left of the error, or put in its place.
  T take(std::exception_ptr left) {
    if constexpr (std::is_void_v<T>) {
      if (left != nullptr) std::rethrow_exception(std::move(left));
    } else {
      if (left == nullptr && !value) left = error;  // ended, but there is no value to give
      if (left != nullptr) std::rethrow_exception(std::move(left));
      return static_cast<T>(*std::move(value));
    }
  }
};

/// Awaits a body and keeps how it ends.
template <class T>
task<> run_body(task<T> body, body_outcome<T>& outcome) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(body);
    } else {
      outcome.value.emplace(co_await std::move(body));
    }
  } catch (...) {  // goes on after the exit, if that lets it
    outcome.error = std::current_exception();
  }
}

template <class F, class V>
task<with_value_t<F, V>> call_with(F& body, V& value) {
  using argument = with_argument_t<F, V>;
  if constexpr (!std::invocable<F&, argument>) {
    co_return co_await call_body(body);
  } else if constexpr (std::is_void_v<std::invoke_result_t<F&, argument>>) {
    body(static_cast<argument>(value));
    co_return;
  } else {
    co_return co_await body(static_cast<argument>(value));
  }
}

/// True: the exception ends here.
template <class R>
task<bool> exit_resource(R& resource, std::exception_ptr error) {
  const cancel_shield shield;
  if constexpr (std::same_as<await_result_t<decltype(resource.aexit(error))>, bool>) {
    const bool ends = co_await resource.aexit(error);
    co_return ends&& error != nullptr;
  } else {
    co_await resource.aexit(error);
    co_return false;
  }
}

/// R: an object that is kept, or a reference to one of the caller's.
template <class R, class F>
task<with_value_t<F, enter_value_t<R>>> run_async_with(R resource, F body) {
  using value_type = enter_value_t<R>;
  body_outcome<with_value_t<F, value_type>> outcome;
  if constexpr (std::is_void_v<value_type>) {
    co_await resource.aenter();
    co_await run_body(call_body(body), outcome);
  } else {
    value_type value = co_await resource.aenter();
    co_await run_body(call_with<F, value_type>(body, value), outcome);
  }
  const bool ends = co_await exit_resource(resource, outcome.error);
  co_return outcome.take(ends ? nullptr : outcome.error);
}

/// A generator that yields once, as a resource.
template <class T>
class generator_resource {
 public:
  explicit generator_resource(async_generator<T> generator) noexcept
      : generator_(std::move(generator)) {}

  task<T> aenter() {
    std::optional<value_t<T>> value = co_await generator_.next();
    if (!value) throw_invalid_state("a generator in async_with has ended without a co_yield");
    co_return static_cast<T>(*std::move(value));
  }
  task<bool> aexit(std::exception_ptr error) {
    task<std::optional<value_t<T>>> rest =
        error == nullptr ? as_task(generator_.next()) : generator_.athrow(error);
    const std::optional<value_t<T>> more = co_await std::move(rest);
    if (!more) co_return true;  // it went on to its end: what the body threw, it has dealt with
    co_await generator_.aclose();
    throw_invalid_state("a generator in async_with has yielded twice");
  }

 private:
  async_generator<T> generator_;
};

}  // namespace detail

/// `async with`: acquires the resource, runs body(value) or body() in this task, and releases the
/// resource whatever happened. An lvalue is borrowed, an rvalue is kept until the end.
///
///     co_await async_with(connection("db"), [](session& s) -> task<> { co_await s.query(); });
///
/// Gives the body's value, or rethrows its exception: unless aexit gives true, which ends it there
/// (where the body has a value to give it goes on all the same), or throws one in its place. The
/// callable is kept until the end; a named one is copied, std::ref(f) borrows it.
/// Cancellation: as the body's; aenter is cancelled like any await, and nothing is released then;
/// aexit is awaited shielded; a wait_for or deadline inside of it limits it.
/// Cost: a few frames.
template <async_resource R, with_body<enter_value_t<R>> F>
  requires safe_in_await<F>
task<with_value_t<F, enter_value_t<R>>> async_with(R&& resource, F&& body) {
  return detail::run_async_with<R, std::decay_t<F>>(std::forward<R>(resource),
                                                    std::forward<F>(body));
}
/// The same for a generator that yields once, as @asynccontextmanager: up to its co_yield it
/// acquires, what follows releases. What the body throws comes out of the co_yield; a generator
/// that catches it, and ends, has dealt with it. Throws invalid_state_error when it does not yield,
/// or yields twice.
template <class T, with_body<T> F>
  requires safe_in_await<F>
task<with_value_t<F, T>> async_with(async_generator<T> one_yield, F&& body) {
  using resource = detail::generator_resource<T>;
  return detail::run_async_with<resource, std::decay_t<F>>(resource(std::move(one_yield)),
                                                           std::forward<F>(body));
}

// The same for callables that g++ < 13 would destroy twice.
template <async_resource R, with_body<enter_value_t<R>> F>
  requires(!safe_in_await<F>)
[[deprecated(
    "g++ < 13 destroys this lambda twice inside co_await: name it and pass the name or "
    "std::ref(it)")]]
task<with_value_t<F, enter_value_t<R>>> async_with(R&& resource, F&& body) {
  return detail::run_async_with<R, std::decay_t<F>>(std::forward<R>(resource),
                                                    std::forward<F>(body));
}
template <class T, with_body<T> F>
  requires(!safe_in_await<F>)
[[deprecated(
    "g++ < 13 destroys this lambda twice inside co_await: name it and pass the name or "
    "std::ref(it)")]]
task<with_value_t<F, T>> async_with(async_generator<T> one_yield, F&& body) {
  using resource = detail::generator_resource<T>;
  return detail::run_async_with<resource, std::decay_t<F>>(resource(std::move(one_yield)),
                                                           std::forward<F>(body));
}

}  // namespace weft
