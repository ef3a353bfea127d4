#pragma once

// What every primitive does with its waiters: link a node under its lock, claim it, wake it after
// the lock was released.

#include "../../runtime/detail/intrusive_list.h"
#include "../../runtime/detail/spin_lock.h"
#include "../../runtime/detail/wait_node.h"

#include <cassert>
#include <cstdint>

namespace weft::detail {

/// Claimed nodes on their way to be woken once the lock of their primitive is released, oldest
/// first.
///
/// They are chained through list_node::previous with a null list_node::next: whoever looks at one
/// under the lock sees that it is not linked any more. Nothing of a node is touched after its wake.
/// Threads: lives on the stack of the waker.
class wake_list {
 public:
  wake_list() noexcept = default;
  wake_list(const wake_list&) = delete;
  wake_list& operator=(const wake_list&) = delete;
  ~wake_list() { assert(first_ == nullptr && "claimed waiters were not woken"); }

  /// The operation has its result: its wait is completed. Under the lock of the primitive.
  void add(wait_node& node) noexcept {
    assert(!node.linked());
    node.outcome = wait_outcome::completed;
    node.previous = nullptr;
    if (last_ == nullptr) {
      first_ = &node;
    } else {
      last_->previous = &node;
    }
    last_ = &node;
  }

  /// After the lock was released.
  void wake_all() noexcept {
    while (first_ != nullptr) {
      wait_node& node = *first_;
      first_ = static_cast<wait_node*>(node.previous);
      wake(*node.task);
    }
    last_ = nullptr;
  }

 private:
  wait_node* first_ = nullptr;
  wait_node* last_ = nullptr;
};

/// The oldest waiter that can still be completed, unlinked and claimed; null when there is none.
/// Under the lock of the primitive.
template <class Node>
Node* claim_front(intrusive_list<Node>& waiters) noexcept {
  while (Node* node = waiters.pop_front()) {
    if (node->claim()) return node;
  }
  return nullptr;
}

/// The usual wait_node::unlink: whoever finds the node linked owns the outcome.
template <class Node>
unlink_result unlink_under(spin_lock& lock, Node& node) noexcept {
  const spin_guard guard(lock);
  if (!node.linked()) return unlink_result::completed;
  intrusive_list<Node>::unlink(node);
  return unlink_result::removed;
}

enum class meeting : std::uint8_t { both, self_gone, peer_gone };

/// Claims two operations that complete each other, or none of them: each may belong to a select.
/// Under the lock of their primitive.
meeting claim_both(wait_node& self, wait_node& peer) noexcept;

}  // namespace weft::detail
