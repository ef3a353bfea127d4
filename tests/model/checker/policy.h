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

/// Each thread has a word for the store-load races that it shares with heavy barriers. A light one
/// is a read-modify-write of the own word, a heavy one of those of all others: one of two threads
/// comes second, and sees what the first one wrote before. Two light ones order nothing.
inline constinit atomic<unsigned> barrier_words[model::threads_max] = {};
inline void light_barrier() noexcept {
  // acq_rel: as a full barrier of both.
  barrier_words[model::execution::current()].fetch_add(1, std::memory_order_acq_rel);
}
inline void heavy_barrier() noexcept {
  for (unsigned each = 0; each < model::execution::thread_count(); ++each) {
    if (each == model::execution::current()) continue;
    barrier_words[each].fetch_add(1, std::memory_order_acq_rel);  // acq_rel: as above
  }
}

template <class T>
atomic<T>* make_zeroed(std::size_t count) {
  return new atomic<T>[count];
}
template <class T>
void free_zeroed(atomic<T>* made) noexcept {
  delete[] made;
}

/// Small enough that every bound is met within a few operations.
namespace sizes {
inline constexpr std::uint64_t ready_ring = 3;
inline constexpr std::int64_t forks = 2;
inline constexpr std::size_t source_chunk = 2;
inline constexpr std::size_t source_chunks = 2;
inline constexpr std::ptrdiff_t group_places = 1;
inline constexpr int parker_spins = 0;
}  // namespace sizes

}  // namespace weft::detail
