#pragma once

#include "clock.h"
#include "result.h"

#include <concepts>
#include <coroutine>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

namespace detail {

template <class A>
concept member_co_await = requires(A&& a) { static_cast<A&&>(a).operator co_await(); };
template <class A>
concept free_co_await = requires(A&& a) { operator co_await(static_cast<A&&>(a)); };

/// What `co_await a` calls await_ready and so on upon.
template <class A>
decltype(auto) get_awaiter(A&& a) {
  if constexpr (member_co_await<A>) {
    return static_cast<A&&>(a).operator co_await();
  } else if constexpr (free_co_await<A>) {
    return operator co_await(static_cast<A&&>(a));
  } else {
    return static_cast<A&&>(a);
  }
}

template <class W>
concept awaiter = requires(W& w, std::coroutine_handle<> h) {
  { w.await_ready() } -> std::convertible_to<bool>;
  w.await_suspend(h);
  w.await_resume();
};

}  // namespace detail

/// Something that a coroutine may co_await.
template <class A>
concept awaitable = detail::member_co_await<A> || detail::free_co_await<A> ||
                    detail::awaiter<std::remove_reference_t<A>>;

/// What co_await gives.
template <awaitable A>
using await_result_t =
    decltype(std::declval<
                 std::remove_reference_t<decltype(detail::get_awaiter(std::declval<A>()))>&>()
                 .await_resume());

namespace detail {

template <class A>
concept owned_awaitable = awaitable<A> && !std::is_lvalue_reference_v<A>;

template <class T>
struct vector_of {
  using type = std::vector<value_t<T>>;
};
template <>
struct vector_of<void> {
  using type = void;
};
template <class T>
using vector_of_t = typename vector_of<T>::type;

/// The awaiter of A: a value, or a reference when A is its own awaiter and an lvalue.
template <class A>
using awaiter_t = std::remove_reference_t<decltype(get_awaiter(std::declval<A>()))>;

/// Resumes after await_suspend whatever it returned; the shape that wrappers of other awaiters give
/// back.
template <class Awaiter>
std::coroutine_handle<> suspend_with(Awaiter& awaiter, std::coroutine_handle<> waiter) {
  using returned = decltype(awaiter.await_suspend(waiter));
  if constexpr (std::is_void_v<returned>) {
    awaiter.await_suspend(waiter);
    return std::noop_coroutine();
  } else if constexpr (std::same_as<returned, bool>) {
    if (awaiter.await_suspend(waiter)) return std::noop_coroutine();
    return waiter;
  } else {
    return awaiter.await_suspend(waiter);
  }
}

}  // namespace detail

// g++ < 13 destroys a prvalue closure inside a co_await expression twice (GCC PR 99576).
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
template <class F>
concept safe_in_await =
    std::is_lvalue_reference_v<F> || std::is_trivially_destructible_v<std::remove_cvref_t<F>>;
#else
template <class F>
concept safe_in_await = true;
#endif

}  // namespace weft
