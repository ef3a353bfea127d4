#include "frame_pool.h"

#include "address_space.h"
#include "atomic.h"
#include "intrusive_list.h"
#include "task_state.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define WEFT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT_ASAN 1
#endif
#endif
#ifdef WEFT_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace weft::detail::frame_pool {
namespace {

constexpr std::size_t header_bytes = sizeof(task_state);
constexpr std::size_t step_bytes = 64;
constexpr std::size_t linear_classes = 16;  // 64, 128 ... 1024
constexpr std::size_t per_doubling = 16;    // then 1088, 1152 ... 2048, 2176
constexpr std::size_t class_count = linear_classes + 4 * per_doubling;  // ... 16 KiB
constexpr std::size_t largest_class_bytes = 16 * 1024;
constexpr std::size_t slab_bytes = 64 * 1024;
constexpr std::size_t cached_bytes_max = 64 * 1024;

constexpr std::uint8_t large_class = 255;

constexpr std::size_t index_of(std::size_t bytes) noexcept {
  if (bytes <= linear_classes * step_bytes) return (bytes + step_bytes - 1) / step_bytes - 1;
  // Sixteen classes from each power of two to the next: beyond `power`, in sixteenths of it.
  const std::size_t power = std::bit_floor(bytes - 1);
  const auto doublings = static_cast<std::size_t>(std::countr_zero(power / 1024));
  return linear_classes + per_doubling * doublings + (bytes - 1 - power) / (power / per_doubling);
}
constexpr std::size_t bytes_of(std::size_t size_class) noexcept {
  if (size_class < linear_classes) return (size_class + 1) * step_bytes;
  const std::size_t beyond = size_class - linear_classes;
  const std::size_t power = std::size_t{1024} << (beyond / per_doubling);
  return power + (beyond % per_doubling + 1) * (power / per_doubling);
}
static_assert(index_of(64) == 0 && index_of(65) == 1 && index_of(1024) == 15 &&
              index_of(1025) == 16);
static_assert(bytes_of(index_of(1025)) == 1088 && bytes_of(index_of(2048)) == 2048 &&
              bytes_of(index_of(2049)) == 2176 && bytes_of(index_of(4097)) == 4352);
static_assert(bytes_of(index_of(largest_class_bytes)) == largest_class_bytes &&
              index_of(largest_class_bytes) == class_count - 1);

/// Lies in the frame part of a free block: behind the header, which must survive.
struct free_block {
  free_block* next;
  // Written in the first block of a batch on a central list only.
  free_block* next_batch;
  std::size_t batch_count;
};
/// Makes a block that nobody uses the first of a list.
free_block* as_free(void* block, free_block* next) noexcept {
  auto* made = ::new (static_cast<void*>(static_cast<std::byte*>(block) + header_bytes)) free_block;
  made->next = next;
  return made;
}
void* as_block(free_block* block) noexcept {
  return static_cast<std::byte*>(static_cast<void*>(block)) - header_bytes;
}

void poison([[maybe_unused]] void* block, [[maybe_unused]] std::size_t bytes) noexcept {
#ifdef WEFT_ASAN
  auto* frame = static_cast<std::byte*>(block) + header_bytes + sizeof(free_block);
  ASAN_POISON_MEMORY_REGION(frame, bytes - header_bytes - sizeof(free_block));
#endif
}
void unpoison([[maybe_unused]] void* block, [[maybe_unused]] std::size_t bytes) noexcept {
#ifdef WEFT_ASAN
  ASAN_UNPOISON_MEMORY_REGION(block, bytes);
#endif
}

struct batch {
  free_block* head = nullptr;
  std::size_t count = 0;
};

/// Batches of one class that no thread holds, chained through their first blocks: release never
/// allocates.
struct batch_list {
  free_block* head = nullptr;

  void push(batch blocks) noexcept {
    blocks.head->batch_count = blocks.count;
    blocks.head->next_batch = head;
    head = blocks.head;
  }
  [[nodiscard]] std::size_t size() const noexcept {
    std::size_t blocks = 0;
    for (const free_block* each = head; each != nullptr; each = each->next_batch)
      blocks += each->batch_count;
    return blocks;
  }
  batch pop() noexcept {
    free_block* first = head;
    if (first == nullptr) return {};
    head = first->next_batch;
    return {first, first->batch_count};
  }
};

/// The lists of one thread.
struct thread_cache : list_node {
  struct list {
    free_block* head = nullptr;
    //   written by  this thread only (load, add, store)
    //   read by     take_usage, any thread
    //   pairing     none; relaxed: a statistic, exact only at rest
    atomic<std::size_t> count{0};

    [[nodiscard]] std::size_t size() const noexcept {
      return count.load(std::memory_order_relaxed);
    }
    void resize(std::size_t size) noexcept { count.store(size, std::memory_order_relaxed); }
  };
  list lists[class_count];

  thread_cache() noexcept;
  ~thread_cache();
  thread_cache(const thread_cache&) = delete;
  thread_cache& operator=(const thread_cache&) = delete;

  void refill(std::size_t size_class);
  void spill(std::size_t size_class) noexcept;
};

/// What all threads share. Never destroyed: frames may die in static destructors.
struct central {
  std::mutex mutex;
  // Guarded by mutex.
  batch_list spare[class_count];
  struct slab {
    std::byte* begin;
    std::size_t block_bytes;
    std::size_t blocks;
  };
  std::vector<slab> slabs;
  // Blocks beyond the largest class, live ones only, and their bytes. In order, so that a walk finds
  // its place again.
  std::map<void*, std::size_t, std::less<>> large;
  intrusive_list<thread_cache> caches;  // a list: a thread that only frees must not allocate
  std::size_t cut[class_count] = {};    // blocks of each class that exist, in use or free
};
central& shared() {
  static central& instance = *new central;
  return instance;
}

thread_cache::thread_cache() noexcept {
  const std::lock_guard lock(shared().mutex);
  shared().caches.push_back(*this);
}

constexpr std::size_t cached_max(std::size_t size_class) noexcept {
  return cached_bytes_max / bytes_of(size_class);
}

constinit thread_local thread_cache* cache_of_thread = nullptr;
// Set when the cache of an ending thread is gone. What its later destructors allocate or free goes
// to a cache that is never destroyed (a few hundred bytes, for the rare thread that does this).
constinit thread_local bool cache_departed = false;
struct cache_owner {
  thread_cache cache;
  cache_owner() { cache_of_thread = &cache; }
  ~cache_owner() {
    cache_of_thread = nullptr;
    cache_departed = true;
  }
  cache_owner(const cache_owner&) = delete;
  cache_owner& operator=(const cache_owner&) = delete;
};

[[gnu::noinline]] thread_cache* make_cache() {
  if (cache_departed) return cache_of_thread = new thread_cache;
  static thread_local cache_owner owner;
  return cache_of_thread = &owner.cache;
}
thread_cache* this_cache() {
  return cache_of_thread != nullptr ? cache_of_thread : make_cache();
}

thread_cache::~thread_cache() {
  const std::lock_guard lock(shared().mutex);
  for (std::size_t c = 0; c < class_count; ++c) {
    if (lists[c].size() > 0) shared().spare[c].push({lists[c].head, lists[c].size()});
  }
  intrusive_list<thread_cache>::unlink(*this);
}

/// Cuts a new slab into blocks. Its headers are zero: "no task".
batch cut_slab(std::size_t size_class) {
  const std::size_t block_bytes = bytes_of(size_class);
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(slab_bytes, slab_bytes));
  if (memory == nullptr) throw out_of_memory("coroutine frames", slab_bytes);
  batch blocks;
  const std::size_t count = slab_bytes / block_bytes;
  for (std::size_t i = count; i-- > 0;) {
    std::byte* block = memory + i * block_bytes;
    std::memset(static_cast<void*>(block), 0, header_bytes);
    blocks.head = as_free(block, blocks.head);
    ++blocks.count;
    poison(block, block_bytes);
  }
  try {
    const std::lock_guard lock(shared().mutex);
    shared().slabs.push_back({memory, block_bytes, count});
    shared().cut[size_class] += count;
  } catch (const std::bad_alloc&) {
    unpoison(memory, slab_bytes);
    std::free(memory);
    throw out_of_memory("coroutine frames", slab_bytes);
  }
  return blocks;
}

void thread_cache::refill(std::size_t size_class) {
  batch blocks;
  {
    const std::lock_guard lock(shared().mutex);
    blocks = shared().spare[size_class].pop();
  }
  if (blocks.head == nullptr) blocks = cut_slab(size_class);
  lists[size_class].head = blocks.head;
  lists[size_class].resize(blocks.count);
}

void thread_cache::spill(std::size_t size_class) noexcept {
  list& blocks = lists[size_class];
  batch given{blocks.head, blocks.size() / 2};
  free_block* last = blocks.head;
  for (std::size_t i = 1; i < given.count; ++i) last = last->next;
  blocks.head = last->next;
  blocks.resize(blocks.size() - given.count);
  last->next = nullptr;
  const std::lock_guard lock(shared().mutex);
  shared().spare[size_class].push(given);
}

void* allocate_large(std::size_t bytes) {
  const std::size_t rounded = (bytes + step_bytes - 1) / step_bytes * step_bytes;
  void* block = std::aligned_alloc(step_bytes, rounded);
  if (block == nullptr) throw out_of_memory("a large coroutine frame", rounded);
  std::memset(block, 0, header_bytes);
  try {
    const std::lock_guard lock(shared().mutex);
    shared().large.emplace(block, bytes);
  } catch (const std::bad_alloc&) {
    std::free(block);
    throw out_of_memory("a large coroutine frame", rounded);
  }
  return block;
}
void release_large(void* block) noexcept {
  {
    const std::lock_guard lock(shared().mutex);
    shared().large.erase(block);
  }
  std::free(block);
}

}  // namespace

void* allocate(std::size_t bytes) {
  assert(bytes > header_bytes && "there is no room behind the header for a free block");
  if (bytes > largest_class_bytes) [[unlikely]]
    return allocate_large(bytes);
  thread_cache* cache = this_cache();
  const std::size_t size_class = index_of(bytes);
  thread_cache::list& blocks = cache->lists[size_class];
  if (blocks.head == nullptr) [[unlikely]]
    cache->refill(size_class);
  free_block* block = blocks.head;
  blocks.head = block->next;
  blocks.resize(blocks.size() - 1);
  unpoison(as_block(block), bytes_of(size_class));
  return as_block(block);
}

void release(void* block, std::size_t bytes) noexcept {
  release_class(block, class_of(bytes));
}

std::uint8_t class_of(std::size_t bytes) noexcept {
  return bytes > largest_class_bytes ? large_class : static_cast<std::uint8_t>(index_of(bytes));
}

void release_class(void* block, std::uint8_t size_class) noexcept {
  if (size_class == large_class) [[unlikely]]
    return release_large(block);
  thread_cache* cache = this_cache();
  thread_cache::list& blocks = cache->lists[size_class];
  blocks.head = as_free(block, blocks.head);
  blocks.resize(blocks.size() + 1);
  poison(block, bytes_of(size_class));
  if (blocks.size() > cached_max(size_class)) [[unlikely]]
    cache->spill(size_class);
}

usage take_usage() noexcept {
  const std::lock_guard lock(shared().mutex);
  usage total{};
  intrusive_list<thread_cache>& caches = shared().caches;
  for (std::size_t c = 0; c < class_count; ++c) {
    std::size_t free_blocks = shared().spare[c].size();
    for (thread_cache* each = caches.front(); each != nullptr; each = caches.after(*each))
      free_blocks += each->lists[c].size();
    const std::int64_t live =
        static_cast<std::int64_t>(shared().cut[c]) - static_cast<std::int64_t>(free_blocks);
    total.blocks += live;
    total.bytes += live * static_cast<std::int64_t>(bytes_of(c));
  }
  for (const auto& block : shared().large) {
    ++total.blocks;
    total.bytes += static_cast<std::int64_t>(block.second);
  }
  return total;
}

bool owns(const void* frame) noexcept {
  const std::less<> before;
  const auto* const byte = static_cast<const std::byte*>(frame);
  const auto lies_in = [&](const void* begin, std::size_t bytes) {
    const auto* const first = static_cast<const std::byte*>(begin);
    return !before(byte, first) && before(byte, first + bytes);
  };
  const std::lock_guard lock(shared().mutex);
  const auto& slabs = shared().slabs;
  const auto& large = shared().large;
  return std::any_of(slabs.begin(), slabs.end(),
                     [&](const auto& each) { return lies_in(each.begin, slab_bytes); }) ||
         std::any_of(large.begin(), large.end(),
                     [&](const auto& each) { return lies_in(each.first, each.second); });
}

bool visit_blocks(walk& at, bool (*visit)(void* context, task_state& header), void* context) {
  const std::lock_guard lock(shared().mutex);
  std::size_t before = 0;  // blocks of the slabs that lie behind us
  for (const central::slab& slab : shared().slabs) {
    while (at.passed < before + slab.blocks) {
      std::byte* const block = slab.begin + (at.passed - before) * slab.block_bytes;
      ++at.passed;
      if (!visit(context, *std::launder(reinterpret_cast<task_state*>(block)))) return true;
    }
    before += slab.blocks;
  }
  const auto& large = shared().large;
  for (auto each = large.upper_bound(at.large); each != large.end(); ++each) {
    at.large = each->first;
    if (!visit(context, *static_cast<task_state*>(each->first))) return true;
  }
  return false;
}

void for_each_block(void (*visit)(void* context, task_state& header), void* context) {
  struct visitor {
    void (*visit)(void* context, task_state& header);
    void* context;
  } each{visit, context};
  walk whole;
  (void)visit_blocks(
      whole,
      [](void* of, task_state& header) {
        auto* self = static_cast<visitor*>(of);
        self->visit(self->context, header);
        return true;
      },
      &each);
}

}  // namespace weft::detail::frame_pool
