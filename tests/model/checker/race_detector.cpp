#include "race_detector.h"

#include "execution.h"
#include "globals.h"
#include "heap.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <sys/mman.h>

namespace weft::model::race_detector {
namespace {

// The latest accesses of one aligned word of memory. Six are enough for what models do; more evict
// the oldest ones.
struct cell {
  struct entry {
    const void* where;
    std::uint32_t time;
    std::uint8_t thread;
    std::uint8_t bytes;  // one bit each
    access kind;
  };
  static constexpr unsigned entries_max = 6;

  std::uint32_t execution;
  std::uint8_t count;
  std::uint8_t evict;
  std::uint8_t freed;
  entry entries[entries_max];
};

constexpr std::size_t word = 8;
std::uint32_t execution_number = 0;

cell* cells() noexcept {
  static cell* const mapped = [] {
    void* memory =
        ::mmap(nullptr, heap::region_bytes() / word * sizeof(cell), PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    return static_cast<cell*>(memory);
  }();
  return mapped;
}

cell& cell_at(std::size_t index) noexcept {
  cell& found = cells()[index];
  if (found.execution != execution_number) {
    found.execution = execution_number;
    found.count = found.evict = found.freed = 0;
  }
  return found;
}

const char* name_of(access kind) noexcept {
  return kind == access::write ? "write" : "read";
}

[[noreturn]] void report(const cell::entry& other, access kind, const void* where) noexcept {
  execution::fail("data race: " + std::string(name_of(kind)) + " by thread " +
                  std::to_string(execution::current()) + " at " + execution::describe_code(where) +
                  ", not ordered with a " + name_of(other.kind) + " by thread " +
                  std::to_string(other.thread) + " at " + execution::describe_code(other.where));
}

void touch_word(cell& seen, std::uint8_t bytes, access kind, const void* where) noexcept {
  if ((seen.freed & bytes) != 0)
    execution::fail(std::string(name_of(kind)) + " of freed memory at " +
                    execution::describe_code(where));
  const unsigned self = execution::current();
  const vector_clock& clock = execution::clock();
  cell::entry* replaced = nullptr;
  for (unsigned i = 0; i < seen.count; ++i) {
    cell::entry& entry = seen.entries[i];
    const bool ordered = clock.covers(entry.thread, entry.time);
    if (!ordered && (entry.bytes & bytes) != 0 &&
        (kind == access::write || entry.kind == access::write))
      report(entry, kind, where);
    // What is ordered before a write, or a read of our own, need not be remembered.
    if (ordered && (entry.bytes & ~bytes) == 0 &&
        (kind == access::write || (entry.kind == access::read && entry.thread == self)))
      replaced = &entry;
  }
  if (replaced == nullptr) {
    replaced = seen.count < cell::entries_max ? &seen.entries[seen.count++]
                                              : &seen.entries[seen.evict++ % cell::entries_max];
  }
  *replaced = {where, clock.at[self], static_cast<std::uint8_t>(self), bytes, kind};
}

template <class Visit>
void for_each_word(const void* address, std::size_t bytes, Visit visit) noexcept {
  const std::ptrdiff_t offset = heap::offset_of(address);
  if (offset < 0) return;
  auto begin = static_cast<std::size_t>(offset);
  const std::size_t end = begin + bytes;
  while (begin < end) {
    const std::size_t first = begin % word;
    const std::size_t count = std::min(word - first, end - begin);
    visit(cell_at(begin / word), static_cast<std::uint8_t>(((1u << count) - 1) << first));
    begin += count;
  }
}

}  // namespace

void reset() noexcept {
  ++execution_number;
}

void touch(const void* address, std::size_t bytes, access kind, const void* where) noexcept {
  if (!execution::inside()) return;
  if (kind == access::write) globals::note_write(address, bytes);
  for_each_word(address, bytes, [&](cell& seen, std::uint8_t mask) noexcept {
    touch_word(seen, mask, kind, where);
  });
}

void free(void* address, std::size_t bytes) noexcept {
  const void* where = __builtin_return_address(0);
  for_each_word(address, bytes, [&](cell& seen, std::uint8_t mask) noexcept {
    touch_word(seen, mask, access::write, where);
    seen.freed |= mask;
  });
}

bool is_freed(const void* address) noexcept {
  const std::ptrdiff_t offset = heap::offset_of(address);
  if (offset < 0) return false;
  const auto begin = static_cast<std::size_t>(offset);
  return (cell_at(begin / word).freed >> (begin % word) & 1) != 0;
}

}  // namespace weft::model::race_detector
