#pragma once

#include "async_generator.h"
#include "cancel.h"
#include "detail/handle_observer.h"
#include "detail/spin_lock.h"
#include "spawn.h"

#include <cstddef>
#include <exception>
#include <utility>
#include <vector>

namespace weft {

namespace detail {

/// Tells one after the other which of some tasks has ended. Neither copied nor moved.
class completion_list {
 public:
  class next_operation;

  /// They are held by the caller.
  explicit completion_list(const std::vector<task_state*>& tasks);
  completion_list(const completion_list&) = delete;
  completion_list& operator=(const completion_list&) = delete;
  ~completion_list();

  /// The number of the next one, each once. Requires: not all were told.
  /// Cancellation: takes nothing.
  next_operation next() noexcept;
  void cancel_all() noexcept;

 private:
  static void on_task_done(completion_waiter& self, task_state& task) noexcept;

  std::vector<handle_observer> observers_;
  spin_lock lock_;
  // Guarded by lock_.
  std::vector<std::size_t> ended_;  // in the order of their ends; has room for all
  std::size_t told_ = 0;
  wait_node* waiter_ = nullptr;
};

/// Awaitable of std::size_t.
class [[nodiscard]] completion_list::next_operation : public leaf_operation<next_operation> {
 public:
  explicit next_operation(completion_list& list) noexcept : list_(&list) {}

 private:
  friend leaf_operation<next_operation>;
  bool try_now() noexcept;
  bool publish() noexcept;
  std::size_t take() noexcept;
  static unlink_result leave(wait_node& self) noexcept;
  static void visit_observed(const wait_node& self, visit_function visit, void* context) noexcept;

  completion_list* list_;
};

inline completion_list::next_operation completion_list::next() noexcept {
  return next_operation(*this);
}

template <class T>
async_generator<result<T>> give_as_completed(std::vector<task<T>> work) {
  std::vector<join_handle<T>> handles;
  std::vector<task_state*> tasks;
  handles.reserve(work.size());
  tasks.reserve(work.size());
  for (task<T>& each : work) {
    handles.push_back(spawn(std::move(each)));
    tasks.push_back(handles.back().state());
  }
  completion_list completions(tasks);
  std::size_t left = tasks.size();
  std::exception_ptr interrupted;
  try {
    while (left > 0) {
      const std::size_t index = co_await completions.next();
      --left;
      retrieve(*tasks[index]);
      co_yield block_of<T>::slot(*tasks[index]).take_result();
    }
  } catch (...) {  // closed, or cancelled: goes on when the rest has ended
    interrupted = std::current_exception();
  }
  if (interrupted == nullptr) co_return;
  completions.cancel_all();
  const cancel_shield shield;
  for (; left > 0; --left) {
    const std::size_t index = co_await completions.next();
    retrieve(*tasks[index]);
  }
  std::rethrow_exception(interrupted);
}

}  // namespace detail

/// Runs the tasks concurrently, from the first next() on, and gives their outcomes in the order in
/// which they end: `while (auto outcome = co_await all.next())`, each a result<T>.
///
/// Leaving early: `co_await all.aclose()` cancels and awaits the rest; a dropped generator cancels
/// it, and the runtime owns it.
/// Cancellation: as aclose(), then throws.
template <task_range R>
async_generator<result<range_task_t<R>>> as_completed(R&& children) {
  std::vector<task<range_task_t<R>>> work;
  for (auto&& each : children) work.push_back(std::ranges::range_value_t<R>(std::move(each)));
  return detail::give_as_completed<range_task_t<R>>(std::move(work));
}

}  // namespace weft
