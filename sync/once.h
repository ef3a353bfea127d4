#pragma once

#include "../runtime/awaitable.h"
#include "../runtime/detail/atomic.h"
#include "../runtime/task.h"
#include "mutex.h"

#include <concepts>
#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

/// A value that the first who asks makes, and everybody else waits for.
///
/// Threads: all members may be called from any thread. Destroy it when nobody waits.
/// Cost: one load when the value is there; a frame for each wait until then.
template <class T>
class once_cell {
 public:
  template <class F>
  class get_operation;

  constexpr once_cell() noexcept = default;
  once_cell(const once_cell&) = delete;
  once_cell& operator=(const once_cell&) = delete;

  /// The value; if there is none, of make(), which is a coroutine or a plain function that gives a
  /// T. One maker runs at a time. If it throws or is cancelled, its caller gets the exception and
  /// the next who waits makes the value. The callable is kept until the end; pass std::ref(f) to
  /// borrow it.
  /// Cancellation: that of make(); one who waits for another's value takes nothing.
  template <class F>
    requires std::invocable<std::decay_t<F>&> && safe_in_await<F>
  [[nodiscard]] get_operation<std::decay_t<F>> get_or_init(F&& make) {
    return {*this, std::forward<F>(make)};
  }
  template <class F>
    requires std::invocable<std::decay_t<F>&> && (!safe_in_await<F>)
  [[deprecated(
      "g++ < 13 destroys this lambda twice: name it and pass the name or "
      "std::ref(it)")]] [[nodiscard]] get_operation<std::decay_t<F>> get_or_init(F&& make) {
    return {*this, std::forward<F>(make)};
  }

  /// The value if it is there, else null.
  [[nodiscard]] T* get() noexcept { return is_made() ? std::addressof(*value_) : nullptr; }
  [[nodiscard]] const T* get() const noexcept {
    return is_made() ? std::addressof(*value_) : nullptr;
  }

 private:
  [[nodiscard]] bool is_made() const noexcept {
    // acquire: pairs with the release in make_value(), so that the value is seen.
    return made_.load(std::memory_order_acquire);
  }
  template <class F>
  task<T&> make_value(F make) {
    const lock_guard alone = co_await making_.lock();
    if (is_made()) co_return *value_;
    if constexpr (awaitable<std::invoke_result_t<F&>>) {
      value_.emplace(co_await std::invoke(make));
    } else {
      value_.emplace(std::invoke(make));
    }
    // release: pairs with the acquire in is_made().
    made_.store(true, std::memory_order_release);
    co_return *value_;
  }

  mutex making_;
  std::optional<T> value_;  // guarded by making_ until made_
  // The value is there, and stays.
  //   written by  the one maker that succeeds, with making_ locked
  //   read by     anybody
  //   pairing     release/acquire: the value was written before
  detail::atomic<bool> made_{false};
};

/// Awaitable of T&.
template <class T>
template <class F>
class [[nodiscard]] once_cell<T>::get_operation {
 public:
  template <class G>
  get_operation(once_cell& cell, G&& make) : cell_(&cell), make_(std::forward<G>(make)) {}

  bool await_ready() {
    if (std::exchange(awaited_, true)) [[unlikely]]
      detail::throw_awaited_twice();
    return cell_->is_made();
  }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) {
    making_.emplace(cell_->make_value(std::move(make_)));
    return making_->operator co_await().await_suspend(waiter);
  }
  T& await_resume() {
    return making_ ? making_->operator co_await().await_resume() : *cell_->value_;
  }

 private:
  once_cell* cell_;
  F make_;
  bool awaited_ = false;
  std::optional<task<T&>> making_;
};

}  // namespace weft
