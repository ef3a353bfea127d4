#pragma once

#include "../../../runtime/detail/wait_node.h"

#include <cstdint>

namespace weft::model {

/// The smallest primitive there can be: a value that is set once, for one task that waits for it.
/// As all primitives it synchronises those who meet in it, and no others.
class signal {
 public:
  class wait_operation : public detail::leaf_operation<wait_operation> {
   public:
    explicit wait_operation(signal& of) noexcept : signal_(&of) {
      unlink = detail::waits<leave, "a signal">;
    }
    bool try_now() noexcept { return signal_->is_set(); }
    bool publish() noexcept {
      std::uintptr_t seen = empty;
      // acq_rel: who sets it sees the node; we see the value.
      return signal_->word_.compare_exchange_strong(
          seen, reinterpret_cast<std::uintptr_t>(static_cast<detail::wait_node*>(this)),
          std::memory_order_acq_rel, std::memory_order_acquire);
    }
    int take() noexcept { return signal_->value_; }

   private:
    static detail::unlink_result leave(detail::wait_node& self) noexcept {
      auto& waiting = static_cast<wait_operation&>(self);
      auto seen = reinterpret_cast<std::uintptr_t>(&self);
      // acq_rel: as in publish.
      return waiting.signal_->word_.compare_exchange_strong(seen, empty, std::memory_order_acq_rel,
                                                            std::memory_order_acquire)
                 ? detail::unlink_result::removed
                 : detail::unlink_result::completed;
    }

    signal* signal_;
  };

  [[nodiscard]] wait_operation wait() noexcept { return wait_operation(*this); }

  /// Once. Wakes who waits.
  void set(int value) noexcept {
    value_ = value;
    // acq_rel: as in wait_operation::publish.
    const std::uintptr_t was = word_.exchange(is_there, std::memory_order_acq_rel);
    if (was != empty) detail::wake(*reinterpret_cast<detail::wait_node*>(was)->task);
  }
  [[nodiscard]] bool is_set() const noexcept {
    // acquire: the value is seen.
    return word_.load(std::memory_order_acquire) == is_there;
  }

 private:
  static constexpr std::uintptr_t empty = 0, is_there = 1;

  detail::atomic<std::uintptr_t> word_{empty};  // or the node of who waits
  int value_ = 0;
};

}  // namespace weft::model
