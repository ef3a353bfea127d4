#pragma once

// Which task holds which lock, where somebody wants to know: debug mode reports a task that ends
// with one, and weft-ps names who is waited for.
//
// Locks have no owner of their own, so it stands in a table of the process. Only tasks of observed
// runtimes get into it (scheduler::observed()); while there is no such runtime a lock pays for one
// load and one branch. A lock that was handed on inside of a guard still counts as its locker's:
// moves are not seen.

#include "atomic.h"

#include <cstddef>

namespace weft::detail {

struct task_state;

namespace held_locks {

#if defined(WEFT_MODEL)  // no runtime of a model is observed

constexpr bool watched() noexcept {
  return false;
}
class watch {
 public:
  explicit watch(bool) noexcept {}
};

#else

/// Observed runtimes.
//   written by  watch
//   read by     who locks; relaxed: what was locked before need not be noted
inline constinit atomic<int> watches{0};

[[nodiscard]] inline bool watched() noexcept {
  return watches.load(std::memory_order_relaxed) != 0;
}

/// While it lives, and if it is wanted, locks are noted.
class watch {
 public:
  explicit watch(bool wanted) noexcept : wanted_(wanted) { count(1); }
  ~watch() { count(-1); }
  watch(const watch&) = delete;
  watch& operator=(const watch&) = delete;

 private:
  void count(int more) const noexcept {
    if (wanted_) watches.fetch_add(more, std::memory_order_relaxed);
  }
  const bool wanted_;
};

#endif

/// The running task has locked it. True: it stands in the table now, until forget(). Any thread,
/// here and below; where memory is short it is not noted.
bool note(const void* lock) noexcept;
void forget(const void* lock) noexcept;

/// Who has noted it; null: nobody. It may be ending: only its address is good for anything.
const task_state* holder_of(const void* lock) noexcept;

/// At the end of a task: forgets what it has noted. How many these were.
std::size_t forget_all_of(const task_state& task) noexcept;

}  // namespace held_locks
}  // namespace weft::detail
