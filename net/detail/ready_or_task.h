#pragma once

#include "../../runtime/spawn.h"
#include "../../runtime/task.h"

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft::detail {

/// An awaitable that usually has its answer at once, and begins a coroutine only when it must wait.
///
/// Request provides value_type (or void), `std::optional<value_t<value_type>> try_now()` and
/// `task<value_type> wait()`; either may throw. It may be moved until it is awaited, and is awaited
/// once.
template <class Request>
class [[nodiscard]] ready_or_task {
 public:
  using value_type = typename Request::value_type;

  explicit ready_or_task(Request request) noexcept(std::is_nothrow_move_constructible_v<Request>)
      : request_(std::move(request)) {}

  bool await_ready() {
    if (awaited_) [[unlikely]]
      throw_awaited_twice();
    awaited_ = true;
    try {
      value_ = request_.try_now();
    } catch (...) {  // thrown by await_resume, where as_result expects it
      error_ = std::current_exception();
    }
    return error_ != nullptr || (value_.has_value() && here.budget-- > 0);
  }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) {
    if (value_) {  // it is there, but it is time for others
      here.task->leaf = waiter.address();
      reschedule_current();
      return std::noop_coroutine();
    }
    task<value_type>& begun = work_.emplace(request_.wait());
    auto awaiter = begun.operator co_await();
    (void)awaiter.await_ready();
    return awaiter.await_suspend(waiter);
  }
  value_type await_resume() {
    if (error_ != nullptr) std::rethrow_exception(std::move(error_));
    if (!value_) return work_->operator co_await().await_resume();
    if constexpr (!std::is_void_v<value_type>) return std::move(*value_);
  }

 private:
  Request request_;
  std::optional<value_t<value_type>> value_;
  std::optional<task<value_type>> work_;
  std::exception_ptr error_;
  bool awaited_ = false;
};

}  // namespace weft::detail
