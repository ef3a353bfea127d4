#pragma once

#include "../../runtime/detail/atomic.h"

#include <cstdint>
#include <memory>
#include <utility>

namespace weft::detail {

/// A shared state that its owner makes in its constructor, or, when it was constant-initialised,
/// as soon as somebody asks.
///
/// Threads: any. Cost: a load once the state is there.
template <class State>
class late_state {
 public:
  constexpr late_state() noexcept = default;
  late_state(const late_state&) = delete;
  late_state& operator=(const late_state&) = delete;

  /// The state, if need be that of make(), which one caller runs at a time. Throws what it throws;
  /// the next caller tries again.
  template <class Make>
  const std::shared_ptr<State>& get(Make make) {
    for (;;) {
      // acquire: pairs with the release in make_now().
      const phase now = phase_.load(std::memory_order_acquire);
      if (now == phase::made) return state_;
      if (now == phase::making) {
        yield_thread();
      } else if (swap(now, phase::making)) {
        make_now(make, now);
      }
    }
  }

  /// Closes the state; one that is not there will be closed from the start.
  void close() noexcept {
    for (;;) {
      // acquire: as in get().
      const phase now = phase_.load(std::memory_order_acquire);
      if (now == phase::made) return state_->close();
      if (now == phase::closed) return;
      if (now == phase::none && swap(phase::none, phase::closed)) return;
      if (now == phase::making) yield_thread();
    }
  }

 private:
  enum class phase : std::uint8_t { none, closed, making, made };

  bool swap(phase from, phase to) noexcept {
    // acquire: pairs with the release of a maker that failed: what it left behind is seen.
    return phase_.compare_exchange_strong(from, to, std::memory_order_acquire,
                                          std::memory_order_relaxed);
  }
  template <class Make>
  void make_now(Make& make, phase before) {
    try {
      state_ = make();
    } catch (...) {
      // release: see swap().
      phase_.store(before, std::memory_order_release);
      throw;
    }
    if (before == phase::closed) state_->close();
    // release: pairs with the acquire in get() and close().
    phase_.store(phase::made, std::memory_order_release);
  }

  //   written by  the first who asks, and close()
  //   read by     all who ask
  //   pairing     release when state_ is there, acquire by who uses it; release by a maker that
  //               fails, acquire by the next
  atomic<phase> phase_{phase::none};
  std::shared_ptr<State> state_;  // immutable once made
};

}  // namespace weft::detail
