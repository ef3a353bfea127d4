#pragma once

#include "detail/select_core.h"
#include "gather.h"

#include <array>
#include <tuple>
#include <variant>
#include <vector>

namespace weft {

namespace detail {

/// An awaitable of the library that can wait without a task of its own.
template <class A>
concept selectable_leaf =
    std::same_as<awaiter_t<A>, std::remove_cvref_t<A>> && leaf_awaitable<std::remove_cvref_t<A>>;

/// A descriptor operation as a child: it makes its system call only while it holds the group.
template <class A>
task<await_result_t<A>> as_group_member(A operation, wait_group* group, std::uint32_t member) {
  operation.group = group;
  operation.member = member;
  co_return co_await std::move(operation);
}

template <class A>
class select_leaf {
 public:
  using value_type = await_result_t<A>;
  static_assert(std::same_as<value_type, decltype(std::declval<A&>().take())>);

  select_leaf(A operation, wait_group&, std::uint32_t) : operation_(std::move(operation)) {}
  [[nodiscard]] select_core::arm_interface interface() noexcept {
    return {.arm = &operation_,
            .try_now = [](void* arm) { return static_cast<A*>(arm)->try_now(); },
            .publish = [](void* arm) noexcept { return static_cast<A*>(arm)->publish(); },
            .node = &operation_,
            .child = nullptr};
  }
  value_t<value_type> take() {
    if constexpr (std::is_void_v<value_type>) {
      operation_.take();
      return {};
    } else {
      return value_t<value_type>(operation_.take());
    }
  }

 private:
  A operation_;
};

template <class A>
class select_child {
 public:
  using value_type = await_result_t<A>;

  select_child(A awaited, wait_group& group, std::uint32_t member)
      : child_(make(std::move(awaited), group, member)) {}
  [[nodiscard]] select_core::arm_interface interface() noexcept {
    return {
        .arm = nullptr, .try_now = nullptr, .publish = nullptr, .node = nullptr, .child = &child_};
  }
  value_t<value_type> take() { return block_of<value_type>::slot(child_.state()).take_value(); }

 private:
  static child_frame make(A awaited, wait_group& group, std::uint32_t member) {
    if constexpr (std::derived_from<awaiter_t<A>, io_operation> &&
                  std::same_as<awaiter_t<A>, std::remove_cvref_t<A>>) {
      return make_child(as_group_member<A>(std::move(awaited), &group, member));
    } else {
      return make_child(as_task(std::move(awaited)));
    }
  }
  child_frame child_;
};

template <class A>
using select_arm = std::conditional_t<selectable_leaf<A>, select_leaf<A>, select_child<A>>;

template <class... As>
class [[nodiscard]] select_tuple {
 public:
  using value_type = std::variant<value_t<await_result_t<As>>...>;
  static constexpr std::size_t size = sizeof...(As);

  explicit select_tuple(As... awaited) : pending_(std::move(awaited)...) {}
  select_tuple(select_tuple&& other) noexcept : pending_(std::move(other.pending_)) {}
  select_tuple& operator=(select_tuple&&) = delete;
  ~select_tuple() = default;

  bool await_ready() {
    if (state_) [[unlikely]]
      throw_awaited_twice();
    state_.emplace(pending_, std::index_sequence_for<As...>());
    return state_->core.try_arms(state_->interfaces);
  }
  bool await_suspend(std::coroutine_handle<> parent) noexcept {
    return state_->core.start(parent, state_->watches);
  }
  [[nodiscard]] value_type await_resume()
    requires(!(std::is_void_v<await_result_t<As>> && ...))
  {
    return take(state_->core.winner(), std::index_sequence_for<As...>());
  }
  /// There is no value in it: may be ignored.
  value_type await_resume()
    requires(std::is_void_v<await_result_t<As>> && ...)
  {
    return take(state_->core.winner(), std::index_sequence_for<As...>());
  }

 private:
  /// Begins with the await: from then on nothing moves.
  struct running {
    template <std::size_t... I>
    running(std::tuple<As...>& pending, std::index_sequence<I...>)
        : arms(select_arm<As>(std::move(std::get<I>(pending)), core.arms_group(),
                              static_cast<std::uint32_t>(I))...),
          interfaces{std::get<I>(arms).interface()...} {}
    select_core core;
    std::tuple<select_arm<As>...> arms;
    std::array<select_core::arm_interface, size> interfaces;
    std::array<select_core::child_watch, size> watches;
  };

  template <std::size_t... I>
  value_type take(std::uint32_t winner, std::index_sequence<I...>) {
    std::optional<value_type> value;
    ((I == winner ? void(value.emplace(std::in_place_index<I>, std::get<I>(state_->arms).take()))
                  : void()),
     ...);
    return std::move(*value);
  }

  std::tuple<As...> pending_;
  std::optional<running> state_;
};

}  // namespace detail

/// Which of a range of tasks was first, and its value.
template <class T>
struct select_result {
  std::size_t index;
  value_t<T> value;
};

namespace detail {

template <class T>
class [[nodiscard]] select_range {
 public:
  explicit select_range(std::vector<child_frame> children) noexcept
      : children_(std::move(children)) {}
  select_range(select_range&& other) noexcept : children_(std::move(other.children_)) {}
  select_range& operator=(select_range&&) = delete;
  ~select_range() = default;

  bool await_ready() {
    if (core_) [[unlikely]]
      throw_awaited_twice();
    if (children_.empty()) throw std::invalid_argument("select() of nothing would wait for ever");
    core_.emplace();
    for (child_frame& child : children_) interfaces_.push_back({.child = &child});
    watches_.resize(children_.size());
    return core_->try_arms(interfaces_);
  }
  bool await_suspend(std::coroutine_handle<> parent) noexcept {
    return core_->start(parent, watches_);
  }
  [[nodiscard]] select_result<T> await_resume() {
    const std::size_t index = core_->winner();
    return {index, block_of<T>::slot(children_[index].state()).take_value()};
  }

 private:
  std::vector<child_frame> children_;
  std::vector<select_core::arm_interface> interfaces_;
  std::vector<select_core::child_watch> watches_;
  std::optional<select_core> core_;
};

}  // namespace detail

/// Waits for the first of several awaitables: a variant whose index() tells which. If it failed,
/// its exception.
///
/// Losers are cancelled and awaited. Over the library's own awaitables exactly one commits: a
/// losing q.get() takes no item. Ready ones are preferred in argument order, and then nothing else
/// begins.
/// Cancellation: cancels all and waits for their end.
/// Cost: no allocation for the library's operations, a frame for each other awaitable.
template <detail::owned_awaitable... As>
  requires(sizeof...(As) > 0 && !(is_join_handle<As> || ...))
detail::select_tuple<As...> select(As&&... children) {
  return detail::select_tuple<As...>(std::forward<As>(children)...);
}
/// Throws std::invalid_argument when the range is empty.
template <task_range R>
detail::select_range<range_task_t<R>> select(R&& children) {
  return detail::select_range<range_task_t<R>>(detail::make_children(std::forward<R>(children)));
}

}  // namespace weft
