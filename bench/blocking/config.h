// Hand small functions to the pool for blocking work and take their results back.
//
//   batch:      100 jobs at a time, then wait for all. Per job.
//   round_trip: one job at a time. Per job.
#pragma once

#include <cstdint>

namespace blocking_loop {

inline constexpr int pool_threads = 4;  // the default of libuv; set for all
inline constexpr int at_a_time = 100;
inline constexpr int round_trips = 100;

/// The job.
inline int next(int number) {
  return number + 1;
}

constexpr std::int64_t expected_sum(int jobs) {
  return std::int64_t{jobs} * (jobs + 1) / 2;
}

}  // namespace blocking_loop
