#include "deadlock_watch.h"

#include "scheduler.h"

#include <algorithm>

namespace weft::detail {

deadlock_watch::deadlock_watch(scheduler& of, std::chrono::milliseconds patience) noexcept
    : runtime_(of), patience_(patience), since_(std::chrono::steady_clock::now()) {}

std::chrono::nanoseconds deadlock_watch::interval() const noexcept {
  return std::max<std::chrono::nanoseconds>(patience_ / 4, std::chrono::milliseconds(1));
}

bool deadlock_watch::look() noexcept {
  const auto now = std::chrono::steady_clock::now();
  const std::uint64_t steps = runtime_.steps();
  if (steps != steps_) told_ = false;
  const bool still = steps == steps_ && runtime_.stands_still();
  steps_ = steps;
  // The patience begins with a look that has found it so: a single one may come between two of
  // those that it asks for.
  if (!still || !was_still_) since_ = now;
  was_still_ = still;
  if (!still || told_ || now - since_ < patience_) return false;
  told_ = true;
  return true;
}

}  // namespace weft::detail
