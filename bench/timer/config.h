// arm_cancel: tasks that put a time-out of a second around one yield; the time-out never fires. Per
//             time-out.
// ready:      one task puts a time-out around something that is ready at once. Per time-out.
// sleepers:   a million tasks that all sleep, then wake spread evenly over one second, in scattered
//             order. Counters:
//             cpu_ns_per_item    CPU of the process for one sleeper's whole life: start, sleep,
//                                wake, end
//             bytes_per_item     resident memory of one sleeping task
#pragma once

#include <chrono>
#include <cstdint>

namespace timer_loop {

inline constexpr int tasks = 100;
inline constexpr int timeouts_each = 1'000;
inline constexpr std::int64_t timeouts = std::int64_t{tasks} * timeouts_each;
inline constexpr std::chrono::seconds timeout{1};

inline constexpr int ready_timeouts = 10'000;

inline constexpr int sleepers = 1'000'000;
inline constexpr std::chrono::seconds arming{4};        // all sleep before the first wakes
inline constexpr std::chrono::seconds slow_arming{20};  // Python and Go need longer to start them

/// When sleeper `number` wakes, counted from the start: a permutation of the microseconds of one
/// second.
constexpr std::chrono::microseconds wakes_after(int number) {
  constexpr std::int64_t stride = 7'919;  // a prime that does not divide the number of sleepers
  return arming + std::chrono::microseconds(number * stride % sleepers);
}

}  // namespace timer_loop
