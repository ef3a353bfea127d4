#pragma once

#include "task_state.h"

#include <coroutine>
#include <source_location>
#include <type_traits>
#include <utility>

namespace weft::detail {

#if defined(__GNUC__) && !defined(__clang__)
/// g++ 12 copies an awaiter that a promise hands on by reference. It gets one of these to copy.
template <class A>
struct awaiter_reference {
  A& to;
  decltype(auto) await_ready() { return to.await_ready(); }
  template <class Promise>
  decltype(auto) await_suspend(std::coroutine_handle<Promise> waiter) {
    return to.await_suspend(waiter);
  }
  decltype(auto) await_resume() { return to.await_resume(); }
};

template <class A>
decltype(auto) hand_on(A&& awaited) {
  if constexpr (requires { std::forward<A>(awaited).operator co_await(); }) {
    return std::forward<A>(awaited).operator co_await();
  } else if constexpr (requires { operator co_await(std::forward<A>(awaited)); }) {
    return operator co_await(std::forward<A>(awaited));
  } else {
    return awaiter_reference<std::remove_reference_t<A>>{awaited};
  }
}
#else
template <class A>
A&& hand_on(A&& awaited) noexcept {
  return std::forward<A>(awaited);
}
#endif

/// The part of a coroutine's promise that awaiting touches. Each of our kinds of promise begins
/// with it, so that a chain of awaits can be followed without knowing what the coroutines return.
struct promise_base {
  std::coroutine_handle<>
      continuation;  // who awaits this coroutine; null in the root of a spawned task
  // The await that it is in, or was in last; before the first one, the coroutine itself.
  std::source_location await_site;

  struct final_awaiter {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept {
      if (std::coroutine_handle<> next = self.promise().continuation) return next;
      here.finished = &Promise::block::state(self);  // the worker completes it
      return std::noop_coroutine();
    }
    void await_resume() noexcept {}
  };

  explicit promise_base(std::source_location coroutine) noexcept : await_site(coroutine) {}

  std::suspend_always initial_suspend() noexcept { return {}; }
  final_awaiter final_suspend() noexcept { return {}; }

  /// Notes where the await stands: one store of a constant.
  template <class A>
  decltype(auto) await_transform(A&& awaited,
                                 std::source_location site = std::source_location::current()) {
    await_site = site;
    return hand_on(std::forward<A>(awaited));
  }
};

}  // namespace weft::detail
