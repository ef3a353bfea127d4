#pragma once

#include "async_with.h"

#include <cstddef>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

/// Something that a stack closes. The stack is a list of them, the latest first, so that nothing
/// can fail between the acquisition and its place in the stack.
struct stack_entry {
  stack_entry() = default;
  stack_entry(const stack_entry&) = delete;
  stack_entry& operator=(const stack_entry&) = delete;
  virtual ~stack_entry() = default;
  /// True: the exception ends here.
  virtual task<bool> close(std::exception_ptr error) = 0;

  std::unique_ptr<stack_entry> below;
};

template <class R>
struct stack_resource : stack_entry {
  explicit stack_resource(R&& entered) : resource(std::forward<R>(entered)) {}
  task<bool> close(std::exception_ptr error) override {
    return exit_resource(resource, std::move(error));
  }
  R resource;  // a reference: borrowed
};

struct stack_callback : stack_entry {
  explicit stack_callback(task<> called) noexcept : callback(std::move(called)) {}
  task<bool> close(std::exception_ptr) override { return call(std::move(callback)); }
  static task<bool> call(task<> callback);
  task<> callback;
};

/// A task that is awaited for its effect.
template <class T>
task<> without_value(task<T> work) {
  if constexpr (std::is_void_v<T>) {
    co_await std::move(work);
  } else {
    static_cast<void>(co_await std::move(work));
  }
}

}  // namespace detail

/// As many resources as the data asks for, released in reverse order whatever happens: asyncio's
/// AsyncExitStack. Made by with_exit_stack, because no destructor can await.
///
/// Threads: the body's task. Cost: an allocation for each entry.
class async_exit_stack {
 public:
  async_exit_stack(const async_exit_stack&) = delete;
  async_exit_stack& operator=(const async_exit_stack&) = delete;

  /// Acquires a resource and gives its value; its aexit is owed from then on. An lvalue is
  /// borrowed, an rvalue is kept.
  /// Cancellation: as aenter's; nothing is owed then.
  template <async_resource R>
  task<enter_value_t<R>> enter(R&& resource) {
    return enter_into(*this,
                      std::make_unique<detail::stack_resource<R>>(std::forward<R>(resource)));
  }
  /// ... of a generator that yields once.
  template <class T>
  task<T> enter(async_generator<T> one_yield) {
    return enter(detail::generator_resource<T>(std::move(one_yield)));
  }
  /// Awaits f(args...) at the end; both are kept until then.
  template <class F, class... Args>
    requires task_function<F, Args...>
  void push_async_callback(F&& f, Args&&... args) {
    push(std::make_unique<detail::stack_callback>(detail::without_value(
        detail::call_in_frame(std::forward<F>(f), std::forward<Args>(args)...))));
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// For with_exit_stack: made by the task that owns the scope.
  async_exit_stack() noexcept = default;
  /// Entries that were not closed are dropped.
  ~async_exit_stack();
  /// Closes all entries, the latest first. Gives what is left of `error`: each entry sees what is
  /// left by those above it, and may end it or throw another one.
  task<std::exception_ptr> close(std::exception_ptr error);

 private:
  template <class R>
  static task<enter_value_t<R>> enter_into(async_exit_stack& self,
                                           std::unique_ptr<detail::stack_resource<R>> entry) {
    auto& resource = entry->resource;
    if constexpr (std::is_void_v<enter_value_t<R>>) {
      co_await resource.aenter();
      self.push(std::move(entry));
    } else {
      enter_value_t<R> value = co_await resource.aenter();
      self.push(std::move(entry));
      co_return static_cast<enter_value_t<R>&&>(value);
    }
  }
  void push(std::unique_ptr<detail::stack_entry> entry) noexcept;
  std::unique_ptr<detail::stack_entry> pop() noexcept;

  std::unique_ptr<detail::stack_entry> latest_;
  std::size_t size_ = 0;
};

namespace detail {

template <class F>
task<body_value_t<F, async_exit_stack&>> run_exit_stack(F body) {
  async_exit_stack stack;
  body_outcome<body_value_t<F, async_exit_stack&>> outcome;
  co_await run_body(call_body(body, stack), outcome);
  std::exception_ptr left = co_await stack.close(outcome.error);
  co_return outcome.take(std::move(left));
}

}  // namespace detail

/// Runs body(stack) or body(), then closes what was entered, in reverse. Gives the body's value, or
/// rethrows what is left of its exception. The callable is kept until the end; a named one is
/// copied, std::ref(f) borrows it.
/// Cancellation: as the body's; what is closed is awaited shielded, as in async_with.
template <scope_body<async_exit_stack&> F>
  requires safe_in_await<F>
task<body_value_t<F, async_exit_stack&>> with_exit_stack(F&& body) {
  return detail::run_exit_stack<std::decay_t<F>>(std::forward<F>(body));
}
template <scope_body<async_exit_stack&> F>
  requires(!safe_in_await<F>)
[[deprecated(
    "g++ < 13 destroys this lambda twice inside co_await: name it and pass the name or "
    "std::ref(it)")]]
task<body_value_t<F, async_exit_stack&>> with_exit_stack(F&& body) {
  return detail::run_exit_stack<std::decay_t<F>>(std::forward<F>(body));
}

}  // namespace weft
