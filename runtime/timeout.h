#pragma once

#include "cancel.h"
#include "detail/time_limit.h"
#include "sleep.h"
#include "spawn.h"

#include <optional>

namespace weft {

namespace detail {

/// Awaits A inside the same task, with a limit. No frame, no allocation.
template <class A>
class [[nodiscard]] wait_for_awaiter {
 public:
  using value_type = await_result_t<A>;

  wait_for_awaiter(A&& awaited, clock::duration allowed)
      : awaited_(std::forward<A>(awaited)), allowed_(allowed) {}
  wait_for_awaiter(wait_for_awaiter&& other) noexcept
      : awaited_(std::forward<A>(other.awaited_)), allowed_(other.allowed_) {}
  wait_for_awaiter& operator=(wait_for_awaiter&&) = delete;
  ~wait_for_awaiter() {
    if (limit_.active()) limit_.finish();  // the frame is destroyed while it waits
  }

  bool await_ready() {
    if (awaiter_) [[unlikely]]
      throw_awaited_twice();
    awaiter_.emplace(static_cast<A&&>(awaited_));
    // Out of time before it began: what is ready counts, what is not never starts.
    if (awaiter_->get().await_ready()) return true;
    const bool over = allowed_ <= clock::duration::zero();
    if (over && is_task<std::remove_cvref_t<A>>) throw timeout_error();
    limit_.start(clock::now() + allowed_, over);
    return false;
  }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) {
    return suspend_with(awaiter_->get(), waiter);
  }
  value_type await_resume() {
    if (!limit_.active()) return awaiter_->get().await_resume();
    try {
      if constexpr (std::is_void_v<value_type>) {
        awaiter_->get().await_resume();
        limit_.finish();
      } else {
        value_type value = awaiter_->get().await_resume();
        limit_.finish();
        return static_cast<value_type&&>(value);
      }
    } catch (const cancelled_error&) {
      if (limit_.finish()) throw timeout_error();
      throw;
    } catch (...) {
      limit_.finish();
      throw;
    }
  }

 private:
  /// The awaiter of A, in place; a reference when A is its own.
  struct holder {
    explicit holder(A&& awaited) : awaiter(get_awaiter(static_cast<A&&>(awaited))) {}
    decltype(get_awaiter(std::declval<A>())) awaiter;
    auto& get() noexcept { return awaiter; }
  };

  A awaited_;
  clock::duration allowed_;  // from the await on
  std::optional<holder> awaiter_;
  time_limit limit_;
};

}  // namespace detail

/// Awaits with a limit, which counts from the await: timeout_error after the awaited one was
/// cancelled and has ended, however long its clean-up takes.
///
/// A result that is there is never lost, and a value returned in spite of the cancellation is
/// given. With a limit of zero or less a task never starts.
/// Cancellation: as the awaited one's.
/// Cost: a timer, about 50 ns; no allocation.
template <awaitable A, class Rep, class Period>
detail::wait_for_awaiter<A> wait_for(A&& awaited, std::chrono::duration<Rep, Period> limit) {
  return detail::wait_for_awaiter<A>(std::forward<A>(awaited), detail::to_clock_duration(limit));
}

/// The limit of a timeout(): can be asked and moved. One use; the task's own.
class timeout_scope {
 public:
  timeout_scope() noexcept = default;
  timeout_scope(const timeout_scope&) = delete;
  timeout_scope& operator=(const timeout_scope&) = delete;
  ~timeout_scope() = default;

  /// Moves the deadline; time_point::max() removes it. False before the body begins, once expired,
  /// and after it.
  bool reschedule(clock::time_point when) noexcept { return limit_.reschedule(when); }
  [[nodiscard]] bool expired() const noexcept { return limit_.expired(); }
  [[nodiscard]] clock::time_point when() const noexcept { return limit_.when(); }

  /// For timeout() itself.
  [[nodiscard]] detail::time_limit& limit() noexcept { return limit_; }

 private:
  detail::time_limit limit_;
};

namespace detail {

/// Ends the limit on every way out, also when the frame is destroyed.
class limit_guard {
 public:
  limit_guard(time_limit& limit, clock::time_point when) : limit_(limit) {
    if (limit.active() || limit.expired()) throw_invalid_state("a timeout_scope is used once");
    limit.start(when, when <= clock::now());
  }
  limit_guard(time_limit& limit, clock::duration from_now)
      : limit_guard(limit, clock::now() + from_now) {}
  ~limit_guard() {
    if (limit_.active()) limit_.finish();
  }
  limit_guard(const limit_guard&) = delete;
  limit_guard& operator=(const limit_guard&) = delete;

 private:
  time_limit& limit_;
};

/// Limit: a point in time, or a duration that counts from the begin of the body.
template <class F, class Limit>
task<body_value_t<F, timeout_scope&>> run_with_limit(timeout_scope* scope, Limit limit, F body) {
  timeout_scope own;
  timeout_scope& used = scope != nullptr ? *scope : own;
  const limit_guard guard(used.limit(), limit);
  try {
    if constexpr (std::is_void_v<body_value_t<F, timeout_scope&>>) {
      co_await call_body(body, used);
      used.limit().finish();
    } else {
      using value_type = body_value_t<F, timeout_scope&>;
      value_type value = co_await call_body(body, used);
      used.limit().finish();
      co_return static_cast<value_type&&>(value);
    }
  } catch (const cancelled_error&) {
    if (used.limit().active() && used.limit().finish()) throw timeout_error();
    throw;
  }
}

}  // namespace detail

/// asyncio.timeout: runs body(scope) or body() in this task; when the limit, which counts from the
/// begin of the body, passes the body is cancelled, and its cancellation becomes a timeout_error.
/// An outer cancellation never does; nested limits work as asyncio's. A body that swallows one has
/// to take it back (this_task::uncancel), or its later time-out counts as that cancellation.
/// The callable is kept until the end; a named one is copied, std::ref(f) borrows it.
template <class Rep, class Period, scope_body<timeout_scope&> F>
  requires safe_in_await<F>
task<body_value_t<F, timeout_scope&>> timeout(std::chrono::duration<Rep, Period> limit, F&& body) {
  return detail::run_with_limit<std::decay_t<F>>(nullptr, detail::to_clock_duration(limit),
                                                 std::forward<F>(body));
}
template <scope_body<timeout_scope&> F>
  requires safe_in_await<F>
task<body_value_t<F, timeout_scope&>> timeout_at(clock::time_point deadline, F&& body) {
  return detail::run_with_limit<std::decay_t<F>>(nullptr, deadline, std::forward<F>(body));
}
/// ... with a scope of the caller's, who can ask it afterwards.
template <class Rep, class Period, scope_body<timeout_scope&> F>
  requires safe_in_await<F>
task<body_value_t<F, timeout_scope&>> timeout(timeout_scope& scope,
                                              std::chrono::duration<Rep, Period> limit, F&& body) {
  return detail::run_with_limit<std::decay_t<F>>(&scope, detail::to_clock_duration(limit),
                                                 std::forward<F>(body));
}
template <scope_body<timeout_scope&> F>
  requires safe_in_await<F>
task<body_value_t<F, timeout_scope&>> timeout_at(timeout_scope& scope, clock::time_point deadline,
                                                 F&& body) {
  return detail::run_with_limit<std::decay_t<F>>(&scope, deadline, std::forward<F>(body));
}

// The same for callables that g++ < 13 would destroy twice.
template <class Rep, class Period, scope_body<timeout_scope&> F>
  requires(!safe_in_await<F>)
[[deprecated(
    "g++ < 13 destroys this lambda twice inside co_await: name it and pass the name or "
    "std::ref(it)")]]
task<body_value_t<F, timeout_scope&>> timeout(std::chrono::duration<Rep, Period> limit, F&& body) {
  return detail::run_with_limit<std::decay_t<F>>(nullptr, detail::to_clock_duration(limit),
                                                 std::forward<F>(body));
}
template <scope_body<timeout_scope&> F>
  requires(!safe_in_await<F>)
[[deprecated(
    "g++ < 13 destroys this lambda twice inside co_await: name it and pass the name or "
    "std::ref(it)")]]
task<body_value_t<F, timeout_scope&>> timeout_at(clock::time_point deadline, F&& body) {
  return detail::run_with_limit<std::decay_t<F>>(nullptr, deadline, std::forward<F>(body));
}
template <class Rep, class Period, scope_body<timeout_scope&> F>
  requires(!safe_in_await<F>)
[[deprecated(
    "g++ < 13 destroys this lambda twice inside co_await: name it and pass the name or "
    "std::ref(it)")]]
task<body_value_t<F, timeout_scope&>> timeout(timeout_scope& scope,
                                              std::chrono::duration<Rep, Period> limit, F&& body) {
  return detail::run_with_limit<std::decay_t<F>>(&scope, detail::to_clock_duration(limit),
                                                 std::forward<F>(body));
}
template <scope_body<timeout_scope&> F>
  requires(!safe_in_await<F>)
[[deprecated(
    "g++ < 13 destroys this lambda twice inside co_await: name it and pass the name or "
    "std::ref(it)")]]
task<body_value_t<F, timeout_scope&>> timeout_at(timeout_scope& scope, clock::time_point deadline,
                                                 F&& body) {
  return detail::run_with_limit<std::decay_t<F>>(&scope, deadline, std::forward<F>(body));
}

/// A limit for the rest of a block: `deadline d{2s};`. When it passes, the pending await and every
/// later one in the block raise timeout_error; of nested ones the nearest wins. No frame, no
/// lambda.
///
/// Threads: made, asked and destroyed by the task.
/// Cancellation: an outer one stays a cancelled_error.
/// Cost: a timer.
class [[nodiscard]] deadline {
 public:
  template <class Rep, class Period>
  explicit deadline(std::chrono::duration<Rep, Period> limit)
      : deadline(detail::deadline_after(limit), limit <= limit.zero()) {}
  explicit deadline(clock::time_point when) : deadline(when, when <= clock::now()) {}
  ~deadline();
  deadline(const deadline&) = delete;
  deadline& operator=(const deadline&) = delete;

  [[nodiscard]] bool expired() const noexcept { return scope_.has_expired(); }
  [[nodiscard]] clock::time_point when() const noexcept { return timer_.when; }
  /// Moves the deadline to `limit` from now. False: it has passed.
  template <class Rep, class Period>
  bool extend(std::chrono::duration<Rep, Period> limit) noexcept {
    return move_to(detail::deadline_after(limit));
  }

 private:
  struct scope_timer : detail::timer_node {
    detail::interrupt_scope* scope = nullptr;
  };
  deadline(clock::time_point when, bool over);
  static void on_fire(detail::timer_node& self) noexcept;
  bool move_to(clock::time_point when) noexcept;

  detail::interrupt_scope scope_;
  scope_timer timer_;
};

}  // namespace weft
