#pragma once

// What the production sources get instead of std::atomic and its like: runtime/detail/atomic.h
// includes this when it is compiled for the checker.

#include "atomic.h"
#include "execution.h"
#include "threads.h"

#include <cstddef>
#include <cstdint>

namespace weft::detail {

inline void cpu_relax() noexcept {
  model::execution::spin();
}
inline void yield_thread() noexcept {
  model::execution::spin();
}

/// Both barriers of a store-load race are a read-modify-write of one word here: one of two threads
/// comes second, and sees what the first one wrote before.
inline constinit atomic<unsigned> barrier_word{0};
inline void light_barrier() noexcept {
  barrier_word.fetch_add(1, std::memory_order_seq_cst);  // seq_cst: as a full barrier
}

/// Small enough that every bound is met within a few operations.
namespace sizes {
inline constexpr std::uint64_t ready_ring = 3;
inline constexpr std::int64_t forks = 2;
inline constexpr std::size_t source_chunk = 2;
inline constexpr std::size_t source_chunks = 2;
}  // namespace sizes

}  // namespace weft::detail
