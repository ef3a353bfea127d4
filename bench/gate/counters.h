// Counts what the process asks of the C library.
#pragma once

#include <cstdint>

namespace gate {

struct counters {
  std::uint64_t allocations;  // calls of malloc and its relatives
  std::uint64_t clock_reads;  // calls of clock_gettime, most of which are no system calls
};

/// So far, by whatever code and thread.
counters count() noexcept;

}  // namespace gate
