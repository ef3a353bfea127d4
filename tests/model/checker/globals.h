#pragma once

// Objects with static storage that a model writes. An execution that fails is abandoned, with
// pointers into its memory in them: they get back what they held before it.
//
// Atomics need none of this: the checker has their values.

#include <cstddef>

namespace weft::model::globals {

/// Before each write of plain memory.
void note_write(const void* address, std::size_t bytes) noexcept;
/// The execution ended well: what it has written stays.
void keep() noexcept;
void restore() noexcept;

}  // namespace weft::model::globals
