#pragma once

// Memory of a model: the stacks of its threads and everything it allocates, in one region.
//
// What a model allocates comes from an arena that only grows during an execution and starts over at
// the next one. So addresses are a function of the decisions, no address is used twice, an access
// after free is always found, and an execution that failed needs no clean-up.

#include <cstddef>
#include <cstdint>

namespace weft::model::heap {

inline constexpr std::size_t stack_bytes = std::size_t{128} << 10;
inline constexpr std::size_t arena_bytes = std::size_t{8} << 20;

/// The stack of a thread of the model.
std::byte* stack_of(unsigned thread) noexcept;

/// Begins an execution with an empty arena.
void reset() noexcept;

/// Is this address part of the region? Its offset then, else -1.
std::ptrdiff_t offset_of(const void* address) noexcept;
std::size_t region_bytes() noexcept;

/// Zeroed memory.
void* allocate(std::size_t bytes, std::size_t alignment) noexcept;
/// True if `block` came from allocate() in this execution or one before.
bool owns(const void* block) noexcept;
void release(void* block) noexcept;
/// Calls visit() for each block that was allocated with this alignment, the oldest last. Those that
/// were released are among them: visit() may look at their atomics, as at memory that is never
/// given back.
void for_each_block(std::size_t alignment, void (*visit)(void* context, void* block),
                    void* context);

/// Allocations that were not released: how many, and how big the first of them is.
struct leak {
  std::size_t blocks = 0;
  std::size_t first_bytes = 0;
};
leak leaked() noexcept;

}  // namespace weft::model::heap
