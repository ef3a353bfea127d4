#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::detail {

struct task_state;

/// Memory of coroutine frames.
///
/// A frame lives in a *block*: the header of its task (task_state, 64 bytes, meaningful only in
/// spawned tasks), then the result, then the compiler's frame. Blocks come in size classes of 64
/// bytes up to 1 KiB and then sixteen to a doubling (a connection with a buffer of 4 KiB in its
/// frame takes 4.5 KiB, not 8). Each thread keeps a free list a class, so that allocation is a pop
/// and release a push, without an atomic operation. A list that grows past its bound hands half of
/// it to a central list under a lock, from which threads that run dry refill: work spawned on one
/// worker and finished on another moves memory in batches, not block by block.
///
/// Blocks are cut from 64 KiB slabs that are never returned while the process lives, and the header
/// of a block is never overwritten by frame contents or free lists. So memory of a finished task
/// still reads as "no task", and all tasks of the process can be found by walking the slabs: spawn
/// and completion pay nothing for all_tasks() or for shutdown.
///
/// Rejected: plain mimalloc (2-4 ns more a pair, and no walk); an owner thread for each block with
/// remote-free stacks (an atomic operation for each frame that finishes elsewhere, for no gain over
/// batches).
///
/// Threads: all functions from any thread. Bound: a thread caches at most 64 KiB a class.
/// Under AddressSanitizer the frame part of free blocks is poisoned, so that use after free is
/// still found.
namespace frame_pool {

/// At least `bytes`, which are more than the header, aligned to 64. The first sizeof(task_state)
/// bytes keep what they held (zero in new memory). Throws out_of_memory, a std::bad_alloc.
[[nodiscard]] void* allocate(std::size_t bytes);
void release(void* block, std::size_t bytes) noexcept;

/// The size class of a request, for a holder that forgets the size.
std::uint8_t class_of(std::size_t bytes) noexcept;
void release_class(void* block, std::uint8_t size_class) noexcept;

/// What the process holds, for the ledger: live blocks and their bytes. Exact when nothing runs.
struct usage {
  std::int64_t blocks;
  std::int64_t bytes;
};
usage take_usage() noexcept;

/// Does this lie in the pool's memory? Looks through all slabs: for diagnosis.
bool owns(const void* frame) noexcept;

/// Calls visit(context, block header) for each block of the process, live or not. The headers may
/// change meanwhile: visitors look at their atomics only, and pin a task before they read more.
void for_each_block(void (*visit)(void* context, task_state& header), void* context);

/// How far a walk in several parts has come.
struct walk {
  std::size_t passed = 0;       // blocks of the slabs
  const void* large = nullptr;  // the last of the large ones
};
/// As for_each_block, from `at` on, until visit says false. True: there may be more. What stays live
/// from the first part to the last is visited once.
bool visit_blocks(walk& at, bool (*visit)(void* context, task_state& header), void* context);

}  // namespace frame_pool
}  // namespace weft::detail
