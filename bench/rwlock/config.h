// read:      one task takes and gives back the lock for reading. Per lock.
// contended: six tasks; every tenth lock is for writing, and each lets the others run while it
//            holds it. Per lock.
#pragma once

namespace rwlock_loop {

inline constexpr int free_locks = 10'000;
inline constexpr int tasks = 6;
inline constexpr int locks_each = 10'000;
inline constexpr int write_every = 10;

}  // namespace rwlock_loop
