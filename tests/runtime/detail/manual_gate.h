#pragma once

// A primitive with room for one waiter, driven by hand: what a test needs to put a task into each
// state of its wait word.

#include <weft/runtime/detail/spin_lock.h>
#include <weft/runtime/detail/wait_node.h>

#include <atomic>
#include <functional>
#include <utility>

namespace weft::testing {

class manual_gate {
 public:
  class operation;

  /// Waits until open().
  operation wait() noexcept;

  /// Claims the waiter and wakes its task. False: nobody waits, or its select has a winner.
  bool open() noexcept {
    detail::task_state* woken = nullptr;
    {
      const detail::spin_guard guard(lock_);
      detail::wait_node* node = std::exchange(waiter_, nullptr);
      if (node != nullptr && node->claim()) woken = node->task;
    }
    if (woken == nullptr) return false;
    detail::wake(*woken);
    return true;
  }
  /// Takes the waiter without a word to anybody: its wake is on the way then.
  detail::wait_node* take() noexcept {
    const detail::spin_guard guard(lock_);
    return std::exchange(waiter_, nullptr);
  }
  [[nodiscard]] bool has_waiter() noexcept {
    const detail::spin_guard guard(lock_);
    return waiter_ != nullptr;
  }
  /// How often somebody tried to take the waiter back.
  [[nodiscard]] int unlinks() const noexcept { return unlinks_.load(); }

  /// Called when the node is linked and its task is not armed yet.
  std::function<void()> after_publish;
  /// In place of taking the waiter back; on the canceller's thread, while the task is BUSY.
  std::function<detail::unlink_result(detail::task_state& task)> on_unlink;

 private:
  bool remove(detail::wait_node& node) noexcept {
    const detail::spin_guard guard(lock_);
    if (waiter_ != &node) return false;
    waiter_ = nullptr;
    return true;
  }

  detail::spin_lock lock_;
  detail::wait_node* waiter_ = nullptr;  // guarded by lock_; who takes it out owns the wake
  std::atomic<int> unlinks_{0};
};

class [[nodiscard]] manual_gate::operation : public detail::leaf_operation<operation> {
 public:
  explicit operation(manual_gate& gate) noexcept : gate_(&gate) {}

  bool try_now() noexcept { return false; }
  bool publish() noexcept {
    manual_gate& gate = *gate_;
    unlink = detail::waits<take_back, "a gate">;
    {
      const detail::spin_guard guard(gate.lock_);
      gate.waiter_ = this;
    }
    if (gate.after_publish) gate.after_publish();
    return true;
  }
  void take() const noexcept {}

 private:
  static detail::unlink_result take_back(detail::wait_node& self) noexcept {
    using detail::unlink_result;
    manual_gate& gate = *static_cast<operation&>(self).gate_;
    ++gate.unlinks_;
    if (gate.on_unlink) return gate.on_unlink(*self.task);
    return gate.remove(self) ? unlink_result::removed : unlink_result::completed;
  }

  manual_gate* gate_;
};

inline manual_gate::operation manual_gate::wait() noexcept {
  return operation(*this);
}

}  // namespace weft::testing
