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
    // acquire: pairs with the release when it is made.
    while (phase_.load(std::memory_order_acquire) != phase::made) {
      if (claim(phase::none)) {
        make_now(make, false);
      } else if (claim(phase::closed)) {
        make_now(make, true);
      } else {
        yield_thread();  // somebody else is making it
      }
    }
    return state_;
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
    return phase_.compare_exchange_strong(from, to, std::memory_order_relaxed);
  }
  bool claim(phase from) noexcept {
    return phase_.load(std::memory_order_relaxed) == from && swap(from, phase::making);
  }
  template <class Make>
  void make_now(Make& make, bool closed) {
    try {
      state_ = make();
    } catch (...) {  // as it was before
      phase_.store(closed ? phase::closed : phase::none, std::memory_order_relaxed);
      throw;
    }
    if (closed) state_->close();
    // release: pairs with the acquire in get() and close().
    phase_.store(phase::made, std::memory_order_release);
  }

  //   written by  the first who asks, and close()
  //   read by     all who ask
  //   pairing     release when state_ is there, acquire by who uses it
  atomic<phase> phase_{phase::none};
  std::shared_ptr<State> state_;  // immutable once made
};

}  // namespace weft::detail
