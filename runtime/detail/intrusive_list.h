#pragma once

#include <cassert>

namespace weft::detail {

/// What an element of intrusive_list derives from. Unlinked nodes have null links.
struct list_node {
  list_node* previous = nullptr;
  list_node* next = nullptr;

  constexpr list_node() noexcept = default;
  // Copying or moving an element never copies its place in a list.
  constexpr list_node(const list_node&) noexcept {}
  constexpr list_node& operator=(const list_node&) noexcept { return *this; }

  [[nodiscard]] bool linked() const noexcept { return next != nullptr; }
};

/// A doubly linked list that owns nothing: O(1) push, pop and unlink from the middle, no
/// allocation.
///
/// T derives from list_node. Elements must be unlinked before they die. Constant-initialised when
/// empty: the head stands for itself with null links, so that a global list is safe before main.
/// Threads: none; its user guards it.
template <class T>
class intrusive_list {
 public:
  constexpr intrusive_list() noexcept = default;
  intrusive_list(const intrusive_list&) = delete;
  intrusive_list& operator=(const intrusive_list&) = delete;

  [[nodiscard]] bool empty() const noexcept {
    return head_.next == nullptr || head_.next == &head_;
  }
  [[nodiscard]] T* front() noexcept { return empty() ? nullptr : static_cast<T*>(head_.next); }

  void push_back(T& element) noexcept {
    list_node& node = element;
    assert(!node.linked());
    if (head_.next == nullptr) head_.next = head_.previous = &head_;
    node.previous = head_.previous;
    node.next = &head_;
    head_.previous->next = &node;
    head_.previous = &node;
  }
  void push_front(T& element) noexcept {
    list_node& node = element;
    assert(!node.linked());
    if (head_.next == nullptr) head_.next = head_.previous = &head_;
    node.next = head_.next;
    node.previous = &head_;
    head_.next->previous = &node;
    head_.next = &node;
  }
  /// The oldest element, unlinked; null when empty.
  T* pop_front() noexcept {
    T* element = front();
    if (element != nullptr) unlink(*element);
    return element;
  }
  static void unlink(T& element) noexcept {
    list_node& node = element;
    assert(node.linked());
    node.previous->next = node.next;
    node.next->previous = node.previous;
    node.previous = node.next = nullptr;
  }
  /// Moves all elements of `other` behind ours.
  void splice_back(intrusive_list& other) noexcept {
    while (T* element = other.pop_front()) push_back(*element);
  }
  /// The element after `element`, or null at the end.
  [[nodiscard]] T* after(T& element) noexcept {
    list_node* next = static_cast<list_node&>(element).next;
    return next == &head_ ? nullptr : static_cast<T*>(next);
  }

 private:
  list_node head_;
};

}  // namespace weft::detail
