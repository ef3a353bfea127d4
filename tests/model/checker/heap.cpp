#include "heap.h"

#include "execution.h"
#include "memory.h"
#include "race_detector.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include <sys/mman.h>

namespace weft::model {

namespace heap {
namespace {

// In front of each block.
struct header {
  std::uint32_t bytes;
  std::uint32_t execution;  // in which it was allocated
  std::uint16_t live;
  std::uint16_t alignment;
  std::uint32_t offset;  // of the block before this one that was allocated
};
static_assert(sizeof(header) == 16);

constexpr std::size_t total_bytes = stack_bytes * threads_max + arena_bytes;

std::byte* region() noexcept {
  static std::byte* const mapped = [] {
    void* memory = ::mmap(nullptr, total_bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    return static_cast<std::byte*>(memory);
  }();
  return mapped;
}
std::byte* arena() noexcept {
  return region() + stack_bytes * threads_max;
}

std::size_t used = 0;
std::uint32_t last_offset = 0;  // of the newest block's header; 0 is none, for `used` begins at 16
std::uint32_t execution_number = 0;

header& header_of(void* block) noexcept {
  return *reinterpret_cast<header*>(static_cast<std::byte*>(block) - sizeof(header));
}

}  // namespace

std::byte* stack_of(unsigned thread) noexcept {
  return region() + thread * stack_bytes;
}

void reset() noexcept {
  used = 16;
  last_offset = 0;
  ++execution_number;
}

std::ptrdiff_t offset_of(const void* address) noexcept {
  const auto distance = static_cast<std::size_t>(reinterpret_cast<std::uintptr_t>(address) -
                                                 reinterpret_cast<std::uintptr_t>(region()));
  return distance < total_bytes ? static_cast<std::ptrdiff_t>(distance) : -1;
}

std::size_t region_bytes() noexcept {
  return total_bytes;
}

void* allocate(std::size_t bytes, std::size_t alignment) noexcept {
  if (alignment < 16) alignment = 16;
  const std::size_t begin = (used + sizeof(header) + alignment - 1) / alignment * alignment;
  if (begin + bytes > arena_bytes) execution::fail("the model allocates too much");
  used = begin + bytes;
  std::byte* block = arena() + begin;
  std::memset(block, 0, bytes);
  header_of(block) = {static_cast<std::uint32_t>(bytes), execution_number, 1,
                      static_cast<std::uint16_t>(alignment), last_offset};
  last_offset = static_cast<std::uint32_t>(begin - sizeof(header));
  return block;
}

bool owns(const void* block) noexcept {
  return offset_of(block) >= 0;
}

void release(void* block) noexcept {
  header& released = header_of(block);
  if (released.execution != execution_number || !execution::inside()) return;  // a former one's
  if (released.live == 0) execution::fail("freed twice");
  released.live = 0;
  memory::free(block, released.bytes);
  race_detector::free(block, released.bytes);
}

void for_each_block(std::size_t alignment, void (*visit)(void* context, void* block),
                    void* context) {
  execution::opaque();
  const memory::walk among_freed;
  for (std::uint32_t offset = last_offset; offset != 0;) {
    auto& each = *reinterpret_cast<header*>(arena() + offset);
    if (each.alignment == alignment) visit(context, &each + 1);
    offset = each.offset;
  }
}

leak leaked() noexcept {
  leak found;
  for (std::uint32_t offset = last_offset; offset != 0;) {
    const auto& each = *reinterpret_cast<const header*>(arena() + offset);
    if (each.live != 0) {
      ++found.blocks;
      found.first_bytes = each.bytes;
    }
    offset = each.offset;
  }
  return found;
}

}  // namespace heap

namespace {

void* allocate_anywhere(std::size_t bytes, std::size_t alignment) {
  if (execution::inside()) return heap::allocate(bytes, alignment);
  void* memory = alignment <= 16 ? std::malloc(bytes == 0 ? 1 : bytes)
                                 : std::aligned_alloc(
                                       alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void release_anywhere(void* block) noexcept {
  if (block == nullptr) return;
  if (heap::owns(block)) {
    heap::release(block);
  } else {
    std::free(block);
  }
}

}  // namespace
}  // namespace weft::model

void* operator new(std::size_t bytes) {
  return weft::model::allocate_anywhere(bytes, 16);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return weft::model::allocate_anywhere(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* block) noexcept {
  weft::model::release_anywhere(block);
}
void operator delete(void* block, std::size_t) noexcept {
  weft::model::release_anywhere(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
  weft::model::release_anywhere(block);
}
void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
  weft::model::release_anywhere(block);
}
