#pragma once

#include "awaitable.h"
#include "detail/frame_pool.h"
#include "detail/promise_base.h"
#include "detail/task_state.h"
#include "error.h"

#include <cassert>
#include <coroutine>
#include <cstddef>
#include <new>
#include <ranges>
#include <source_location>
#include <type_traits>
#include <utility>

namespace weft {

template <class T = void>
class task;

namespace detail {

/// The outcome of a coroutine. Lies in front of its frame, so that it outlives the frame of a
/// spawned task.
template <class T>
class result_slot {
 public:
  using stored = std::conditional_t<std::is_reference_v<T>, std::add_pointer_t<T>,
                                    std::conditional_t<std::is_void_v<T>, std::monostate, T>>;
  static_assert(alignof(stored) <= 16,
                "weft::task<T>: T is over-aligned; return it through a pointer");

  void begin() noexcept { content_ = content::nothing; }
  void destroy() noexcept {
    if (content_ == content::value) value_.~stored();
    if (content_ == content::error) error_.~exception_ptr();
    content_ = content::nothing;
  }
  template <class U>
  void set_value(U&& value) {
    if constexpr (std::is_reference_v<T>) {
      T bound = std::forward<U>(value);  // a std::reference_wrapper too
      ::new (static_cast<void*>(&value_)) stored(std::addressof(bound));
    } else {
      ::new (static_cast<void*>(&value_)) stored(std::forward<U>(value));
    }
    content_ = content::value;
  }
  void set_error(std::exception_ptr error) noexcept {
    destroy();
    ::new (static_cast<void*>(&error_)) std::exception_ptr(std::move(error));
    content_ = content::error;
  }
  [[nodiscard]] bool failed() const noexcept { return content_ == content::error; }
  [[nodiscard]] bool empty() const noexcept { return content_ == content::nothing; }
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return error_; }

  /// The value, moved out; or throws.
  T take() {
    check();
    if constexpr (std::is_reference_v<T>) {
      return static_cast<T>(*value_);
    } else if constexpr (!std::is_void_v<T>) {
      return std::move(value_);
    }
  }
  /// The value, copied if it can be; or throws.
  T copy() {
    check();
    if constexpr (std::is_reference_v<T>) {
      return static_cast<T>(*value_);
    } else if constexpr (std::is_copy_constructible_v<T>) {
      return value_;
    } else if constexpr (!std::is_void_v<T>) {
      return std::move(value_);
    }
  }
  /// The value where it lies; or throws.
  decltype(auto) view() {
    check();
    if constexpr (std::is_reference_v<T>) {
      return static_cast<T>(*value_);
    } else if constexpr (!std::is_void_v<T>) {
      return static_cast<const T&>(value_);
    }
  }
  value_t<T> take_value() {
    if constexpr (std::is_void_v<T>) {
      check();
      return {};
    } else {
      return value_t<T>(take());
    }
  }
  value_t<T> copy_value() {
    if constexpr (std::is_void_v<T>) {
      check();
      return {};
    } else {
      return value_t<T>(copy());
    }
  }
  result<T> take_result() {
    if (failed()) return result<T>(error_);
    return result<T>(take_value());
  }
  result<T> copy_result() {
    if (failed()) return result<T>(error_);
    return result<T>(copy_value());
  }

 private:
  enum class content : unsigned char { nothing, value, error };

  void check() const {
    if (content_ == content::error) [[unlikely]]
      rethrow(error_);
    if constexpr (!std::is_void_v<T>) assert(content_ == content::value);
  }

  union {
    stored value_;
    std::exception_ptr error_;
  };
  content content_;

 public:
  // Never constructed as an object: lives in raw block memory, begun by begin(), ended by
  // destroy().
  result_slot() = delete;
};

/// The block of a coroutine: [task_state][result_slot<T>][frame]. One that is only awaited never
/// touches its task_state, so a small one lives in a single cache line.
template <class T>
struct block_of {
  static constexpr std::size_t slot_offset = sizeof(task_state);
  static constexpr std::size_t prefix = slot_offset + (sizeof(result_slot<T>) + 15) / 16 * 16;

  static std::byte* start(void* frame) noexcept {
    // To the optimiser, memory from operator new begins where the pointer points, and what lies in
    // front does not exist. The pointer goes through a register that it cannot see through.
    asm("" : "+r"(frame));
    return static_cast<std::byte*>(frame) - prefix;
  }
  static task_state& state(std::coroutine_handle<> frame) noexcept {
    return *reinterpret_cast<task_state*>(start(frame.address()));
  }
  static result_slot<T>& slot(std::coroutine_handle<> frame) noexcept {
    return *reinterpret_cast<result_slot<T>*>(start(frame.address()) + slot_offset);
  }
  static result_slot<T>& slot(task_state& state) noexcept {
    return *reinterpret_cast<result_slot<T>*>(reinterpret_cast<std::byte*>(&state) + slot_offset);
  }
  static const result_slot<T>& slot(const task_state& state) noexcept {
    return slot(const_cast<task_state&>(state));
  }

  static constexpr task_type type{
      .prefix_bytes = prefix,
      .failed = [](const task_state& task) noexcept { return slot(task).failed(); },
      .destroy_result = [](task_state& task) noexcept { slot(task).destroy(); },
      .exception =
          [](const task_state& task) noexcept {
            return slot(task).failed() ? slot(task).error() : std::exception_ptr();
          },
      .set_exception =
          [](task_state& task, std::exception_ptr error) noexcept {
            slot(task).set_error(std::move(error));
          },
  };
};

template <class T>
struct promise_with_block : promise_base {
  using block = block_of<T>;

  static void* operator new(std::size_t bytes) {
    return static_cast<std::byte*>(frame_pool::allocate(bytes + block::prefix)) + block::prefix;
  }
  static void operator delete(void* frame, std::size_t bytes) noexcept {
    std::byte* start = block::start(frame);
    auto& state = *reinterpret_cast<task_state*>(start);
    // A spawned task keeps its block until the last handle is gone.
    if (&state == here.ending) {
      state.size_class = frame_pool::class_of(bytes + block::prefix);
      return;
    }
    block::slot(state).destroy();
    frame_pool::release(start, bytes + block::prefix);
  }

  explicit promise_with_block(std::source_location coroutine) noexcept : promise_base(coroutine) {
    slot().begin();
  }
  void unhandled_exception() noexcept { slot().set_error(std::current_exception()); }

 protected:
  result_slot<T>& slot() noexcept {
    return block::slot(std::coroutine_handle<promise_with_block>::from_promise(*this));
  }
};

/// A default argument of its constructor knows where the coroutine stands.
template <class T>
struct task_promise : promise_with_block<T> {
  explicit task_promise(std::source_location coroutine = std::source_location::current()) noexcept
      : promise_with_block<T>(coroutine) {}
  task<T> get_return_object() noexcept;
  template <class U = T>
    requires std::convertible_to<U&&, T>
  void return_value(U&& value) {
    block_of<T>::slot(std::coroutine_handle<task_promise>::from_promise(*this))
        .set_value(std::forward<U>(value));
  }
};
template <>
struct task_promise<void> : promise_with_block<void> {
  explicit task_promise(std::source_location coroutine = std::source_location::current()) noexcept
      : promise_with_block<void>(coroutine) {}
  task<void> get_return_object() noexcept;
  void return_void() noexcept {}
};

/// Runs the child inside the awaiting task: two symmetric transfers, no scheduler, no atomic
/// operation. Lies in the task, and knows the child for it, so that the awaiting frame has one
/// handle of the child.
template <class T>
class [[nodiscard]] task_awaiter {
 public:
  explicit task_awaiter(std::coroutine_handle<task_promise<T>> child) noexcept : child_(child) {}

  bool await_ready() const {
    if (!child_ || child_.promise().continuation) [[unlikely]]
      throw_invalid_state("a task is awaited once");
    return false;
  }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent) noexcept {
    child_.promise().continuation = parent;
    return child_;
  }
  T await_resume() { return block_of<T>::slot(child_).take(); }
  /// For as_result: what await_resume() would rethrow, or null.
  [[nodiscard]] std::exception_ptr failure() const noexcept {
    return block_of<T>::type.exception(block_of<T>::state(child_));
  }

 private:
  friend task<T>;
  std::coroutine_handle<task_promise<T>> child_;
};

}  // namespace detail

/// What a coroutine returns: lazy, move-only.
///
/// Awaiting it runs it inside the awaiting task, without the scheduler; a second await throws
/// invalid_state_error. A task that is destroyed without having been awaited never runs, and debug
/// mode reports it. T may be void, a reference, or move-only.
/// Threads: one at a time; it may be created on one thread and awaited on another.
/// Cancellation: that of the awaiting task.
/// Cost: one frame from the frame pool, about 10 ns with the await.
template <class T>
class [[nodiscard]] task {
 public:
  using promise_type = detail::task_promise<T>;
  using value_type = T;

  task(task&& other) noexcept : awaiter_(std::exchange(other.frame(), nullptr)) {}
  task& operator=(task&& other) noexcept {
    if (this != &other) {
      destroy();
      frame() = std::exchange(other.frame(), nullptr);
    }
    return *this;
  }
  ~task() { destroy(); }

  detail::task_awaiter<T>& operator co_await() & noexcept { return awaiter_; }
  detail::task_awaiter<T>&& operator co_await() && noexcept { return std::move(awaiter_); }

  /// For those who run it otherwise (spawn, gather, fork): the frame, now theirs. Throws
  /// invalid_state_error when there is none, or it has been awaited.
  std::coroutine_handle<promise_type> release() {
    if (!frame() || frame().promise().continuation) [[unlikely]]
      detail::throw_invalid_state("a task runs once");
    return std::exchange(frame(), nullptr);
  }

 private:
  explicit task(std::coroutine_handle<promise_type> frame) noexcept : awaiter_(frame) {}
  friend promise_type;

  std::coroutine_handle<promise_type>& frame() noexcept { return awaiter_.child_; }

  void destroy() noexcept {
    if (!frame()) return;
    // Beside what destroy() reads: one compare, and a branch that is not taken.
    if (!frame().promise().continuation) [[unlikely]]
      detail::report_unawaited(frame().address());
    frame().destroy();
  }

  detail::task_awaiter<T> awaiter_;
};

namespace detail {

/// Hides from the optimiser that this handle is the frame it has just allocated. Clang would
/// otherwise place the frame of a child that is awaited where it is made inside its parent's frame,
/// without our operator new and so without the block in front of it. Costs nothing.
template <class Promise>
std::coroutine_handle<Promise> opaque_handle(Promise& promise) noexcept {
  void* frame = std::coroutine_handle<Promise>::from_promise(promise).address();
  asm("" : "+r"(frame));
  return std::coroutine_handle<Promise>::from_address(frame);
}

template <class T>
task<T> task_promise<T>::get_return_object() noexcept {
  return task<T>(opaque_handle(*this));
}
inline task<void> task_promise<void>::get_return_object() noexcept {
  return task<void>(opaque_handle(*this));
}

}  // namespace detail

template <class X>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<task<T>> = true;

/// f(args...) is a task: the form that moves callable and arguments into the child.
template <class F, class... Args>
concept task_function = std::invocable<std::decay_t<F>, std::decay_t<Args>...> &&
                        is_task<std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>>;
template <class F, class... Args>
using task_value_t =
    typename std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>::value_type;

namespace detail {

/// For those who take a callable that is none of these: says why, in words.
template <class F, class... Args>
consteval void explain_task_function() {
  static_assert(std::invocable<std::decay_t<F>, std::decay_t<Args>...>,
                "weft: this cannot be called with these arguments, which are moved into the task; "
                "pass std::ref(x) to a function that takes a reference");
  if constexpr (std::invocable<std::decay_t<F>, std::decay_t<Args>...>) {
    static_assert(is_task<std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>>,
                  "weft: this callable returns no weft::task; make it a coroutine (a body with "
                  "co_await or co_return that returns task<T>), or use to_thread() or call_soon()");
  }
}

template <class R>
concept movable_elements =
    std::same_as<std::ranges::range_reference_t<R>, std::ranges::range_value_t<R>> ||
    (!std::is_lvalue_reference_v<R> && !std::ranges::view<std::remove_cvref_t<R>>) ||
    std::is_rvalue_reference_v<std::ranges::range_reference_t<R>>;

/// f(args...) with f and args living as long as the child: a capturing lambda is safe.
template <class F, class... Args>
task<task_value_t<F, Args...>> call_and_keep(F f, Args... args) {
  co_return co_await std::invoke(std::move(f), std::move(args)...);
}
template <class F, class... Args>
task<task_value_t<F, Args...>> call_in_frame(F&& f, Args&&... args) {
  return call_and_keep<std::decay_t<F>, std::decay_t<Args>...>(std::forward<F>(f),
                                                               std::forward<Args>(args)...);
}

/// Any awaitable as a task of its own.
template <class A>
task<await_result_t<A>> as_task(A awaited) {
  co_return co_await std::move(awaited);
}
template <class T>
task<T> as_task(task<T> child) noexcept {
  return child;
}

}  // namespace detail

/// An rvalue container of tasks, or a view that makes tasks as it goes.
template <class R>
concept task_range = std::ranges::input_range<R> && is_task<std::ranges::range_value_t<R>> &&
                     detail::movable_elements<R>;
template <task_range R>
using range_task_t = typename std::ranges::range_value_t<R>::value_type;

}  // namespace weft
