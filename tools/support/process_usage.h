#pragma once

#include <chrono>
#include <cstdint>

#include <sys/types.h>

namespace weft::tools {

/// What a process has used so far, as Linux's /proc tells it.
struct process_usage {
  std::chrono::nanoseconds cpu{0};     // of user and kernel, in steps of a clock tick (10 ms)
  std::uint64_t context_switches = 0;  // of its threads, voluntary and not
  std::int64_t resident_bytes = 0;     // its own memory, not that of mapped files
};

/// Throws std::runtime_error if there is no such process.
[[nodiscard]] process_usage usage_of(pid_t process);

}  // namespace weft::tools
