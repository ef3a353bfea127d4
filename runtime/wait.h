#pragma once

#include "detail/handle_observer.h"
#include "detail/timer_wheel.h"
#include "spawn.h"

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace weft {

/// When wait() is over.
enum class return_when {
  first_completed,  // one task is done
  first_exception,  // one task has failed (a cancellation is no failure), or all are done
  all_completed,
};

/// Positions in the range that was waited for, in its order.
struct wait_result {
  std::vector<std::size_t> done;
  std::vector<std::size_t> pending;
};

namespace detail {

/// Waits for enough of some tasks, and leaves them alone.
class [[nodiscard]] wait_operation : public wait_node {
 public:
  /// Throws std::invalid_argument when there are none.
  wait_operation(std::vector<handle_observer> observers, return_when when, clock::duration limit);
  static constexpr clock::duration no_limit = clock::duration::max();
  wait_operation(wait_operation&& other) noexcept;
  wait_operation& operator=(wait_operation&&) = delete;
  ~wait_operation();

  bool await_ready();
  bool await_suspend(std::coroutine_handle<> waiter) noexcept;
  [[nodiscard]] wait_result await_resume();

 private:
  struct limit_timer : timer_node {
    wait_operation* owner = nullptr;
  };

  static void on_handle_done(completion_waiter& self, task_state& child) noexcept;
  static void on_limit(timer_node& self) noexcept;
  static unlink_result leave(wait_node& self) noexcept;
  static void visit_observed(const wait_node& self, visit_function visit, void* context) noexcept;
  [[nodiscard]] bool settle() noexcept;
  void stop_all() noexcept;

  std::vector<handle_observer> observers_;
  return_when when_;
  clock::duration time_;
  limit_timer limit_;
  // Both relaxed: the order of the word alone decides who ends the wait. What the tasks gave comes
  // with stop_all(), which waits for those that tell us of it.
  //
  //   written by  ending tasks; reaching zero ends the wait
  atomic<std::int64_t> needed_{0};
  //   written by  who ends the wait: ending tasks, the limit, a canceller
  atomic<bool> settled_{false};
};

template <class R>
std::vector<handle_observer> observe(R& handles) {
  std::vector<handle_observer> observers;
  for (auto& each : handles) observers.emplace_back(each.state());
  return observers;
}

}  // namespace detail

/// asyncio.wait: waits until enough of the tasks are done, and tells which. Never throws what a
/// task has failed with, and never cancels one. The range and its handles stay where they are
/// meanwhile.
///
/// Throws std::invalid_argument when there are no handles.
/// Cancellation: the tasks go on.
/// Cost: one allocation for all handles, and those of the result.
template <handle_range R>
detail::wait_operation wait(R&& handles, return_when when = return_when::all_completed) {
  return {detail::observe(handles), when, detail::wait_operation::no_limit};
}
/// ... but no longer than `timeout` from the await on, which is no error: then more are pending.
template <handle_range R, class Rep, class Period>
detail::wait_operation wait(R&& handles, return_when when,
                            std::chrono::duration<Rep, Period> timeout) {
  return {detail::observe(handles), when, detail::to_clock_duration(timeout)};
}

}  // namespace weft
