// malloc, its relatives and clock_gettime, replaced by themselves with a count. The gate's program
// is not linked with another allocator.
#include "counters.h"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <ctime>

#include <dlfcn.h>

// glibc exports its own under these second names.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
}

namespace {

std::atomic<std::uint64_t> allocations{0};
std::atomic<std::uint64_t> clock_reads{0};

void add_one(std::atomic<std::uint64_t>& counter) noexcept {
  counter.fetch_add(1, std::memory_order_relaxed);
}

using clock_function = int (*)(clockid_t, timespec*);

clock_function real_clock() noexcept {
  static const auto found = reinterpret_cast<clock_function>(dlsym(RTLD_NEXT, "clock_gettime"));
  return found;
}

}  // namespace

gate::counters gate::count() noexcept {
  return {allocations.load(std::memory_order_relaxed), clock_reads.load(std::memory_order_relaxed)};
}

extern "C" {

void* malloc(std::size_t size) noexcept {
  add_one(allocations);
  return __libc_malloc(size);
}
void* calloc(std::size_t many, std::size_t size) noexcept {
  add_one(allocations);
  return __libc_calloc(many, size);
}
void* realloc(void* old, std::size_t size) noexcept {
  add_one(allocations);
  return __libc_realloc(old, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  add_one(allocations);
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** result, std::size_t alignment, std::size_t size) noexcept {
  add_one(allocations);
  *result = __libc_memalign(alignment, size);
  return *result == nullptr ? ENOMEM : 0;
}

int clock_gettime(clockid_t which, timespec* now) noexcept {
  add_one(clock_reads);
  return real_clock()(which, now);
}

}  // extern "C"
