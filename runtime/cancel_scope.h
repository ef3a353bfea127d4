#pragma once

#include "cancel.h"
#include "clock.h"
#include "detail/interrupt_scope.h"
#include "detail/spin_lock.h"
#include "detail/timer_wheel.h"

#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

/// A region of a task that can be cancelled as a whole: trio's CancelScope. Level-triggered: once
/// it is cancelled every suspension inside raises cancelled_error, until the region is left.
///
/// Made by the user, so that it can be asked and cancelled from outside; entered once, by
/// with_cancel_scope.
/// Threads: cancel() and set_deadline() from any, while the scope lives; the rest by the task.
class cancel_scope {
 public:
  cancel_scope() noexcept;
  cancel_scope(const cancel_scope&) = delete;
  cancel_scope& operator=(const cancel_scope&) = delete;
  ~cancel_scope() = default;

  /// Cancels the region, also one that was not entered yet: its body runs to its first suspension.
  /// Idempotent; nothing happens once it was left.
  void cancel() noexcept;
  /// Cancels the region at `when`; time_point::max() takes that back. Before it is entered too.
  void set_deadline(clock::time_point when) noexcept;
  /// It was cancelled, by cancel() or by its deadline.
  [[nodiscard]] bool cancel_called() const noexcept { return scope_.has_expired(); }
  /// The region ended because it was cancelled.
  [[nodiscard]] bool cancelled_caught() const noexcept {
    return caught_.load(std::memory_order_relaxed);
  }
  /// While it is on, cancellations and deadlines from outside of the region wait until it is left;
  /// the scope's own do not. Inside the region it takes effect from the next suspension on.
  void shield(bool on) noexcept { detail::set_shield(scope_, on); }

  /// One visit of the running task, for with_cancel_scope. Throws invalid_state_error when the
  /// scope was entered before.
  class visit {
   public:
    explicit visit(cancel_scope& of);
    ~visit();
    visit(const visit&) = delete;
    visit& operator=(const visit&) = delete;
    /// A cancelled_error that has reached the end of the region is its own: true, and it ends here.
    [[nodiscard]] bool catches() noexcept;

   private:
    cancel_scope& scope_;
    const int requests_before_;
  };

 private:
  struct scope_timer : detail::timer_node {
    cancel_scope* owner = nullptr;
  };
  static void on_fire(detail::timer_node& self) noexcept;
  void arm() noexcept;

  detail::interrupt_scope scope_;
  bool entered_before_ = false;  // the task's
  //   written by  the task when it leaves; relaxed: one word, and nothing hangs on it
  detail::atomic<bool> caught_{false};
  //   written by  visits: begin and end
  //   read by     cancel(), on any thread
  //   pairing     seq_cst, a store-load race against scope_.expired: either the canceller sees the
  //               task, or the visit sees that it was cancelled
  detail::atomic<detail::task_state*> inside_{nullptr};
  //   written by  cancel(); read by the end of the visit, which waits for zero
  //   pairing     seq_cst, as inside_: a canceller that has seen the task is seen; it leaves with
  //               release, so that the visit ends after all that it did
  detail::atomic<std::uint32_t> cancellers_{0};

  detail::spin_lock lock_;
  // Guarded by lock_.
  clock::time_point deadline_ = clock::time_point::max();
  scope_timer timer_;
};

namespace detail {

template <class T>
struct maybe {
  using type = std::optional<value_t<T>>;
};
template <>
struct maybe<void> {
  using type = bool;
};

}  // namespace detail

/// Empty (false for void) when the scope itself stopped the body: there is no T to give.
template <class F>
using scope_value_t = typename detail::maybe<body_value_t<F, cancel_scope&>>::type;

namespace detail {

template <class F>
task<scope_value_t<F>> run_cancel_scope(cancel_scope* given, F body) {
  cancel_scope own;
  cancel_scope& scope = given != nullptr ? *given : own;
  cancel_scope::visit visit(scope);
  try {
    if constexpr (std::is_void_v<body_value_t<F, cancel_scope&>>) {
      co_await call_body(body, scope);
      co_return true;
    } else {
      co_return scope_value_t<F>(co_await call_body(body, scope));
    }
  } catch (const cancelled_error&) {
    if (!visit.catches()) throw;
  }
  co_return scope_value_t<F>();
}

}  // namespace detail

/// Runs body(scope) or body() in a region that scope.cancel() or its deadline ends. Gives the
/// body's value, or true; nothing, or false, when the region was cancelled and the body went along.
/// The callable is kept until the end; a named one is copied, std::ref(f) borrows it.
/// Cancellation: of the task, from outside, is none of the scope's business and goes on.
template <scope_body<cancel_scope&> F>
  requires safe_in_await<F>
task<scope_value_t<F>> with_cancel_scope(F&& body) {
  return detail::run_cancel_scope<std::decay_t<F>>(nullptr, std::forward<F>(body));
}
/// ... with a scope of the caller's, who can ask and cancel it from elsewhere.
template <scope_body<cancel_scope&> F>
  requires safe_in_await<F>
task<scope_value_t<F>> with_cancel_scope(cancel_scope& scope, F&& body) {
  return detail::run_cancel_scope<std::decay_t<F>>(&scope, std::forward<F>(body));
}
template <scope_body<cancel_scope&> F>
  requires(!safe_in_await<F>)
[[deprecated(
    "g++ < 13 destroys this lambda twice inside co_await: name it and pass the name or "
    "std::ref(it)")]]
task<scope_value_t<F>> with_cancel_scope(F&& body) {
  return detail::run_cancel_scope<std::decay_t<F>>(nullptr, std::forward<F>(body));
}
template <scope_body<cancel_scope&> F>
  requires(!safe_in_await<F>)
[[deprecated(
    "g++ < 13 destroys this lambda twice inside co_await: name it and pass the name or "
    "std::ref(it)")]]
task<scope_value_t<F>> with_cancel_scope(cancel_scope& scope, F&& body) {
  return detail::run_cancel_scope<std::decay_t<F>>(&scope, std::forward<F>(body));
}

}  // namespace weft
