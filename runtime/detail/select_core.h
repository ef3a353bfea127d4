#pragma once

// select: several waits of one task, of which exactly one completes.
//
// An arm is either a *leaf*, one of the library's own operations, which waits right here in a node
// of the selecting task, or a *child*, a task started for it. All share one wait_group: who
// completes an arm claims the group first, so a losing queue.get() takes no item.
//
//   1. try the leaves in order; one that is ready wins, and nothing else begins
//   2. publish the leaves, start the children, suspend
//   3. the winner (or a canceller) claims the group and wakes the task; before the coroutine is
//      resumed (retry_node), the other leaves are taken back and the other children cancelled
//   4. suspend again until the last child has ended, then resume the coroutine
//
// Cancellation in 3 claims the group for nobody. In 4 the result is there: a request stays pending.

#include "children.h"
#include "io_operation.h"

#include <span>

namespace weft::detail {

class select_core : public wait_node, public retry_node {
 public:
  select_core() noexcept = default;
  select_core(const select_core&) = delete;
  select_core& operator=(const select_core&) = delete;

  /// What the typed part knows about an arm.
  struct arm_interface {
    void* arm = nullptr;
    bool (*try_now)(void* arm) = nullptr;           // leaves
    bool (*publish)(void* arm) noexcept = nullptr;  // leaves
    wait_node* node = nullptr;                      // leaves
    child_frame* child = nullptr;                   // children
  };
  /// Tells the core when the child of one arm has ended.
  struct child_watch : completion_waiter {
    select_core* core = nullptr;
    std::uint32_t index = 0;
  };

  /// Before the await. True: an arm was ready at once.
  bool try_arms(std::span<arm_interface> arms);
  /// True: suspended.
  bool start(std::coroutine_handle<> parent, std::span<child_watch> watches) noexcept;
  /// The arm that won; throws if the wait was cancelled.
  std::uint32_t winner();
  /// Before the arms are destroyed. When the frame dies while it waits, the last resort of a
  /// shutdown, they are taken back: nothing may point here any more. Else does nothing.
  void abandon() noexcept;
  [[nodiscard]] wait_group& arms_group() noexcept { return arms_group_; }

 private:
  bool advance() noexcept;
  void take_back_leaves() noexcept;
  void cancel_children() noexcept;
  static bool on_retry(retry_node& self) noexcept;
  static void on_child_done(completion_waiter& self, task_state& child) noexcept;
  static unlink_result cancel_select(wait_node& self) noexcept;
  static void visit_children(const wait_node& self, visit_function visit, void* context) noexcept;

  wait_group arms_group_;
  std::span<arm_interface> arms_;
  std::span<child_watch> watches_;
  std::uint32_t published_ = 0;  // arms that were begun
  std::uint32_t ready_ = wait_group::open;
  bool collecting_ = false;  // phase 4
  wait_outcome ended_ = wait_outcome::completed;
  //   written by  the parent (one for itself until phase 4) and ending children
  //   pairing     acq_rel of the children, acquire of the parent, who tells nothing with it: the
  //               last one has seen what all did, and wakes the parent
  atomic<std::size_t> live_{1};
};

}  // namespace weft::detail
