// One task wakes all that wait for the same thing, yields, and wakes them again: a fan-out. Per
// wake-up.
#pragma once

namespace notify_loop {

inline constexpr int waiter_counts[] = {10, 50, 100, 500};
inline constexpr int wakeups = 50'000;

}  // namespace notify_loop
