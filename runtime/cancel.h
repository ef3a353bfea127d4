#pragma once

#include "detail/interrupt_scope.h"
#include "spawn.h"

#include <optional>

namespace weft {

/// While it lives, what comes from outside (cancellations, deadlines, cancel scopes) is postponed:
/// the next suspension after it raises that. Limits that begin behind it work: clean-up code may
/// have a time-out of its own.
///
/// Threads: made and destroyed by the task. Throws invalid_state_error outside of one. Cost: two
/// atomic operations.
class [[nodiscard]] cancel_shield {
 public:
  cancel_shield() {
    scope_.shields = true;
    detail::enter_scope(scope_);
  }
  ~cancel_shield() { detail::leave_scope(scope_); }
  cancel_shield(const cancel_shield&) = delete;
  cancel_shield& operator=(const cancel_shield&) = delete;

 private:
  detail::interrupt_scope scope_;
};

namespace detail {

template <class F, class... Args>
struct body_result;
template <class F, class... Args>
  requires std::invocable<F&, Args...>
struct body_result<F, Args...> {
  using type = std::invoke_result_t<F&, Args...>;
};
template <class F, class... Args>
  requires(!std::invocable<F&, Args...>) && std::invocable<F&>
struct body_result<F, Args...> {
  using type = std::invoke_result_t<F&>;
};
template <class T>
struct unwrap_task;
template <class T>
struct unwrap_task<task<T>> {
  using type = T;
};
template <>
struct unwrap_task<void> {
  using type = void;
};

}  // namespace detail

/// What a scope's body gives: it takes the scope or nothing, and is a coroutine or a plain void
/// function, because `[&](task_group& g) -> task<> { g.spawn(a()); }` without a co_ keyword is not
/// a coroutine.
template <class F, class... Args>
using body_value_t = typename detail::unwrap_task<
    typename detail::body_result<std::remove_cvref_t<F>, Args...>::type>::type;
template <class F, class... Args>
concept scope_body = requires { typename body_value_t<F, Args...>; };

namespace detail {

/// Calls a body with the scope or without, whichever it takes; a plain void body becomes a task
/// that is done.
template <class F, class... Args>
task<body_value_t<F, Args&...>> call_body(F& body, Args&... args) {
  if constexpr (std::invocable<F&, Args&...>) {
    if constexpr (std::is_void_v<std::invoke_result_t<F&, Args&...>>) {
      body(args...);
      co_return;
    } else {
      co_return co_await body(args...);
    }
  } else {
    if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
      body();
      co_return;
    } else {
      co_return co_await body();
    }
  }
}

template <class F, class G>
task<body_value_t<F>> run_try_finally(F body, G cleanup) {
  std::optional<result<body_value_t<F>>> outcome;
  try {
    if constexpr (std::is_void_v<body_value_t<F>>) {
      co_await call_body(body);
      outcome.emplace();
    } else {
      outcome.emplace(value_t<body_value_t<F>>(co_await call_body(body)));
    }
  } catch (...) {  // whatever it was goes on after the clean-up
    outcome.emplace(std::current_exception());
  }
  {
    const cancel_shield shield;
    co_await call_body(cleanup);
  }
  co_return std::move(*outcome).value();
}

}  // namespace detail

/// body, then cleanup whatever happened, awaited and shielded from cancellation (co_await is not
/// allowed in a handler). A wait_for or deadline inside of cleanup limits it.
///
/// Gives body's value or rethrows its exception; an exception of cleanup replaces it. Both are kept
/// until the end; a named callable is copied, pass std::ref(f) to borrow it.
template <scope_body F, scope_body G>
  requires(safe_in_await<F> && safe_in_await<G>)
task<body_value_t<F>> try_finally(F&& body, G&& cleanup) {
  return detail::run_try_finally<std::decay_t<F>, std::decay_t<G>>(std::forward<F>(body),
                                                                   std::forward<G>(cleanup));
}
template <scope_body F, scope_body G>
  requires(!safe_in_await<F> || !safe_in_await<G>)
[[deprecated(
    "g++ < 13 destroys this lambda twice inside co_await: name it and pass the name or "
    "std::ref(it)")]]
task<body_value_t<F>> try_finally(F&& body, G&& cleanup) {
  return detail::run_try_finally<std::decay_t<F>, std::decay_t<G>>(std::forward<F>(body),
                                                                   std::forward<G>(cleanup));
}

}  // namespace weft
