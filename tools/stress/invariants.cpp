#include "invariants.h"

#include <array>
#include <iostream>

namespace weft::stress {

std::string_view name_of(invariant which) noexcept {
  static constexpr std::array<std::string_view, invariant_count> names{
      "no-lost-wakeup",       "exactly-once",         "exclusion",
      "permits-conserved",    "items-conserved",      "first-in-first-out",
      "timers-never-early",   "cancellation",         "bytes-intact",
      "nothing-left",         "descriptors-baseline", "threads-baseline",
      "memory-baseline",      "idle-is-idle",         "shutdown-ends",
      "no-unexpected-failure"};
  return names[static_cast<std::size_t>(which)];
}

void violation_log::add(invariant which, std::string_view workload,
                        std::string_view what) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    if (++count_ > kept_max) return;
    kept_.push_back({which, std::string(workload), std::string(what)});
    std::cerr << "\nweft-stress: " << name_of(which) << " violated in " << workload << ": " << what
              << std::endl;
    if (count_ == 1) std::cerr << "weft-stress: replay with: " << replay_ << std::endl;
  } catch (...) {  // out of memory: it is counted, and that fails the run
  }
}

bool violation_log::empty() const {
  return count() == 0;
}

std::vector<violation> violation_log::first() const {
  const std::lock_guard lock(mutex_);
  return kept_;
}

std::uint64_t violation_log::count() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

}  // namespace weft::stress
