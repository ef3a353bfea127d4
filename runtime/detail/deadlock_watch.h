#pragma once

#include <chrono>
#include <cstdint>

namespace weft::detail {

class scheduler;

/// Tells when a runtime has stood still for a while: no step was made, nobody is awake, and nothing
/// is pending. What begins and ends between two looks has made a step, so two looks that far apart
/// which find that are enough.
///
/// Threads: one at a time.
class deadlock_watch {
 public:
  deadlock_watch(scheduler& of, std::chrono::milliseconds patience) noexcept;

  /// True once for each standstill, when it has lasted for the patience.
  bool look() noexcept;
  /// From one look to the next.
  [[nodiscard]] std::chrono::nanoseconds interval() const noexcept;

 private:
  scheduler& runtime_;
  std::chrono::nanoseconds patience_;
  std::uint64_t steps_ = 0;
  bool was_still_ = false;
  std::chrono::steady_clock::time_point since_;
  bool told_ = false;
};

}  // namespace weft::detail
