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

  /// Adds all that the other one has counted.
  void add(const histogram& other) noexcept;

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
