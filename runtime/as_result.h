#pragma once

#include "detail/interrupt_scope.h"
#include "spawn.h"

#include <optional>

namespace weft {

namespace detail {

/// Tells whether a cancelled_error is the running task's own or comes from something it awaited:
/// made before the await, asked after it.
class cancellation_watch {
 public:
  cancellation_watch() noexcept
      : requests_before_(here.task == nullptr ? 0 : requests_before(*here.task)) {}

  /// A request was delivered since, or a scope is cancelled. One that is still pending is not what
  /// was thrown: it came behind the end of what was awaited, and has its own exception to come.
  [[nodiscard]] bool came() const noexcept {
    if (here.task == nullptr) return false;
    const task_state& self = *here.task;
    const int requests = cancelling(self) - requests_before_;
    return requests > (request_pending(self) ? 1 : 0) || cancelled_scopes(self.scopes) > 0;
  }

 private:
  int requests_before_;
};

/// Awaits A in place and gives its outcome as a value.
template <class A>
class [[nodiscard]] result_awaiter {
 public:
  using value_type = await_result_t<A>;

  explicit result_awaiter(A&& awaited) : awaited_(std::forward<A>(awaited)) {}
  result_awaiter(result_awaiter&& other) noexcept : awaited_(std::forward<A>(other.awaited_)) {}
  result_awaiter& operator=(result_awaiter&&) = delete;
  ~result_awaiter() = default;

  bool await_ready() {
    if (awaiter_) [[unlikely]]
      throw_awaited_twice();
    awaiter_.emplace(static_cast<A&&>(awaited_));
    own_ = cancellation_watch();
    return awaiter_->awaiter.await_ready();
  }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) {
    return suspend_with(awaiter_->awaiter, waiter);
  }
  [[nodiscard]] result<value_type> await_resume() {
    if constexpr (requires { awaiter_->awaiter.await_resume_result(); }) {
      return awaiter_->awaiter.await_resume_result();
    } else {
      if constexpr (requires { awaiter_->awaiter.failure(); }) {
        const std::exception_ptr error = awaiter_->awaiter.failure();
        if (error != nullptr && !(is_cancellation(error) && own_.came()))
          return result<value_type>(error);
      }
      try {
        if constexpr (std::is_void_v<value_type>) {
          awaiter_->awaiter.await_resume();
          return {};
        } else {
          return result<value_type>(value_t<value_type>(awaiter_->awaiter.await_resume()));
        }
      } catch (const cancelled_error&) {
        // Our own cancellation goes on; that of a child is a value.
        if (own_.came()) throw;
        return result<value_type>(std::current_exception());
      } catch (...) {
        return result<value_type>(std::current_exception());
      }
    }
  }

 private:
  struct holder {
    explicit holder(A&& awaited) : awaiter(get_awaiter(static_cast<A&&>(awaited))) {}
    decltype(get_awaiter(std::declval<A>())) awaiter;
  };

  A awaited_;
  std::optional<holder> awaiter_;
  cancellation_watch own_;
};

}  // namespace detail

/// The value, or the exception, as a value. The cancellation of the awaiting task still throws; a
/// cancelled child does not. I/O errors create no exception on the way, and what a task failed with
/// is not thrown again: no unwinding.
template <awaitable A>
detail::result_awaiter<A> as_result(A&& awaited) {
  return detail::result_awaiter<A>(std::forward<A>(awaited));
}

}  // namespace weft
