// A thread outside of the runtime starts tasks, then waits for all of them. Per task.
//   idle:  the runtime has nothing else to do
//   busy:  meanwhile some tasks compute for 10 us and yield, again and again
//   chain: not remote: each task starts its successor; the outside waits for the last one
#pragma once

namespace spawn_remote {

inline constexpr int tasks = 10'000;
inline constexpr int busy_tasks = 8;
inline constexpr int busy_us = 10;
inline constexpr int chain = 1'000;

}  // namespace spawn_remote
