// Spawn n tasks that return their number, join all of them, add the numbers up. Per task: one
// spawn, one join.
#pragma once

#include <cstdint>

namespace spawn_join {

inline constexpr int task_counts[] = {10, 100, 1'000, 10'000, 100'000, 1'000'000};

constexpr std::int64_t expected_sum(int tasks) {
  return std::int64_t{tasks} * (tasks - 1) / 2;
}

}  // namespace spawn_join
