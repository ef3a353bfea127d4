#pragma once

// What makes threads stand still where they usually do not: the chaos points of the library, where
// they are compiled in; a preemptor that stops workers by signal, between any two instructions; a
// process that may use one CPU only.

#include "random.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

namespace weft::stress {

/// 0: none. 1: now and then. 2: often. 3: hardly anything runs undisturbed.
inline constexpr std::size_t chaos_level_max = 3;

/// The calling thread may be stopped by the preemptor from now on. The library's threads take no
/// signals, so each has to be told; cheap when it has been. Any thread. Not inlined: tasks call it,
/// and the address of a thread-local must not survive a suspension.
[[gnu::noinline]] void enlist_this_thread() noexcept;

/// The library was built with its chaos points.
[[nodiscard]] bool has_chaos_points() noexcept;

/// While it lives, threads are disturbed. One at a time in the process.
class disturbance {
 public:
  disturbance(std::size_t level, std::uint64_t seed);
  disturbance(const disturbance&) = delete;
  disturbance& operator=(const disturbance&) = delete;
  ~disturbance();

  /// Between these two nothing is disturbed: while the harness measures.
  void pause() noexcept;
  void resume() noexcept;

 private:
  void preempt(std::uint64_t seed);

  const std::size_t level_;
  //   written by  the harness; read by the preemptor; relaxed: a moment late is no harm
  std::atomic<bool> is_paused_{false};
  std::atomic<bool> is_stopped_{false};
  std::thread preemptor_;  // at level 0: none
};

/// While it lives, this thread and those it starts share one CPU.
class one_cpu {
 public:
  explicit one_cpu(std::uint64_t choice) noexcept;
  one_cpu(const one_cpu&) = delete;
  one_cpu& operator=(const one_cpu&) = delete;
  ~one_cpu();

 private:
  alignas(8) unsigned char before_[128];  // a cpu_set_t
};

}  // namespace weft::stress
