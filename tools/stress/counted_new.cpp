// operator new that counts, behind live_bytes(): the memory of an epoch must be back at its end.
//
// Counted is what malloc really gave, so that a delete without a size subtracts the same. The
// counter is cut into shards, for allocations on several threads would else meet on one line.

#include "process_state.h"

#include <atomic>
#include <cstdlib>
#include <new>

#include <malloc.h>

namespace weft::stress {

namespace {

struct alignas(64) shard {
  //   written by  the threads of the shard; read by live_bytes(); relaxed: exact at rest
  std::atomic<std::int64_t> bytes{0};
};
constinit shard shards[32];
constinit std::atomic<std::size_t> threads{0};

[[gnu::noinline]] std::atomic<std::int64_t>& own_shard() noexcept {
  static thread_local constinit std::size_t mine = 0;
  if (mine == 0) mine = threads.fetch_add(1, std::memory_order_relaxed) % std::size(shards) + 1;
  return shards[mine - 1].bytes;
}

void count(const void* block) noexcept {
  own_shard().fetch_add(static_cast<std::int64_t>(::malloc_usable_size(const_cast<void*>(block))),
                        std::memory_order_relaxed);
}
void uncount(const void* block) noexcept {
  own_shard().fetch_sub(static_cast<std::int64_t>(::malloc_usable_size(const_cast<void*>(block))),
                        std::memory_order_relaxed);
}

}  // namespace

std::int64_t live_bytes() noexcept {
  std::int64_t total = 0;
  for (const shard& each : shards) total += each.bytes.load(std::memory_order_relaxed);
  return total;
}

#ifdef WEFT_TSAN

// It has operators of its own, which cannot be replaced, and tells of each allocation.
extern "C" int __sanitizer_install_malloc_and_free_hooks(
    void (*allocated)(const volatile void* block, std::size_t bytes),
    void (*freed)(const volatile void* block));

[[maybe_unused]] static const int installed = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void* block, std::size_t) { count(const_cast<const void*>(block)); },
    [](const volatile void* block) { uncount(const_cast<const void*>(block)); });

}  // namespace weft::stress

#else

static void* counted(void* block) {
  if (block == nullptr) throw std::bad_alloc();
  count(block);
  return block;
}

static void* allocate(std::size_t bytes) {
  return counted(std::malloc(bytes == 0 ? 1 : bytes));
}

static void* allocate(std::size_t bytes, std::align_val_t alignment) {
  const auto step = static_cast<std::size_t>(alignment);
  return counted(std::aligned_alloc(step, (bytes + step - 1) / step * step));
}

static void release(void* block) noexcept {
  if (block == nullptr) return;
  uncount(block);
  std::free(block);
}

}  // namespace weft::stress

void* operator new(std::size_t bytes) {
  return weft::stress::allocate(bytes);
}
void* operator new[](std::size_t bytes) {
  return weft::stress::allocate(bytes);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return weft::stress::allocate(bytes, alignment);
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return weft::stress::allocate(bytes, alignment);
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return weft::stress::allocate(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new[](std::size_t bytes, const std::nothrow_t& nothrow) noexcept {
  return operator new(bytes, nothrow);
}
void operator delete(void* block) noexcept {
  weft::stress::release(block);
}
void operator delete[](void* block) noexcept {
  weft::stress::release(block);
}
void operator delete(void* block, std::size_t) noexcept {
  weft::stress::release(block);
}
void operator delete[](void* block, std::size_t) noexcept {
  weft::stress::release(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
  weft::stress::release(block);
}
void operator delete[](void* block, std::align_val_t) noexcept {
  weft::stress::release(block);
}
void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
  weft::stress::release(block);
}
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept {
  weft::stress::release(block);
}

#endif
