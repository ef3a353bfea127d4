#pragma once

#include "detail/spin_lock.h"
#include "spawn.h"

#include <coroutine>
#include <memory>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

/// What the copies of a shared_task have in common.
class shared_work {
 public:
  shared_work() noexcept = default;
  shared_work(const shared_work&) = delete;
  shared_work& operator=(const shared_work&) = delete;
  virtual ~shared_work() = default;

  /// The task; the first caller starts it. Throws std::bad_alloc.
  task_state& started();

  //   written by  tasks that begin and end to wait: any thread
  //   pairing     none; relaxed: the order of the word alone decides which one is the last of
  //               several that are cancelled at once
  atomic<std::uint32_t> waiting{0};

 private:
  virtual task_state& start() = 0;

  spin_lock lock_;
  task_state* task_ = nullptr;  // guarded by lock_
};

template <class T>
class shared_box final : public shared_work {
 public:
  explicit shared_box(task<T> work) noexcept : work_(std::move(work)) {}

 private:
  task_state& start() override {
    handle_ = spawn(std::move(work_));
    return *handle_.state();
  }

  task<T> work_;
  join_handle<T> handle_;
};

/// One of those who wait. Cancelled, it leaves the work to the others; the last one takes it along.
class shared_wait : public join_operation {
 public:
  bool await_ready();
  bool await_suspend(std::coroutine_handle<> waiter) noexcept;

 protected:
  explicit shared_wait(std::shared_ptr<shared_work> work) noexcept
      : join_operation(nullptr, waits<leave_or_cancel, "a shared task", visit_child>),
        work_(std::move(work)) {}
  shared_wait(shared_wait&&) noexcept = default;
  shared_wait& operator=(shared_wait&&) = delete;
  ~shared_wait() { end_wait(); }

  /// Throws if the wait was interrupted.
  void finish();
  [[nodiscard]] task_state& state() const noexcept { return *child_; }

 private:
  static unlink_result leave_or_cancel(wait_node& self) noexcept;
  void end_wait() noexcept;

  std::shared_ptr<shared_work> work_;
  bool counted_ =
      false;  // in work_->waiting; the task's, or the canceller's while that has it BUSY
};

/// Gives T to read where it lies (Result is const T&), or a copy.
template <class T, class Result>
class [[nodiscard]] shared_task_awaiter : public shared_wait {
 public:
  explicit shared_task_awaiter(std::shared_ptr<shared_work> work) noexcept
      : shared_wait(std::move(work)) {}
  [[nodiscard]] Result await_resume() {
    finish();
    return block_of<T>::slot(state()).view();
  }
};

/// What reading a shared T gives: a reference, or nothing.
template <class T>
using shared_view_t =
    std::conditional_t<std::is_void_v<T>, void, std::add_lvalue_reference_t<std::add_const_t<T>>>;

}  // namespace detail

/// A task that runs once and is awaited by many: each copy of it gives the same outcome, any number
/// of times.
///
/// Lazy: the first who awaits it starts it, in his runtime, as a task of its own. One that nobody
/// awaits never runs.
/// Cancellation: a cancelled awaiter leaves at once while others wait; only the last one's
/// cancellation reaches the task, whose end it awaits.
/// Threads: any. Cost: one allocation for all copies.
template <class T>
class [[nodiscard]] shared_task {
 public:
  using value_type = T;

  /// An lvalue gives const T&, valid while a copy of the shared_task lives; an rvalue gives a copy,
  /// since nothing would own the T.
  detail::shared_task_awaiter<T, detail::shared_view_t<T>> operator co_await() const& noexcept {
    return detail::shared_task_awaiter<T, detail::shared_view_t<T>>(box_);
  }
  detail::shared_task_awaiter<T, T> operator co_await() && noexcept
    requires(!std::is_object_v<T> || std::is_copy_constructible_v<T>)
  {
    return detail::shared_task_awaiter<T, T>(box_);
  }

  /// For share().
  explicit shared_task(task<T> work)
      : box_(std::make_shared<detail::shared_box<T>>(std::move(work))) {}

 private:
  std::shared_ptr<detail::shared_work> box_;
};

/// Many awaiters, one run.
template <class T>
shared_task<T> share(task<T> work) {
  return shared_task<T>(std::move(work));
}

}  // namespace weft
