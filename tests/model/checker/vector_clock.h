#pragma once

#include <cstdint>

namespace weft::model {

/// Threads of a model, the one that runs its body (number 0) included.
inline constexpr unsigned threads_max = 8;

/// What a thread knows of the progress of all threads: the happens-before relation.
struct vector_clock {
  std::uint32_t at[threads_max] = {};

  void join(const vector_clock& other) noexcept {
    for (unsigned i = 0; i < threads_max; ++i) {
      if (other.at[i] > at[i]) at[i] = other.at[i];
    }
  }
  /// Has what `thread` did at its time `when` happened before?
  [[nodiscard]] bool covers(unsigned thread, std::uint32_t when) const noexcept {
    return at[thread] >= when;
  }
};

}  // namespace weft::model
