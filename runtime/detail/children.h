#pragma once

// Children of one awaiting task: what gather and select start, watch, cancel and wait for.
//
// The children are tasks of their own, but owned by the awaiter in the parent's frame: it holds a
// handle on each, and the parent is not resumed before the last one has ended. So the children may
// point into the awaiter, and one shared completion_waiter serves all of them.

#include "wait_node.h"

#include <coroutine>
#include <span>
#include <utility>

namespace weft::detail {

/// The frame of a child: unstarted it is destroyed with the awaiter, and in debug mode reported as
/// any task that never ran; started it is dropped.
class child_frame {
 public:
  child_frame() noexcept = default;
  child_frame(task_state& state, const task_type& type, std::coroutine_handle<> frame) noexcept
      : state_(&state), type_(&type), frame_(frame) {}
  child_frame(child_frame&& other) noexcept
      : state_(std::exchange(other.state_, nullptr)),
        type_(other.type_),
        frame_(other.frame_),
        started_(other.started_),
        excused_(other.excused_) {}
  child_frame& operator=(child_frame&& other) noexcept {
    child_frame old(std::move(*this));
    state_ = std::exchange(other.state_, nullptr);
    type_ = other.type_;
    frame_ = other.frame_;
    started_ = other.started_;
    excused_ = other.excused_;
    return *this;
  }
  ~child_frame() {
    if (state_ == nullptr) return;
    if (started_) {
      drop_handle(*state_);
    } else {
      if (!excused_) report_unawaited(frame_.address());
      frame_.destroy();
    }
  }

  /// Makes it a task with one waiter and queues it behind everything that is ready.
  void start(completion_waiter& waiter) noexcept;
  [[nodiscard]] bool started() const noexcept { return started_; }
  /// It may end unstarted: its awaiter is awaited, and another child may decide.
  void excuse() noexcept { excused_ = true; }
  [[nodiscard]] task_state& state() const noexcept { return *state_; }

 private:
  task_state* state_ = nullptr;
  const task_type* type_ = nullptr;
  std::coroutine_handle<> frame_;
  bool started_ = false;
  bool excused_ = false;
};

enum class on_failure : std::uint8_t { cancel_siblings, keep_going };

/// gather: starts all children, waits for all.
///
/// Cancellation: cancels all children and waits for their end; then throws, also if the children
/// swallowed it.
class child_set : public wait_node, public completion_waiter {
 public:
  child_set(std::span<child_frame> children, on_failure policy) noexcept;

  /// Starts them. True: suspended.
  bool start(std::coroutine_handle<> parent) noexcept;
  /// After all have ended: throws if the wait was cancelled, or a child failed and that counts.
  void check();

 private:
  static void on_child_done(completion_waiter& self, task_state& child) noexcept;
  static unlink_result cancel_children(wait_node& self) noexcept;
  static void visit_children(const wait_node& self, visit_function visit, void* context) noexcept;
  void cancel_all(const task_state* except) noexcept;

  std::span<child_frame> children_;
  on_failure policy_;
  //   written by  the parent (start) and ending children
  //   pairing     acq_rel of the children, acquire of the parent, who tells nothing with it: the
  //               last one has seen all results, and wakes the parent
  atomic<std::size_t> pending_{0};
  //   written by  the first child that fails, by compare-exchange
  //   read by     the parent after the last end, or once it has seen one_failed
  //   pairing     relaxed: pending_ and progress_ bring it
  atomic<task_state*> failed_{nullptr};
  // Two bits: all children are started; one has failed. Who sets the second one cancels the others:
  // before, some are not tasks yet.
  //   written by  the parent (start) and the first failing child
  //   pairing     acq_rel: the later one sees what the other did
  atomic<unsigned> progress_{0};
  static constexpr unsigned all_started = 1, one_failed = 2;
};

}  // namespace weft::detail
