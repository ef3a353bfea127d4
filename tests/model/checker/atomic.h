#pragma once

// Atomics whose operations are decisions of the checker's.

#include "memory.h"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <type_traits>

namespace weft::detail {

/// As std::atomic, of the same size. Its memory keeps the initial value; all others are in the
/// checker, so that objects with static storage begin each execution as new.
template <class T>
class atomic {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
  using place = std::source_location;

 public:
  using value_type = T;
  static constexpr bool is_always_lock_free = true;

  constexpr atomic() noexcept : atomic(T()) {}
  constexpr atomic(T value) noexcept : value_(value) {
    if (!std::is_constant_evaluated()) model::memory::construct(this, sizeof(T));
  }
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;
  constexpr ~atomic() {
    if (!std::is_constant_evaluated()) model::memory::destroy(this);
  }

  T load(std::memory_order order = std::memory_order_seq_cst,
         place where = place::current()) const noexcept {
    return from_bits(model::memory::load(this, sizeof(T), order, where));
  }
  void store(T value, std::memory_order order = std::memory_order_seq_cst,
             place where = place::current()) noexcept {
    model::memory::store(this, sizeof(T), to_bits(value), order, where);
  }
  T exchange(T value, std::memory_order order = std::memory_order_seq_cst,
             place where = place::current()) noexcept {
    return modify(model::memory::change::exchange, value, order, where);
  }
  T fetch_add(T value, std::memory_order order = std::memory_order_seq_cst,
              place where = place::current()) noexcept {
    return modify(model::memory::change::add, value, order, where);
  }
  T fetch_sub(T value, std::memory_order order = std::memory_order_seq_cst,
              place where = place::current()) noexcept {
    return modify(model::memory::change::subtract, value, order, where);
  }
  T fetch_and(T value, std::memory_order order = std::memory_order_seq_cst,
              place where = place::current()) noexcept {
    return modify(model::memory::change::bit_and, value, order, where);
  }
  T fetch_or(T value, std::memory_order order = std::memory_order_seq_cst,
             place where = place::current()) noexcept {
    return modify(model::memory::change::bit_or, value, order, where);
  }
  T fetch_xor(T value, std::memory_order order = std::memory_order_seq_cst,
              place where = place::current()) noexcept {
    return modify(model::memory::change::bit_xor, value, order, where);
  }

  bool compare_exchange_strong(T& expected, T desired, std::memory_order success,
                               std::memory_order failure, place where = place::current()) noexcept {
    return compare_exchange(expected, desired, success, failure,
                            model::memory::exchange_kind::strong, where);
  }
  bool compare_exchange_strong(T& expected, T desired,
                               std::memory_order order = std::memory_order_seq_cst,
                               place where = place::current()) noexcept {
    return compare_exchange(expected, desired, order, on_failure(order),
                            model::memory::exchange_kind::strong, where);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order success,
                             std::memory_order failure, place where = place::current()) noexcept {
    return compare_exchange(expected, desired, success, failure, model::memory::exchange_kind::weak,
                            where);
  }
  bool compare_exchange_weak(T& expected, T desired,
                             std::memory_order order = std::memory_order_seq_cst,
                             place where = place::current()) noexcept {
    return compare_exchange(expected, desired, order, on_failure(order),
                            model::memory::exchange_kind::weak, where);
  }

 private:
  static std::uint64_t to_bits(T value) noexcept {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    return bits;
  }
  static T from_bits(std::uint64_t bits) noexcept {
    T value;
    std::memcpy(&value, &bits, sizeof(T));
    return value;
  }
  static constexpr std::memory_order on_failure(std::memory_order order) noexcept {
    if (order == std::memory_order_acq_rel) return std::memory_order_acquire;
    if (order == std::memory_order_release) return std::memory_order_relaxed;
    return order;
  }
  T modify(model::memory::change how, T value, std::memory_order order, place where) noexcept {
    return from_bits(model::memory::modify(this, sizeof(T), how, to_bits(value), order, where));
  }
  bool compare_exchange(T& expected, T desired, std::memory_order success,
                        std::memory_order failure, model::memory::exchange_kind kind,
                        place where) noexcept {
    std::uint64_t bits = to_bits(expected);
    const bool exchanged = model::memory::compare_exchange(this, sizeof(T), bits, to_bits(desired),
                                                           success, failure, kind, where);
    if (!exchanged) expected = from_bits(bits);
    return exchanged;
  }

  T value_;
};

}  // namespace weft::detail
