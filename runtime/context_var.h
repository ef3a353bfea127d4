#pragma once

#include "detail/context.h"
#include "detail/task_state.h"

#include <memory>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

/// The value this task sees; null when none was set.
context::value find_in_context(context::key variable) noexcept;
/// Of the running task. Throws std::logic_error outside of one, std::bad_alloc.
void set_in_context(context::key variable, context::value value);

/// What a reset goes back to, and where it is allowed.
class context_token {
 public:
  context_token(context::key variable, context::value before) noexcept;
  context_token(context_token&& other) noexcept
      : variable_(std::exchange(other.variable_, 0)),
        task_(other.task_),
        before_(std::move(other.before_)) {}
  context_token& operator=(context_token&&) = delete;
  ~context_token() = default;

  void reset(context::key variable) &&;

 private:
  context::key variable_;
  const task_state* task_;
  context::value before_;
};

}  // namespace detail

/// A value that goes with the tasks: asyncio's ContextVar.
///
/// A task starts with a copy of the context of the task that began it (spawn, gather, select, a
/// task group, fork), at the moment when it began it; callbacks, with that of who registered them.
/// What either changes later the other does not see. A coroutine that is only awaited is part of
/// its task, and so is a fork that runs in place. to_thread() lends the function its task's context
/// to read; executors do not.
///
/// Threads: any; to be made before and destroyed after its use, usually as a global. T is copied
/// out by get(), and may be read by several tasks at once.
/// Cost: get() looks among the variables that are set; set() copies the list of them; a task that
/// inherits a context, one atomic operation.
template <class T>
class context_var {
 public:
  /// What set() gives and reset() takes. Dropping it changes nothing.
  class token {
   public:
    token(token&&) noexcept = default;
    token& operator=(token&&) = delete;
    ~token() = default;

   private:
    friend class context_var;
    explicit token(detail::context_token kept) noexcept : kept_(std::move(kept)) {}
    detail::context_token kept_;
  };

  explicit context_var(T default_value) : default_(std::move(default_value)) {}
  context_var(const context_var&) = delete;
  context_var& operator=(const context_var&) = delete;
  ~context_var() = default;

  /// A copy of the value, or of the default where none was set, as outside of a task.
  [[nodiscard]] T get() const {
    const detail::context::value found = detail::find_in_context(key_);
    return found == nullptr ? default_ : *static_cast<const T*>(found.get());
  }
  /// Sets the value for this task and those it begins from now on. Throws std::logic_error outside
  /// of a task.
  token set(T value) {
    detail::context_token before(key_, detail::find_in_context(key_));
    detail::set_in_context(key_, std::make_shared<const T>(std::move(value)));
    return token(std::move(before));
  }
  /// Goes back to what was before the set() that gave the token. Throws invalid_state_error for a
  /// token that was used, or comes from another variable or another task.
  void reset(token from) { std::move(from.kept_).reset(key_); }

 private:
  const detail::context::key key_ = detail::context::new_key();
  const T default_;
};

}  // namespace weft
