#pragma once

#include "detail/children.h"
#include "detail/handle_observer.h"
#include "spawn.h"

#include <array>
#include <cstdint>
#include <new>
#include <span>
#include <stdexcept>
#include <tuple>
#include <vector>

namespace weft {

struct return_exceptions_t {};
/// First argument of gather: results instead of values, failures do not touch the siblings.
inline constexpr return_exceptions_t return_exceptions{};

namespace detail {

template <class T>
child_frame make_child(task<T> child) {
  const auto frame = child.release();
  return child_frame(block_of<T>::state(frame), block_of<T>::type, frame);
}

/// A fixed number of children of any type.
template <bool Results, class... Ts>
class [[nodiscard]] gather_tuple {
 public:
  explicit gather_tuple(task<Ts>... children) : children_{make_child(std::move(children))...} {}

  bool await_ready() {
    if (awaited_) [[unlikely]]
      throw_awaited_twice();
    awaited_ = true;
    return sizeof...(Ts) == 0;
  }
  bool await_suspend(std::coroutine_handle<> parent) noexcept {
    ::new (&set_)
        child_set(children_, Results ? on_failure::keep_going : on_failure::cancel_siblings);
    return set_.start(parent);
  }
  [[nodiscard]] auto await_resume()
    requires(Results || !(std::is_void_v<Ts> && ...))
  {
    if constexpr (sizeof...(Ts) > 0) set_.check();
    return take(std::index_sequence_for<Ts...>());
  }
  /// Nothing but nothings: may be ignored.
  auto await_resume()
    requires(!Results && (std::is_void_v<Ts> && ...))
  {
    if constexpr (sizeof...(Ts) > 0) set_.check();
    return take(std::index_sequence_for<Ts...>());
  }

  gather_tuple(gather_tuple&& other) noexcept
      : children_(std::move(other.children_)), awaited_(other.awaited_) {}
  gather_tuple& operator=(gather_tuple&&) = delete;
  ~gather_tuple() {}

 private:
  template <std::size_t... I>
  auto take(std::index_sequence<I...>) {
    if constexpr (Results) {
      return std::tuple<result<Ts>...>{block_of<Ts>::slot(children_[I].state()).take_result()...};
    } else {
      return std::tuple<value_t<Ts>...>{block_of<Ts>::slot(children_[I].state()).take_value()...};
    }
  }

  std::array<child_frame, sizeof...(Ts)> children_;
  bool awaited_ = false;
  union {
    child_set set_;  // begins with the await; trivially destructible in effect
  };
};

/// Any number of children of one type.
template <bool Results, class T>
class [[nodiscard]] gather_range {
 public:
  explicit gather_range(std::vector<child_frame> children) noexcept
      : children_(std::move(children)) {}

  bool await_ready() {
    if (awaited_) [[unlikely]]
      throw_awaited_twice();
    awaited_ = true;
    return children_.empty();
  }
  bool await_suspend(std::coroutine_handle<> parent) noexcept {
    ::new (&set_)
        child_set(children_, Results ? on_failure::keep_going : on_failure::cancel_siblings);
    return set_.start(parent);
  }
  [[nodiscard]] auto await_resume()
    requires(Results || !std::is_void_v<T>)
  {
    if (!children_.empty()) set_.check();
    std::vector<std::conditional_t<Results, result<T>, value_t<T>>> values;
    values.reserve(children_.size());
    for (child_frame& child : children_) {
      if constexpr (Results) {
        values.push_back(block_of<T>::slot(child.state()).take_result());
      } else {
        values.push_back(block_of<T>::slot(child.state()).take_value());
      }
    }
    return values;
  }
  void await_resume()
    requires(!Results && std::is_void_v<T>)
  {
    if (!children_.empty()) set_.check();
  }

  gather_range(gather_range&& other) noexcept
      : children_(std::move(other.children_)), awaited_(other.awaited_) {}
  gather_range& operator=(gather_range&&) = delete;
  ~gather_range() {}

 protected:
  std::vector<child_frame> children_;
  bool awaited_ = false;
  union {
    child_set set_;
  };
};

/// ... whose values go into the caller's memory.
template <class T>
class [[nodiscard]] gather_span : public gather_range<false, T> {
 public:
  gather_span(std::vector<child_frame> children, std::span<T> into) noexcept
      : gather_range<false, T>(std::move(children)), into_(into) {}
  void await_resume() {
    if (!this->children_.empty()) this->set_.check();
    std::size_t i = 0;
    for (child_frame& child : this->children_) into_[i++] = block_of<T>::slot(child.state()).take();
  }

 private:
  std::span<T> into_;
};

template <class R>
std::vector<child_frame> make_children(R&& range) {
  std::vector<child_frame> children;
  if constexpr (std::ranges::sized_range<R>) children.reserve(std::ranges::size(range));
  for (auto&& each : range)
    children.push_back(make_child(std::ranges::range_value_t<R>(std::move(each))));
  return children;
}

// ---- Handles ------------------------------------------------------------------------------------

/// Waits for tasks that run already: for all, or the first failure. Cancelled, it cancels all and
/// waits for all.
class handle_set : public wait_node {
 public:
  handle_set(std::span<handle_observer> observers, on_failure policy) noexcept;
  bool start(std::coroutine_handle<> parent) noexcept;
  /// Takes back what is still registered; throws as child_set::check.
  void check();
  /// For the destructor: when the frame dies while it waits, the last resort of a shutdown, nothing
  /// may point to the observers any more.
  static void take_back(std::span<handle_observer> observers) noexcept;

 private:
  static void on_handle_done(completion_waiter& self, task_state& child) noexcept;
  static unlink_result cancel_handles(wait_node& self) noexcept;
  static void visit_observed(const wait_node& self, visit_function visit, void* context) noexcept;
  void settle() noexcept;
  void settle_early(task_state& failed) noexcept;

  std::span<handle_observer> observers_;
  on_failure policy_;
  // All relaxed: the order of each word alone decides who is the last and who the first. What the
  // tasks did comes to the parent when it takes back its observers: that waits for each of them.
  //
  //   written by  the parent and ending tasks: reaching zero wakes the parent
  atomic<std::int64_t> pending_{0};
  //   written by  the first failing task, by compare-exchange
  //   read by     the parent, once it has taken back its observers
  atomic<task_state*> failed_{nullptr};
  // What decides between a failure, which wakes the parent at once, and a cancellation, after which
  // it waits for all.
  //   written by  who wakes the parent (woken), and cancel_handles before it cancels
  enum class phase : std::uint8_t { waiting, cancelled, woken };
  atomic<phase> phase_{phase::waiting};
};

template <bool Results, class... Ts>
class [[nodiscard]] gather_handles {
 public:
  explicit gather_handles(join_handle<Ts>&... handles)
      : handles_(&handles...), observers_{handle_observer(handles.state())...} {}
  gather_handles(gather_handles&& other) noexcept
      : handles_(other.handles_),
        observers_(std::move(other.observers_)),
        awaited_(other.awaited_) {}
  gather_handles& operator=(gather_handles&&) = delete;
  ~gather_handles() { handle_set::take_back(observers_); }

  bool await_ready() {
    if (awaited_) [[unlikely]]
      throw_awaited_twice();
    awaited_ = true;
    check_handles(observers_, "gather()");
    return false;
  }
  bool await_suspend(std::coroutine_handle<> parent) noexcept {
    ::new (&set_)
        handle_set(observers_, Results ? on_failure::keep_going : on_failure::cancel_siblings);
    return set_.start(parent);
  }
  auto await_resume() {
    set_.check();
    return std::apply([](auto*... each) { return take(*each...); }, handles_);
  }

 private:
  static auto take(join_handle<Ts>&... handles) {
    (retrieve(*handles.state()), ...);
    if constexpr (Results) {
      return std::tuple<result<Ts>...>{block_of<Ts>::slot(*handles.state()).copy_result()...};
    } else {
      return std::tuple<value_t<Ts>...>{block_of<Ts>::slot(*handles.state()).copy_value()...};
    }
  }

  std::tuple<join_handle<Ts>*...> handles_;
  std::array<handle_observer, sizeof...(Ts)> observers_;
  bool awaited_ = false;
  union {
    handle_set set_;
  };
};

template <bool Results, class T>
class [[nodiscard]] gather_handle_range {
 public:
  template <class R>
  explicit gather_handle_range(R& handles) {
    for (auto& each : handles) observers_.emplace_back(each.state());
  }
  gather_handle_range(gather_handle_range&& other) noexcept
      : observers_(std::move(other.observers_)), awaited_(other.awaited_) {}
  gather_handle_range& operator=(gather_handle_range&&) = delete;
  ~gather_handle_range() { handle_set::take_back(observers_); }

  bool await_ready() {
    if (awaited_) [[unlikely]]
      throw_awaited_twice();
    awaited_ = true;
    check_handles(observers_, "gather()");
    return observers_.empty();
  }
  bool await_suspend(std::coroutine_handle<> parent) noexcept {
    ::new (&set_)
        handle_set(observers_, Results ? on_failure::keep_going : on_failure::cancel_siblings);
    return set_.start(parent);
  }
  [[nodiscard]] auto await_resume()
    requires(Results || !std::is_void_v<T>)
  {
    if (!observers_.empty()) set_.check();
    std::vector<std::conditional_t<Results, result<T>, value_t<T>>> values;
    values.reserve(observers_.size());
    for (handle_observer& each : observers_) {
      retrieve(*each.observed);
      if constexpr (Results) {
        values.push_back(block_of<T>::slot(*each.observed).copy_result());
      } else {
        values.push_back(block_of<T>::slot(*each.observed).copy_value());
      }
    }
    return values;
  }
  void await_resume()
    requires(!Results && std::is_void_v<T>)
  {
    if (!observers_.empty()) set_.check();
    for (handle_observer& each : observers_) retrieve(*each.observed);
  }

 private:
  std::vector<handle_observer> observers_;
  bool awaited_ = false;
  union {
    handle_set set_;
  };
};

}  // namespace detail

/// Runs all awaitables concurrently and gives their results in argument order.
///
/// On a failure the others are cancelled and awaited, then the first exception is rethrown:
/// children never outlive the call.
/// Cancellation: cancels the children, waits for them and throws, even if they swallowed it.
/// Lazy: nothing starts before the await.
/// Cost: no allocation but the children's frames.
template <detail::owned_awaitable... As>
  requires(!(is_join_handle<As> || ...))
detail::gather_tuple<false, await_result_t<As>...> gather(As&&... children) {
  return detail::gather_tuple<false, await_result_t<As>...>(
      detail::as_task(std::forward<As>(children))...);
}
/// A container of tasks, or a view that makes them: a vector of the results, nothing for
/// task<void>.
template <task_range R>
detail::gather_range<false, range_task_t<R>> gather(R&& children) {
  return detail::gather_range<false, range_task_t<R>>(
      detail::make_children(std::forward<R>(children)));
}
/// Results in place of values: a failure or a cancelled child is a value, siblings go on.
template <detail::owned_awaitable... As>
  requires(!(is_join_handle<As> || ...))
detail::gather_tuple<true, await_result_t<As>...> gather(return_exceptions_t, As&&... children) {
  return detail::gather_tuple<true, await_result_t<As>...>(
      detail::as_task(std::forward<As>(children))...);
}
template <task_range R>
detail::gather_range<true, range_task_t<R>> gather(return_exceptions_t, R&& children) {
  return detail::gather_range<true, range_task_t<R>>(
      detail::make_children(std::forward<R>(children)));
}
/// The results go into `into`, which has room for all of them: throws std::length_error before
/// anything starts otherwise.
template <task_range R>
detail::gather_span<range_task_t<R>> gather_into(R&& children, std::span<range_task_t<R>> into) {
  std::vector<detail::child_frame> frames = detail::make_children(std::forward<R>(children));
  if (frames.size() > into.size())
    throw std::length_error("gather_into: more children than room for results");
  return detail::gather_span<range_task_t<R>>(std::move(frames), into);
}

/// asyncio's own, for tasks that run already: the first failure is rethrown at once while the
/// others keep running.
/// Cancellation: cancels all of them and waits for their end.
template <class T, class... Ts>
detail::gather_handles<false, T, Ts...> gather(join_handle<T>& first, join_handle<Ts>&... rest) {
  return detail::gather_handles<false, T, Ts...>(first, rest...);
}
template <handle_range R>
detail::gather_handle_range<false, range_handle_t<R>> gather(R&& handles) {
  return detail::gather_handle_range<false, range_handle_t<R>>(handles);
}
template <class T, class... Ts>
detail::gather_handles<true, T, Ts...> gather(return_exceptions_t, join_handle<T>& first,
                                              join_handle<Ts>&... rest) {
  return detail::gather_handles<true, T, Ts...>(first, rest...);
}
template <handle_range R>
detail::gather_handle_range<true, range_handle_t<R>> gather(return_exceptions_t, R&& handles) {
  return detail::gather_handle_range<true, range_handle_t<R>>(handles);
}

// ---- Mistakes, said in words --------------------------------------------------------------------

namespace detail {

/// What one of the forms above takes.
template <class... As>
concept gathered =
    ((owned_awaitable<As> && !is_join_handle<As>) && ...) ||
    ((std::is_lvalue_reference_v<As> && is_join_handle<std::remove_cvref_t<As>>) && ...) ||
    (sizeof...(As) == 1 && ((task_range<As> || handle_range<As>) && ...));

/// A container of tasks, or one awaitable, that is still somebody else's.
template <class A>
concept kept_elsewhere = std::is_lvalue_reference_v<A> && !is_join_handle<std::remove_cvref_t<A>> &&
                         (awaitable<A> || std::ranges::range<A>);

template <class... As>
consteval void explain_gather() {
  constexpr bool one_range = sizeof...(As) == 1 && (std::ranges::range<As> && ...);
  constexpr std::size_t handles =
      (std::size_t{is_join_handle<std::remove_cvref_t<As>>} + ... + std::size_t{0});
  static_assert(one_range || (awaitable<As> && ...),
                "weft::gather: one of its arguments cannot be awaited; call a coroutine to get a "
                "task");
  static_assert(handles == 0 || handles == sizeof...(As),
                "weft::gather: takes awaitables or join_handles, not both; spawn() the awaitables "
                "first");
  static_assert(handles != sizeof...(As),
                "weft::gather: a join_handle stays yours; pass it by name, without std::move");
  static_assert(!(kept_elsewhere<As> || ...),
                "weft::gather: keeps what it awaits; std::move a named awaitable or container of "
                "tasks into it");
  static_assert(!one_range || (kept_elsewhere<As> || ...),
                "weft::gather: a range is one of tasks, or a named one of join_handles");
}

}  // namespace detail

template <class... As>
  requires(sizeof...(As) > 0 && !detail::gathered<As...>)
detail::gather_tuple<false> gather(As&&...) {
  detail::explain_gather<As...>();
  return detail::gather_tuple<false>();
}
template <class... As>
  requires(sizeof...(As) > 0 && !detail::gathered<As...>)
detail::gather_tuple<true> gather(return_exceptions_t, As&&...) {
  detail::explain_gather<As...>();
  return detail::gather_tuple<true>();
}

}  // namespace weft
