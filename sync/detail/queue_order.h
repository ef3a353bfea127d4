#pragma once

// How the three queues keep their items. Each has: size, empty, grow (room for one more; may throw
// std::bad_alloc), push (has room; does not throw), pop, swap.

#include "ring.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace weft::detail {

/// First in, first out.
template <storable T>
class fifo_order {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
  void grow() { items_.grow(); }
  void push(T&& item) noexcept { items_.push_back(std::move(item)); }
  T pop() noexcept { return items_.pop_front(); }
  void swap(fifo_order& other) noexcept { items_.swap(other.items_); }

 private:
  ring<T> items_;
};

/// Room in a vector for one more, so that the next push_back neither throws nor allocates.
template <class T>
void grow_vector(std::vector<T>& items) {
  constexpr std::size_t initial_room = 8;
  if (items.size() == items.capacity()) items.reserve(std::max(initial_room, items.size() * 2));
}

/// Last in, first out.
template <storable T>
class lifo_order {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
  void grow() { grow_vector(items_); }
  void push(T&& item) noexcept { items_.push_back(std::move(item)); }
  T pop() noexcept {
    T item(std::move(items_.back()));
    items_.pop_back();
    return item;
  }
  void swap(lifo_order& other) noexcept { items_.swap(other.items_); }

 private:
  std::vector<T> items_;
};

/// Smallest first; equal ones in the order in which they came. A binary heap.
template <storable T, class Compare>
class priority_order {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }
  void grow() { grow_vector(heap_); }
  void push(T&& item) noexcept {
    heap_.push_back(entry{std::move(item), next_++});
    std::push_heap(heap_.begin(), heap_.end(), later_);
  }
  T pop() noexcept {
    std::pop_heap(heap_.begin(), heap_.end(), later_);
    T item(std::move(heap_.back().item));
    heap_.pop_back();
    return item;
  }
  void swap(priority_order& other) noexcept {
    heap_.swap(other.heap_);
    std::swap(next_, other.next_);
  }

 private:
  struct entry {
    T item;
    std::uint64_t number;
  };
  struct is_later {
    bool operator()(const entry& a, const entry& b) const {
      if (compare(b.item, a.item)) return true;
      return !compare(a.item, b.item) && b.number < a.number;
    }
    [[no_unique_address]] Compare compare{};
  };

  std::vector<entry> heap_;
  std::uint64_t next_ = 0;
  [[no_unique_address]] is_later later_{};
};

}  // namespace weft::detail
