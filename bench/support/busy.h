// Computes for a while without giving way.
#pragma once

#include <chrono>

namespace bench {

inline void stay_busy(std::chrono::microseconds length) {
  using clock = std::chrono::steady_clock;
  for (const auto end = clock::now() + length; clock::now() < end;) {
  }
}

}  // namespace bench
