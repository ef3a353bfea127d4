#pragma once

// Chaos points: the places between the two halves of a hand-shake, where a thread that stands still
// for a moment shows what is wrong with it. On two CPUs such moments are rare, so a stress run
// makes them: its hook yields, spins or sleeps at a point, by seed.
//
// Only in builds with WEFT_CHAOS=ON; everywhere else point() is empty and nothing of this is left.
// The hook may run under any spin lock of the library and on any thread: it takes no lock of ours,
// and touches no task.

#include "atomic.h"

namespace weft::detail::chaos {

#ifdef WEFT_CHAOS

inline constexpr bool is_built_in = true;

using hook_function = void (*)() noexcept;
//   written by  a stress run, before its first runtime and after its last
//   read by     every point; relaxed: no data hangs on it
inline constinit atomic<hook_function> hook{nullptr};

inline void point() noexcept {
  if (const hook_function disturb = hook.load(std::memory_order_relaxed)) disturb();
}

#else

inline constexpr bool is_built_in = false;

inline void point() noexcept {}

#endif

}  // namespace weft::detail::chaos
