// free:      one task locks and unlocks a mutex that nobody else wants. Per lock.
// contended: four tasks take turns; each lets the others run while it holds the lock, so every
//            lock() waits. Per lock.
#pragma once

#include <cstdint>

namespace mutex_loop {

inline constexpr int free_locks = 10'000;

inline constexpr int tasks = 4;
inline constexpr int locks_each = 10'000;
inline constexpr std::int64_t contended_locks = std::int64_t{tasks} * locks_each;

}  // namespace mutex_loop
