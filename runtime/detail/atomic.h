#pragma once

#include <atomic>

namespace weft::detail {

/// The atomics of the lock-free parts. std::atomic here; a model checker may put its own in this
/// place, so that the production code itself runs under it. Components with a protocol worth
/// checking name no other atomic type.
template <class T>
using atomic = std::atomic<T>;

/// Two cache lines: what one prefetch unit touches, so that neighbours do not share by accident.
inline constexpr std::size_t cache_line = 64;

/// A hint inside short spin loops. Any thread; no effect on memory.
inline void cpu_relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace weft::detail
