// free:      one task takes and gives back a permit that nobody else wants. Per acquire.
// contended: six tasks, five permits, as tokio's own benchmark has it; each lets the others run
//            while it holds one. Per acquire.
#pragma once

namespace semaphore_loop {

inline constexpr int free_acquires = 10'000;
inline constexpr int tasks = 6;
inline constexpr int permits = 5;
inline constexpr int acquires_each = 10'000;

}  // namespace semaphore_loop
