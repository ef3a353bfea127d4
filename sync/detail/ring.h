#pragma once

#include <bit>
#include <cassert>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace weft::detail {

/// Items are moved under a spin lock and from thread to thread, where nothing may throw.
template <class T>
concept storable = std::is_object_v<T> && std::is_nothrow_move_constructible_v<T> &&
                   std::is_nothrow_destructible_v<T>;

/// First in, first out, in one block of memory whose size is a power of two.
///
/// Owns its items. Grows only when it is told to. Threads: none; its user guards it.
template <storable T>
class ring {
 public:
  constexpr ring() noexcept = default;
  ring(const ring&) = delete;
  ring& operator=(const ring&) = delete;
  constexpr ~ring() {
    while (size_ > 0) drop_front();
    if (slots_ != nullptr) std::allocator<T>().deallocate(slots_, room_);
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] bool has_room() const noexcept { return size_ < room_; }

  /// Makes room for `count` items in all. May throw std::bad_alloc, and then nothing has changed.
  void reserve(std::size_t count) {
    if (count <= room_) return;
    const std::size_t room = std::bit_ceil(count);
    T* const slots = std::allocator<T>().allocate(room);
    const std::size_t size = size_;
    for (std::size_t i = 0; i < size; ++i) std::construct_at(slots + i, pop_front());
    if (slots_ != nullptr) std::allocator<T>().deallocate(slots_, room_);
    slots_ = slots;
    room_ = room;
    first_ = 0;
    size_ = size;
  }
  /// Room for one more.
  void grow() {
    if (!has_room()) reserve(room_ == 0 ? initial_room : room_ * 2);
  }

  /// Requires: has_room().
  void push_back(T&& item) noexcept {
    assert(has_room());
    std::construct_at(slot(size_), std::move(item));
    ++size_;
  }
  /// Requires: not empty.
  T pop_front() noexcept {
    assert(size_ > 0);
    T& oldest = slots_[first_];
    first_ = (first_ + 1) & (room_ - 1);
    --size_;
    T item(std::move(oldest));
    std::destroy_at(&oldest);
    return item;
  }
  [[nodiscard]] T& front() noexcept { return *slot(0); }
  constexpr void drop_front() noexcept {
    std::destroy_at(slots_ + first_);
    first_ = (first_ + 1) & (room_ - 1);
    --size_;
  }
  void swap(ring& other) noexcept {
    std::swap(slots_, other.slots_);
    std::swap(room_, other.room_);
    std::swap(first_, other.first_);
    std::swap(size_, other.size_);
  }

 private:
  static constexpr std::size_t initial_room = 8;

  T* slot(std::size_t index) noexcept { return slots_ + ((first_ + index) & (room_ - 1)); }

  T* slots_ = nullptr;
  std::size_t room_ = 0;  // 0 or a power of two
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace weft::detail
