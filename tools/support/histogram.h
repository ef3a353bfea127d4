#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace weft::tools {

/// Counts durations in buckets of at most 0.8 % width, so that a percentile is right to two digits
/// from a nanosecond to eighteen minutes.
///
/// The buckets are log-linear, as in HdrHistogram: each power of two is cut into 128 equal parts.
/// Recording costs one relaxed atomic add.
///
/// Threads: record() may be called from any thread; the other members see all that was recorded
/// before in their own thread, and what other threads did approximately.
class histogram {
 public:
  using duration = std::chrono::nanoseconds;

  histogram();

  /// Negative durations count as zero, too long ones as the longest.
  void record(duration value) noexcept;

  /// Records `longest`, longest - interval, longest - 2 interval, ... while they are not less than
  /// `shortest`, each so many times. However many they are, the cost is that of looking at each
  /// bucket. Requires: interval > 0.
  void record_series(duration longest, duration shortest, duration interval,
                     std::uint64_t times = 1) noexcept;

  /// Adds all that the other one has counted.
  void add(const histogram& other) noexcept;

  /// Adds what coordinated omission has left out: who means to measure each `interval`, and waits for
  /// one answer for longer than that, has missed those that would have waited for the rest of it. So
  /// each value v stands for v - interval, v - 2 interval, ... as well, down to interval (Tene's
  /// correction, as in HdrHistogram and wrk). Nothing for an interval of zero.
  void correct(duration interval) noexcept;

  [[nodiscard]] std::uint64_t count() const noexcept;
  [[nodiscard]] duration max() const noexcept;

  /// The smallest duration that at least `fraction` (0 to 1) of all recorded ones do not exceed,
  /// rounded up to its bucket's end, but never above max(). Zero if nothing was recorded.
  [[nodiscard]] duration percentile(double fraction) const noexcept;

 private:
  std::vector<std::uint64_t> buckets_;
  std::int64_t max_ = 0;
};

}  // namespace weft::tools
