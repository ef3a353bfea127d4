#include "timer_wheel.h"

#include "chaos.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <limits>

namespace weft::detail {
namespace {

constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

std::int64_t nanoseconds(clock::time_point when) noexcept {
  return when.time_since_epoch().count();
}

// All wheels, for armed(). Guarded by wheels_lock; links are in the wheels.
constinit spin_lock wheels_lock;
constinit intrusive_list<timer_wheel::member> wheels;

}  // namespace

std::int64_t timer_wheel::armed() noexcept {
  const spin_guard guard(wheels_lock);
  std::int64_t total = 0;
  for (member* each = wheels.front(); each != nullptr; each = wheels.after(*each)) {
    total += static_cast<std::int64_t>(each->wheel->size_approx());
  }
  return total;
}

timer_wheel::~timer_wheel() {
  const spin_guard guard(wheels_lock);
  intrusive_list<member>::unlink(member_);
}

timer_wheel::timer_wheel(clock::time_point start) noexcept
    : now_tick_(static_cast<std::uint64_t>(nanoseconds(start)) >> tick_bits), next_(never) {
  member_.wheel = this;
  const spin_guard guard(wheels_lock);
  wheels.push_back(member_);
}

bool timer_wheel::arm(timer_node& timer) noexcept {
  const spin_guard guard(lock_);
  assert(timer.state.load(std::memory_order_relaxed) != timer_node::phase::armed);
  timer.wheel = this;
  timer.state.store(timer_node::phase::armed, std::memory_order_relaxed);
  count_.store(count_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  const std::int64_t mine = file(timer);
  const bool earliest = mine < next_.load(std::memory_order_relaxed);
  if (earliest) next_.store(mine, std::memory_order_relaxed);
  return earliest;
}

bool timer_wheel::disarm(timer_node& timer) noexcept {
  timer_wheel* wheel = timer.wheel;
  if (wheel == nullptr) return true;
  const spin_guard guard(wheel->lock_);
  if (timer.state.load(std::memory_order_relaxed) != timer_node::phase::armed) {
    return timer.state.load(std::memory_order_relaxed) == timer_node::phase::idle;
  }
  wheel->unfile(timer);
  timer.state.store(timer_node::phase::idle, std::memory_order_relaxed);
  wheel->count_.store(wheel->count_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  // next_ stays: a sleep that ends once for nothing is cheaper than a search on each cancelled
  // time-out.
  return true;
}

bool timer_wheel::finish_disarm(timer_node& timer) noexcept {
  if (disarm(timer)) return true;
  // acquire: pairs with the release in end_fire(). fire() never waits, so neither do we for long.
  while (timer.state.load(std::memory_order_acquire) != timer_node::phase::fired) cpu_relax();
  return false;
}

/// The level of a timer whose tick differs from the current one in these bits.
unsigned timer_wheel::level_of(std::uint64_t difference) noexcept {
  return std::min(static_cast<unsigned>(std::bit_width(difference) - 1) / level_bits, levels - 1);
}

/// Returns when to look at the timer again: the end of its tick, or on a higher level the begin of
/// its slot's window.
std::int64_t timer_wheel::file(timer_node& timer) noexcept {
  // Rounded up, so that a slot whose tick has ended holds only timers that are due.
  const std::int64_t when = nanoseconds(timer.when);
  constexpr std::int64_t round_up = (std::int64_t{1} << tick_bits) - 1;
  std::uint64_t tick = when <= 0 ? 0
                       : when > never - round_up
                           ? never >> tick_bits
                           : static_cast<std::uint64_t>(when + round_up) >> tick_bits;
  if (tick <= now_tick_) tick = now_tick_ + 1;
  const unsigned level = level_of(tick ^ now_tick_);
  if (level == levels - 1) {  // beyond the wheel: look again when its last slot comes round
    tick = std::min(tick, now_tick_ + (std::uint64_t{slots - 1} << (level * level_bits)));
  }
  timer.level = static_cast<std::uint8_t>(level);
  timer.slot = static_cast<std::uint8_t>((tick >> (level * level_bits)) % slots);
  wheel_[level][timer.slot].push_back(timer);
  occupied_[level] |= std::uint64_t{1} << timer.slot;
  const std::uint64_t look = tick >> (level * level_bits) << (level * level_bits);
  return look > static_cast<std::uint64_t>(never >> tick_bits)
             ? never
             : static_cast<std::int64_t>(look << tick_bits);
}

void timer_wheel::unfile(timer_node& timer) noexcept {
  intrusive_list<timer_node>::unlink(timer);
  if (wheel_[timer.level][timer.slot].empty())
    occupied_[timer.level] &= ~(std::uint64_t{1} << timer.slot);
}

/// The lowest occupied level, which has the earliest timers; `levels` without any.
unsigned timer_wheel::first_level() const noexcept {
  unsigned level = 0;
  while (level < levels && occupied_[level] == 0) ++level;
  return level;
}

/// From the current slot of an occupied level to the first occupied one: 1 to 63.
unsigned timer_wheel::slots_ahead(unsigned level) const noexcept {
  const auto current = static_cast<int>((now_tick_ >> (level * level_bits)) % slots);
  const int ahead = std::countr_zero(std::rotr(occupied_[level], current));
  assert(ahead > 0 && ahead < static_cast<int>(slots));
  return static_cast<unsigned>(ahead);
}

/// The end of the first occupied slot of level 0, or the begin of the first occupied one above: in
/// nanoseconds.
std::int64_t timer_wheel::compute_next() const noexcept {
  const unsigned level = first_level();
  if (level == levels) return never;
  const unsigned shift = level * level_bits;
  const std::uint64_t tick = ((now_tick_ >> shift) + slots_ahead(level)) << shift;
  return tick > static_cast<std::uint64_t>(never >> tick_bits)
             ? never
             : static_cast<std::int64_t>(tick << tick_bits);
}

void timer_wheel::refile_slot(unsigned level, unsigned slot,
                              intrusive_list<timer_node>& due) noexcept {
  occupied_[level] &= ~(std::uint64_t{1} << slot);
  intrusive_list<timer_node> moved;
  moved.splice_back(wheel_[level][slot]);
  const std::int64_t now = static_cast<std::int64_t>(now_tick_ << tick_bits);
  while (timer_node* timer = moved.pop_front()) {
    if (nanoseconds(timer->when) <= now) {
      due.push_back(*timer);
    } else {
      file(*timer);
    }
  }
}

/// Moves the current tick, slot by occupied slot, and collects what became due.
void timer_wheel::advance(std::uint64_t tick, intrusive_list<timer_node>& due) noexcept {
  while (now_tick_ < tick) {
    const std::int64_t next = compute_next();
    const std::uint64_t next_tick =
        next == never ? tick : static_cast<std::uint64_t>(next) >> tick_bits;
    if (next_tick > tick || next == never) {
      now_tick_ = tick;
      return;
    }
    now_tick_ = next_tick;
    for (unsigned level = levels; level-- > 0;) {
      const unsigned shift = level * level_bits;
      // No slot of this level begins here.
      if ((now_tick_ & ((std::uint64_t{1} << shift) - 1)) != 0) continue;
      const auto slot = static_cast<unsigned>((now_tick_ >> shift) % slots);
      if ((occupied_[level] >> slot & 1) != 0) refile_slot(level, slot, due);
    }
  }
}

std::size_t timer_wheel::expire(clock::time_point now) noexcept {
  intrusive_list<timer_node> due;
  lock_.lock();
  advance(static_cast<std::uint64_t>(nanoseconds(now)) >> tick_bits, due);
  return fire(due);
}

std::size_t timer_wheel::expire_exactly(clock::time_point now) noexcept {
  intrusive_list<timer_node> due;
  lock_.lock();
  advance(static_cast<std::uint64_t>(nanoseconds(now)) >> tick_bits, due);
  // What is due within the current tick waits in the slot of the next one.
  const std::uint64_t next_tick = now_tick_ + 1;
  const unsigned level = level_of(next_tick ^ now_tick_);
  intrusive_list<timer_node>& slot = wheel_[level][(next_tick >> (level * level_bits)) % slots];
  timer_node* next = nullptr;
  for (timer_node* timer = slot.front(); timer != nullptr; timer = next) {
    next = slot.after(*timer);
    if (timer->when > now) continue;
    unfile(*timer);
    due.push_back(*timer);
  }
  return fire(due);
}

/// Claims and fires the timers of the list. Called with lock_ held, which it releases.
std::size_t timer_wheel::fire(intrusive_list<timer_node>& due) noexcept {
  // Claims are made under the lock, so that a canceller finds each timer either armed or lost.
  intrusive_list<timer_node> claimed;
  while (timer_node* timer = due.pop_front()) {
    count_.store(count_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
    if (timer->claim != nullptr && !timer->claim(*timer)) {
      timer->state.store(timer_node::phase::idle, std::memory_order_relaxed);
      continue;
    }
    timer->state.store(timer_node::phase::firing, std::memory_order_relaxed);
    claimed.push_back(*timer);
  }
  next_.store(compute_next(), std::memory_order_relaxed);
  lock_.unlock();

  std::size_t fired = 0;
  while (timer_node* timer = claimed.pop_front()) {
    chaos::point();
    ++fired;
    timer->fire(*timer);
  }
  return fired;
}

clock::time_point timer_wheel::next_deadline() noexcept {
  const spin_guard guard(lock_);
  const std::int64_t next = compute_next();
  next_.store(next, std::memory_order_relaxed);
  return clock::time_point(clock::duration(next));
}

clock::time_point timer_wheel::earliest() noexcept {
  const spin_guard guard(lock_);
  clock::time_point best = clock::time_point::max();
  const unsigned level = first_level();
  if (level == levels) return best;
  // On the top level a timer from beyond the wheel may wait in front of nearer ones.
  const unsigned looked_at = level == levels - 1 ? slots : 1;
  const auto first = static_cast<unsigned>(now_tick_ >> (level * level_bits)) + slots_ahead(level);
  for (unsigned i = 0; i < looked_at; ++i) {
    intrusive_list<timer_node>& slot = wheel_[level][(first + i) % slots];
    for (timer_node* timer = slot.front(); timer != nullptr; timer = slot.after(*timer)) {
      best = std::min(best, timer->when);
    }
  }
  return best;
}

}  // namespace weft::detail
