#pragma once

// What the lock-free parts are made of. The model checker (tests/model) puts its own in this place,
// so that the production code itself runs under it: components with a protocol worth checking name
// no other atomic type, and wait in no other way.

#include <cstddef>
#include <cstdint>

#if defined(WEFT_MODEL)
#include WEFT_MODEL
#else

#include <atomic>
#include <cstdlib>
#include <new>

#include <sched.h>

namespace weft::detail {

template <class T>
using atomic = std::atomic<T>;

/// A hint inside short spin loops. Any thread; no effect on memory.
inline void cpu_relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Gives the time slice away, in spin loops that have become long.
inline void yield_thread() noexcept {
  ::sched_yield();
}

/// The cheap half of a store-load barrier, for a thread that passes it often. Orders its store and
/// load only against sys::heavy_barrier() of another thread.
inline void light_barrier() noexcept {
  std::atomic_signal_fence(std::memory_order_seq_cst);  // seq_cst: the compiler keeps the order
}

/// Many that hold zero, in memory that is not touched before it is used. Throws std::bad_alloc.
template <class T>
atomic<T>* make_zeroed(std::size_t count) {
  void* const memory = std::calloc(count, sizeof(atomic<T>));
  if (memory == nullptr) throw std::bad_alloc();
  return static_cast<atomic<T>*>(memory);
}
template <class T>
void free_zeroed(atomic<T>* made) noexcept {
  std::free(made);
}

/// Bounds that the checker needs to be tiny.
namespace sizes {
inline constexpr std::uint64_t ready_ring = 16384;  // run_queue
inline constexpr std::int64_t forks = 1024;         // fork_deque
inline constexpr std::size_t source_chunk = 256;    // io_sources allocated at a time
inline constexpr std::size_t source_chunks = 4096;
inline constexpr std::ptrdiff_t group_places = 4;  // task_group: of its first block
inline constexpr int parker_spins = 100;           // 2 to 5 microseconds
}  // namespace sizes

}  // namespace weft::detail

#endif

namespace weft::detail {

/// What two threads write apart from each other lies this far apart.
inline constexpr std::size_t cache_line = 64;

}  // namespace weft::detail
