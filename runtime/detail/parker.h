#pragma once

// A place where one thread sleeps until another one wakes it.
//
// A wake-up that comes first is kept, so there is no moment to miss. The one who wakes makes a
// system call only when the sleeper is asleep, holds no lock in it, and does not touch the parker
// after it: the woken thread may destroy it at once. A condition variable has neither property: its
// mutex has to be held while it notifies, and the woken thread runs into that mutex.
//
// The word:
//   empty     nobody sleeps, nothing to tell      park()    -> asleep
//   asleep    the thread sleeps, or is about to   unpark()  -> notified, wakes it
//   notified  a wake-up nobody has taken yet      park()    -> empty, returns
// Source: the parkers of Rust's standard library and of parking_lot work by the same three states.

#include "atomic.h"

#include <chrono>
#include <cstdint>

namespace weft::detail {

class parker {
 public:
  constexpr parker() noexcept = default;
  parker(const parker&) = delete;
  parker& operator=(const parker&) = delete;

  /// Sleeps until somebody calls unpark(), or has done so since the last park(). One thread only.
  void park() noexcept;
  /// For who expects to be woken soon, before park(): looks for the wake-up for a few microseconds.
  void spin() const noexcept;
  /// As park(). False: the time came first.
  bool park_until(std::chrono::steady_clock::time_point when) noexcept;
  /// What the caller did before is seen by who wakes up. Any thread.
  void unpark() noexcept;

 private:
  enum class end : std::uint8_t { notified, timed_out };
  /// Null: no limit.
  end sleep(const std::chrono::steady_clock::time_point* until) noexcept;

  static constexpr std::uint32_t empty = 0;
  static constexpr std::uint32_t asleep = 1;
  static constexpr std::uint32_t notified = 2;

  //   written by  the thread that parks, and those who wake it
  //   pairing     release in unpark(), acquire by the one who takes the wake-up
  atomic<std::uint32_t> word_{empty};
};

}  // namespace weft::detail
