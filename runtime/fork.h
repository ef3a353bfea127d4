#pragma once

#include "cancel.h"
#include "spawn.h"

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <exception>
#include <new>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

namespace weft {

template <class T>
class forked;

namespace detail {

enum class fork_state : unsigned char {
  offered,  // in the deque of the worker that runs the parent, or taken by somebody meanwhile
  ran,      // awaited
  empty,
};

/// Puts an unstarted child where idle workers find it.
void offer(task_state& child, const task_type& type, std::coroutine_handle<> frame);
/// Takes the child back if nobody has it. True: it is ours again, unstarted.
bool take_back(task_state& child) noexcept;
/// Somebody took it and is about to make it a task: waits for the few instructions until it is one.
void await_adoption(task_state& child) noexcept;
/// Cancels a child that runs elsewhere and helps with other work until it has ended.
void abandon(task_state& child) noexcept;

/// Runs the child in place, as if it had been awaited; or waits for whoever took it. The wait's
/// node is only made in the second case: in the first the await is a pop from the deque and a
/// symmetric transfer.
template <class T>
class [[nodiscard]] fork_awaiter {
 public:
  explicit fork_awaiter(forked<T>& owner) noexcept : owner_(owner) {}
  fork_awaiter(const fork_awaiter&) = delete;
  fork_awaiter& operator=(const fork_awaiter&) = delete;
  ~fork_awaiter() {}

  bool await_ready() {
    if (owner_.state_ != fork_state::offered) [[unlikely]]
      throw_invalid_state("a fork is awaited once");
    owner_.state_ = fork_state::ran;
    task_state& child = block_of<T>::state(owner_.frame_);
    if (take_back(child)) [[likely]]
      return false;
    await_adoption(child);
    owner_.adopted_ = true;
    ::new (&join_) join_operation(&child);
    return done(child);
  }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent) noexcept {
    if (!owner_.adopted_) [[likely]] {
      owner_.frame_.promise().continuation = parent;
      return owner_.frame_;
    }
    if (join_.await_suspend(parent)) return std::noop_coroutine();
    return parent;
  }
  [[nodiscard, gnu::always_inline]] T await_resume() {
    if (owner_.adopted_) [[unlikely]]
      end_join();
    return block_of<T>::slot(owner_.frame_).take();
  }

 private:
  /// Apart, so that a child that nobody took is awaited without a call.
  [[gnu::noinline]] void end_join() {
    if (join_.outcome != wait_outcome::completed) throw_interrupted(join_.outcome);
    join_.take();
  }

  forked<T>& owner_;
  union {
    join_operation join_;  // trivially destructible in effect
  };
};

/// Waits for the end of a cancelled child, whatever it is. Not cancellable itself: under a shield.
class [[nodiscard]] abandoned_child : public join_operation {
 public:
  /// Null: there is nothing to wait for.
  explicit abandoned_child(task_state* child) noexcept : join_operation(child) {}
  bool await_ready() { return child_ == nullptr || join_operation::await_ready(); }
  void await_resume() noexcept {
    if (child_ != nullptr) retrieve(*child_);
  }
};

}  // namespace detail

/// A child that an idle worker may take while the parent goes on. Await it before the scope ends,
/// newest first.
///
/// If nobody has taken it by then, the await runs it in place, depth first, at the price of a push
/// and a pop. Left un-awaited (an exception came between): dropped unrun if nobody took it, else
/// cancelled, and the destructor runs other work until the child has ended. A child that can never
/// end ends the process, with a report, where that can be seen (virtual time).
/// Lives in the frame of one coroutine; neither copied nor moved.
template <class T>
class [[nodiscard]] forked {
 public:
  explicit forked(task<T> child) : frame_(child.release()) {
    try {
      detail::offer(detail::block_of<T>::state(frame_), detail::block_of<T>::type, frame_);
    } catch (...) {  // outside of a task: nobody will ever run it
      frame_.destroy();
      throw;
    }
  }
  forked(const forked&) = delete;
  forked& operator=(const forked&) = delete;
  ~forked() {
    detail::task_state& child = detail::block_of<T>::state(frame_);
    if (state_ == detail::fork_state::offered && !detail::take_back(child)) {
      detail::await_adoption(child);
      adopted_ = true;
      if (!detail::done(child)) detail::abandon(child);
      detail::retrieve(child);
    }
    if (adopted_) {
      detail::drop_handle(child);
    } else {
      frame_.destroy();
    }
  }

  /// For fork_all, in place of the destructor's wait, which keeps the worker: give_up() takes the
  /// child back or cancels it, newest first; then ended() waits for one that runs.
  void give_up() noexcept {
    if (state_ != detail::fork_state::offered) return;
    state_ = detail::fork_state::empty;
    detail::task_state& child = detail::block_of<T>::state(frame_);
    if (detail::take_back(child)) return;
    detail::await_adoption(child);
    adopted_ = true;
    detail::cancel(child);
  }
  [[nodiscard]] detail::abandoned_child ended() noexcept {
    return detail::abandoned_child(adopted_ ? &detail::block_of<T>::state(frame_) : nullptr);
  }

  detail::fork_awaiter<T> operator co_await() & noexcept { return detail::fork_awaiter<T>(*this); }
  detail::fork_awaiter<T> operator co_await() && noexcept { return detail::fork_awaiter<T>(*this); }

 private:
  friend detail::fork_awaiter<T>;
  std::coroutine_handle<detail::task_promise<T>> frame_;
  detail::fork_state state_ = detail::fork_state::offered;
  bool adopted_ = false;
};

/// Offers `child` to idle workers. Inside a task.
/// Bound: beyond 1024 outstanding forks a child becomes an ordinary task.
template <class T>
forked<T> fork(task<T> child) {
  return forked<T>(std::move(child));
}

namespace detail {

/// After a failure or cancellation the children are awaited, not left to their destructors: those
/// would run other tasks on top of this one, also one that waits for this one.
template <class T>
task<vector_of_t<T>> run_fork_all(std::vector<task<T>> children) {
  std::size_t left = children.size();
  std::vector<std::optional<forked<T>>> forks(left);  // in their place: they do not move
  std::exception_ptr failure;
  try {
    for (std::size_t i = 0; i < left; ++i) forks[i].emplace(std::move(children[i]));
    if constexpr (std::is_void_v<T>) {
      for (; left > 0; --left) {
        co_await *forks[left - 1];
        forks[left - 1].reset();
      }
      co_return;
    } else {
      std::vector<value_t<T>> newest_first;
      newest_first.reserve(left);
      for (; left > 0; --left) {
        newest_first.push_back(value_t<T>(co_await *forks[left - 1]));
        forks[left - 1].reset();
      }
      std::reverse(newest_first.begin(), newest_first.end());
      co_return newest_first;
    }
  } catch (...) {  // goes on when the children have ended
    failure = std::current_exception();
  }
  // What was not forked, and what has been awaited, has no value.
  for (auto fork = forks.rbegin(); fork != forks.rend(); ++fork) {
    if (fork->has_value()) (*fork)->give_up();
  }
  const cancel_shield shield;
  for (; !forks.empty(); forks.pop_back()) {
    if (forks.back()) co_await forks.back()->ended();
  }
  std::rethrow_exception(failure);
}

}  // namespace detail

/// Forks all children and awaits them, newest first: their results in order.
template <task_range R>
task<detail::vector_of_t<range_task_t<R>>> fork_all(R&& children) {
  using owned_tasks = std::vector<task<range_task_t<R>>>;
  if constexpr (std::same_as<R, owned_tasks>) {
    return detail::run_fork_all<range_task_t<R>>(std::move(children));
  } else {
    owned_tasks owned;
    if constexpr (std::ranges::sized_range<R>) owned.reserve(std::ranges::size(children));
    for (auto&& each : children) owned.push_back(std::ranges::range_value_t<R>(std::move(each)));
    return detail::run_fork_all<range_task_t<R>>(std::move(owned));
  }
}

}  // namespace weft
