#pragma once

#include "../runtime/detail/intrusive_list.h"
#include "../runtime/detail/spin_lock.h"
#include "../runtime/detail/wait_node.h"
#include "detail/late_state.h"
#include "detail/wake_list.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

/// A value that one side sets and many read, who may wait for the next change: configuration,
/// state, progress. A reader that is late sees the newest value only.
///
/// Threads: all members may be called from any thread; a receiver by one task at a time. Receivers
/// may outlive the watch.
/// Cost: one allocation a set(); reading copies the T.
template <class T>
class watch {
  struct shared_state;

 public:
  class receiver;
  class changed_operation;

  constexpr explicit watch(T initial) : initial_(std::move(initial)) {
    if (!std::is_constant_evaluated()) (void)state();
  }
  watch(const watch&) = delete;
  watch& operator=(const watch&) = delete;
  /// Receivers that wait for a change are told that there will be none.
  ~watch() { state_.close(); }

  /// Replaces the value and wakes all who wait for a change.
  void set(T value) { state()->set(std::make_shared<const T>(std::move(value))); }
  /// A copy of the value.
  [[nodiscard]] T get() const { return *state()->current(); }
  /// A receiver that has seen the present value.
  [[nodiscard]] receiver subscribe() { return receiver(state()); }

 private:
  const std::shared_ptr<shared_state>& state() const {
    return state_.get([this] {
      return std::make_shared<shared_state>(std::make_shared<const T>(std::move(*initial_)));
    });
  }

  mutable std::optional<T> initial_;  // moved into the state once there is one
  mutable detail::late_state<shared_state> state_;
};

template <class T>
struct watch<T>::shared_state {
  explicit shared_state(std::shared_ptr<const T> initial) noexcept : value(std::move(initial)) {}

  void set(std::shared_ptr<const T> next) noexcept {
    detail::wake_list woken;
    {
      const detail::spin_guard guard(lock);
      value.swap(next);  // the old one dies without the lock
      ++version;
      wake_locked(woken);
    }
    woken.wake_all();
  }
  void close() noexcept {
    detail::wake_list woken;
    {
      const detail::spin_guard guard(lock);
      closed = true;
      wake_locked(woken);
    }
    woken.wake_all();
  }
  void wake_locked(detail::wake_list& woken) noexcept {
    while (changed_operation* const waiter = detail::claim_front(waiters)) {
      waiter->newest_ = version;
      woken.add(*waiter);
    }
  }
  [[nodiscard]] std::shared_ptr<const T> current() noexcept {
    const detail::spin_guard guard(lock);
    return value;
  }
  [[nodiscard]] std::uint64_t newest() noexcept {
    const detail::spin_guard guard(lock);
    return version;
  }

  detail::spin_lock lock;
  // Guarded by lock.
  bool closed = false;
  std::uint64_t version = 0;
  std::shared_ptr<const T> value;
  detail::intrusive_list<changed_operation> waiters;
};

/// One reader, and what it has seen. Movable, but not while it waits.
template <class T>
class watch<T>::receiver {
 public:
  /// Waits for a value that this receiver has not seen: true. False when the watch is gone and
  /// there is none.
  /// Cancellation: takes nothing: the change counts as not seen.
  [[nodiscard]] changed_operation changed() noexcept { return changed_operation(*this); }
  /// A copy of the newest value, seen or not; of the last one when the watch is gone.
  [[nodiscard]] T get() const { return *state_->current(); }

 private:
  friend class watch;
  explicit receiver(std::shared_ptr<shared_state> state) noexcept
      : state_(std::move(state)), seen_(state_->newest()) {}

  std::shared_ptr<shared_state> state_;
  std::uint64_t seen_;  // used by the task that has the receiver
};

/// Awaitable of bool.
template <class T>
class [[nodiscard]] watch<T>::changed_operation : public detail::leaf_operation<changed_operation> {
 public:
  explicit changed_operation(receiver& by) noexcept : by_(&by), newest_(by.seen_) {
    this->unlink = detail::waits<take_out, "watch::changed()">;
  }
  changed_operation(changed_operation&&) noexcept = default;
  changed_operation& operator=(changed_operation&&) = delete;
  ~changed_operation() = default;

  bool try_now() noexcept { return attempt(false); }
  bool publish() noexcept { return !attempt(true); }
  bool take() noexcept { return std::exchange(by_->seen_, newest_) != newest_; }
  [[nodiscard]] bool await_resume() {
    return detail::leaf_operation<changed_operation>::await_resume();
  }

 private:
  friend struct shared_state;

  bool attempt(bool may_wait) noexcept {
    shared_state& state = *by_->state_;
    const detail::spin_guard guard(state.lock);
    if (state.version == by_->seen_ && !state.closed) {
      if (may_wait) state.waiters.push_back(*this);
      return false;
    }
    if (!this->claim()) return false;
    newest_ = state.version;
    return true;
  }
  static detail::unlink_result take_out(detail::wait_node& self) noexcept {
    auto& waiter = static_cast<changed_operation&>(self);
    return detail::unlink_under(waiter.by_->state_->lock, waiter);
  }

  receiver* by_;
  std::uint64_t newest_;
};

}  // namespace weft
