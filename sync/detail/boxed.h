#pragma once

// Items whose move may throw (std::deque, types with a copy constructor only) cannot be moved under
// a spin lock, where nothing may throw: they travel in a box, which costs an allocation an item.
// They are moved in and out of it by the task that sends and the one that receives.

#include "ring.h"

#include <concepts>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft::detail {

template <class T>
using box = std::unique_ptr<T>;

/// What a queue, channel or oneshot can carry at all.
template <class T>
concept carried =
    std::is_object_v<T> && std::is_nothrow_destructible_v<T> && std::is_constructible_v<T, T>;

template <class T>
box<T> put_in_box(T&& item) {
  return std::make_unique<T>(std::move(item));
}
template <class T>
T take_out_of_box(box<T> from) {
  return T(std::move(*from));
}
template <class T>
std::optional<T> take_out_of_box(std::optional<box<T>> from) {
  if (!from || *from == nullptr) return std::nullopt;
  return std::optional<T>(std::move(**from));
}

/// Boxes `item` and calls try_send(box&&) -> bool; false: the item is given back.
template <class T, class TrySend>
  requires std::is_move_assignable_v<T>
bool try_in_box(T& item, TrySend try_send) {
  box<T> boxed = put_in_box(std::move(item));
  if (try_send(std::move(boxed))) return true;
  item = std::move(*boxed);
  return false;
}

}  // namespace weft::detail
