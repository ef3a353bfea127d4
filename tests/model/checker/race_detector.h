#pragma once

// Finds accesses to plain memory that are not ordered by happens-before, and accesses to what was
// freed.
//
// The models and the production sources in them are compiled with the instrumentation of the thread
// sanitizer, which calls a function for each load and store; here it calls ours instead of the
// sanitizer's. So every plain field of the production code is checked, and none had to be changed.
//
// Only the region of heap.h is watched (stacks and allocations): globals outlive executions.

#include <cstddef>

namespace weft::model::race_detector {

enum class access : unsigned char { read, write };

/// Begins an execution: all is forgotten.
void reset() noexcept;

/// The running thread touches memory. `where`: a code address, for the report.
void touch(const void* address, std::size_t bytes, access kind, const void* where) noexcept;
/// The memory is gone: a later access is an error, and so is an earlier one that is not ordered
/// before this.
void free(void* address, std::size_t bytes) noexcept;
[[nodiscard]] bool is_freed(const void* address) noexcept;

}  // namespace weft::model::race_detector
