#pragma once

#include "../runtime/awaitable.h"
#include "../runtime/detail/intrusive_list.h"
#include "../runtime/detail/io_operation.h"
#include "../runtime/detail/spin_lock.h"
#include "../runtime/detail/wait_node.h"
#include "mutex.h"

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <type_traits>
#include <utility>

namespace weft {

class condition_variable;

namespace detail {

class wake_list;

/// One wait for a condition, from the unlock of the mutex to the moment when it is locked again.
/// The part that does not depend on how it is awaited.
///
///   begin     links the node in the condition's line, then unlocks the mutex
///   notified  the node moves to the mutex's line; the task sleeps on until it is granted the lock
///   unlinked  a cancelled node does the same, and throws once it has the lock
class condition_wait : public wait_node {
 public:
  condition_wait(condition_wait&&) noexcept = default;
  condition_wait& operator=(condition_wait&&) = delete;
  ~condition_wait() = default;

 protected:
  condition_wait(condition_variable& waited_for, lock_guard& guard) noexcept
      : condition_(&waited_for), guard_(&guard) {
    unlink = waits<take_out, "condition_variable::wait()">;
  }

  /// Throws invalid_state_error if the guard does not hold a mutex.
  void check_guard();
  /// Requires: check_guard() did not throw.
  void begin() noexcept;
  [[nodiscard]] bool was_cancelled() const noexcept { return cancelled_; }
  /// The lock is held again.
  void end() noexcept {
    if (mutex_ != nullptr) mutex_->note_holder();
  }
  /// Throws what the wait was cancelled with, if it was.
  void check_cancelled();

 private:
  friend class weft::condition_variable;

  /// Under the condition's lock. True: the mutex was free and is locked for this wait.
  bool relock() noexcept;
  static unlink_result take_out(wait_node& self) noexcept;

  condition_variable* condition_;
  lock_guard* guard_;
  mutex* mutex_ = nullptr;
  // Guarded by the condition's lock: no longer in its line; and why.
  bool relocking_ = false;
  bool cancelled_ = false;
};

}  // namespace detail

/// Waiting for a condition on data that a mutex protects: asyncio.Condition. Several may share a
/// mutex.
///
/// Waiters are notified in the order in which they came. A notified waiter does not run until it
/// has the mutex; it moves from the line of the condition to that of the mutex. Wakes may be
/// spurious only after a cancellation that somebody took back; test the condition in a loop, or
/// pass it as a predicate.
///
/// Threads: all members may be called from any thread; notify with or without the mutex held.
/// Destroy it when nobody waits.
/// Cost: no allocation.
class condition_variable {
 public:
  class wait_operation;
  template <class P>
  class wait_until_operation;

  constexpr condition_variable() noexcept = default;
  condition_variable(const condition_variable&) = delete;
  condition_variable& operator=(const condition_variable&) = delete;

  /// Unlocks the guard's mutex and waits for a notification, in one step; locks it again before it
  /// goes on, whatever happened. The guard stays where it is meanwhile and counts as locked. Throws
  /// invalid_state_error when it does not hold a weft::mutex.
  /// Cancellation: takes no notification, and throws once the mutex is locked again. A waiter that
  /// was notified before returns normally, and the request stays pending.
  [[nodiscard]] wait_operation wait(lock_guard& guard) noexcept;

  /// Waits until pred() is true: tests it now, then after each notification, always under the
  /// mutex. What it throws is thrown here, under the mutex too. pred is short and does not wait: it
  /// may run on the worker's own stack.
  template <std::predicate P>
    requires safe_in_await<P>
  [[nodiscard]] wait_until_operation<std::decay_t<P>> wait(lock_guard& guard, P&& pred) {
    return {*this, guard, std::forward<P>(pred)};
  }
  template <std::predicate P>
    requires(!safe_in_await<P>)
  [[deprecated(
      "g++ < 13 destroys this lambda twice: name it and pass the name or "
      "std::ref(it)")]] [[nodiscard]] wait_until_operation<std::decay_t<P>>
  wait(lock_guard& guard, P&& pred) {
    return {*this, guard, std::forward<P>(pred)};
  }

  /// Wakes up to `count` waiters, the oldest first.
  void notify_one(std::size_t count = 1) noexcept;
  void notify_all() noexcept;

  /// A snapshot: somebody waits to be notified.
  [[nodiscard]] bool has_waiters() const noexcept;

 private:
  friend class detail::condition_wait;

  mutable detail::spin_lock lock_;
  detail::intrusive_list<detail::condition_wait> waiters_;  // guarded by lock_
};

/// Awaitable of void. Not a leaf for select: a loser has to lock the mutex again, which takes a
/// task.
class [[nodiscard]] condition_variable::wait_operation : public detail::condition_wait {
 public:
  wait_operation(condition_variable& waited_for, lock_guard& guard) noexcept
      : condition_wait(waited_for, guard) {}

  bool await_ready() {
    if (awaited) [[unlikely]]
      detail::throw_awaited_twice();
    awaited = true;
    check_guard();
    return false;
  }
  bool await_suspend(std::coroutine_handle<> waiter) noexcept;
  void await_resume() {
    end();
    check_cancelled();
  }
};

/// Awaitable of void. The predicate is tested before the coroutine is resumed (retry_node), so a
/// wait that has to go on costs no switch to the coroutine.
template <class P>
class [[nodiscard]] condition_variable::wait_until_operation : public detail::condition_wait,
                                                               public detail::retry_node {
 public:
  template <class Q>
  wait_until_operation(condition_variable& waited_for, lock_guard& guard, Q&& pred)
      : condition_wait(waited_for, guard), pred_(std::forward<Q>(pred)) {}

  bool await_ready() {
    if (awaited) [[unlikely]]
      detail::throw_awaited_twice();
    awaited = true;
    if (pred_()) return true;
    check_guard();
    return false;
  }
  bool await_suspend(std::coroutine_handle<> handle) noexcept {
    task = detail::here.task;
    waiter = handle;
    retry = on_retry;
    task->leaf = reinterpret_cast<void*>(
        reinterpret_cast<std::uintptr_t>(static_cast<detail::retry_node*>(this)) |
        detail::leaf_tag::retry);
    return !wait_again();
  }
  void await_resume() {
    end();
    if (failure_) std::rethrow_exception(failure_);
    check_cancelled();
  }

 private:
  /// True: the wait is over. False: suspended.
  bool wait_again() noexcept {
    do {
      begin();
      if (detail::arm(*this)) return false;
    } while (!is_over());
    return true;
  }
  /// With the mutex locked.
  bool is_over() noexcept {
    if (was_cancelled()) return true;
    try {
      return pred_();
    } catch (...) {  // rethrown by await_resume
      failure_ = std::current_exception();
      return true;
    }
  }
  static bool on_retry(detail::retry_node& self) noexcept {
    auto& waiting = static_cast<wait_until_operation&>(self);
    return waiting.is_over() || waiting.wait_again();
  }

  P pred_;
  std::exception_ptr failure_;
};

inline condition_variable::wait_operation condition_variable::wait(lock_guard& guard) noexcept {
  return wait_operation(*this, guard);
}

}  // namespace weft
