#pragma once

// Timers of one worker: a hierarchical wheel (Varghese and Lauck 1987) with occupancy bitmaps.
//
// Time is cut into ticks of 2^16 ns (65.5 us). Level 0 has a slot for each of the next 64 ticks,
// level 1 for each of the next 64 groups of 64 ticks, and so on: 7 levels reach 9 years, and later
// deadlines wait in the slot that comes round last and are filed again. A timer is filed by the
// highest bit in which its tick differs from the current one, so arming and disarming are O(1), and
// the next deadline is found by counting trailing zeros. A timer fires in the first expire() after
// its tick has *ended*: never early, at most one tick (and the wake-up) late.
//
// Who touches it: the owning worker arms and expires; any thread may disarm or rearm (a task
// cancelled from another worker), and an idle worker expires the wheel of one that stands still.
// One spin lock guards it all: uncontended it costs 3 ns here, and remote lists, deferred frees and
// their proofs are not needed.
//
// Rejected: a heap (O(log n), and cancelled timers pile up); an unsorted front list before the
// wheel (saves little more than the bit arithmetic); tokio's millisecond ticks (late by a
// millisecond on average).

#include "../clock.h"
#include "intrusive_list.h"
#include "spin_lock.h"

#include <cstdint>

namespace weft::detail {

class timer_wheel;

/// A timer: lives in the object that waits. `fire` runs once, on the thread that expires the wheel,
/// without locks held.
///
///   idle -> armed (arm) -> idle (disarm) | firing (expire) -> fired
///
/// The state is guarded by the wheel's lock, but for the last step (end_fire).
struct timer_node : list_node {
  enum class phase : std::uint8_t { idle, armed, firing, fired };

  clock::time_point when{};
  /// Ends with end_fire() if the owner may call finish_disarm(), or else with something that lets
  /// the owner go on (wake); the node may be gone then.
  void (*fire)(timer_node& self) noexcept = nullptr;
  /// Decides under the wheel's lock whether the timer may fire; null: always. (select: one of
  /// several waits.)
  bool (*claim)(timer_node& self) noexcept = nullptr;
  timer_wheel* wheel = nullptr;
  //   written by  the wheel, under its lock; fired: by the firing thread, at the end of fire()
  //   read by     finish_disarm, by spinning
  //   pairing     acquire/release, so that what fire() did is seen
  atomic<phase> state{phase::idle};
  std::uint8_t level = 0;
  std::uint8_t slot = 0;

  timer_node() noexcept = default;
  /// Copies an idle timer (awaiters may be moved until they are awaited).
  timer_node(const timer_node& other) noexcept
      : list_node(), when(other.when), fire(other.fire), claim(other.claim) {}
  timer_node& operator=(const timer_node&) = delete;

  /// The last thing fire() does with the node.
  void end_fire() noexcept {
    // release: pairs with the acquire in finish_disarm().
    state.store(phase::fired, std::memory_order_release);
  }
};

class timer_wheel {
 public:
  explicit timer_wheel(clock::time_point start) noexcept;
  ~timer_wheel();

  /// Armed timers of the process, for the ledger.
  static std::int64_t armed() noexcept;
  timer_wheel(const timer_wheel&) = delete;
  timer_wheel& operator=(const timer_wheel&) = delete;

  /// Files an idle timer. Any thread. True: it is the earliest now, so that a sleeping owner must
  /// look again.
  bool arm(timer_node& timer) noexcept;
  /// True: it will not fire. False: it has fired or is firing now.
  static bool disarm(timer_node& timer) noexcept;
  /// As disarm, and when it returns no call of fire() is under way either. Not from within fire().
  static bool finish_disarm(timer_node& timer) noexcept;

  /// Fires what is due, to the tick. Returns how many.
  std::size_t expire(clock::time_point now) noexcept;
  /// Fires what is due, to the nanosecond: for virtual time, which stands still while tasks run.
  std::size_t expire_exactly(clock::time_point now) noexcept;

  /// When to call expire again; time_point::max() without timers. May be early, never late.
  [[nodiscard]] clock::time_point next_deadline() noexcept;

  /// The exact deadline of the earliest timer (virtual time jumps there); max() without timers.
  [[nodiscard]] clock::time_point earliest() noexcept;

  /// Something may be due at `now`. Owner's cheap test before expire().
  [[nodiscard]] bool due(clock::time_point now) const noexcept {
    return now.time_since_epoch().count() >= next_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] bool empty() const noexcept { return count_.load(std::memory_order_relaxed) == 0; }
  [[nodiscard]] std::size_t size_approx() const noexcept {
    return count_.load(std::memory_order_relaxed);
  }

  /// A wheel's place in the list behind armed().
  struct member : list_node {
    timer_wheel* wheel = nullptr;
  };

 private:
  static constexpr int tick_bits = 16;
  static constexpr int level_bits = 6;
  static constexpr unsigned slots = 1u << level_bits;
  static constexpr unsigned levels = 7;

  static unsigned level_of(std::uint64_t difference) noexcept;
  std::int64_t file(timer_node& timer) noexcept;
  void unfile(timer_node& timer) noexcept;
  void advance(std::uint64_t tick, intrusive_list<timer_node>& due) noexcept;
  void refile_slot(unsigned level, unsigned slot, intrusive_list<timer_node>& due) noexcept;
  [[nodiscard]] unsigned first_level() const noexcept;
  [[nodiscard]] unsigned slots_ahead(unsigned level) const noexcept;
  [[nodiscard]] std::int64_t compute_next() const noexcept;
  std::size_t fire(intrusive_list<timer_node>& due) noexcept;

  spin_lock lock_;
  // Guarded by lock_. Invariants: the slot of the current tick is empty on every level; a level
  // below the top has only later slots occupied, and all its timers come before those of the
  // levels above. The top level goes round: behind its end it begins again, and timers from
  // beyond the wheel wait in whatever slot was the last one.
  std::uint64_t now_tick_;
  std::uint64_t occupied_[levels] = {};
  intrusive_list<timer_node> wheel_[levels][slots];

  // Nanoseconds of the next expiry, and how many timers are filed.
  //   written by  any thread, under lock_
  //   read by     due() and empty(): relaxed hints; the owner re-reads under the lock before it
  //               sleeps
  atomic<std::int64_t> next_;
  atomic<std::size_t> count_{0};
  member member_;
};

}  // namespace weft::detail
