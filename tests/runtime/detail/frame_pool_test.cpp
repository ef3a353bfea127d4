#include <weft/runtime/detail/frame_pool.h>
#include <weft/runtime/detail/task_state.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

namespace frame_pool = detail::frame_pool;

/// A block of the pool, given back at the end.
class block {
 public:
  explicit block(std::size_t bytes) : memory_(frame_pool::allocate(bytes)), bytes_(bytes) {}
  block(block&& other) noexcept
      : memory_(std::exchange(other.memory_, nullptr)), bytes_(other.bytes_) {}
  block& operator=(block&&) = delete;
  ~block() {
    if (memory_ != nullptr) frame_pool::release(memory_, bytes_);
  }

  [[nodiscard]] void* memory() const { return memory_; }
  [[nodiscard]] std::byte* bytes() const { return static_cast<std::byte*>(memory_); }
  [[nodiscard]] detail::task_state& header() const {
    return *static_cast<detail::task_state*>(memory_);
  }
  /// Writes to all of the frame part, as a coroutine does.
  void fill() const {
    constexpr std::size_t header_bytes = sizeof(detail::task_state);
    std::memset(bytes() + header_bytes, 0xa5, bytes_ - header_bytes);
  }

 private:
  void* memory_;
  std::size_t bytes_;
};

/// How many blocks exist in the process, in use or free.
std::size_t blocks_that_exist() {
  std::size_t count = 0;
  frame_pool::for_each_block(
      [](void* context, detail::task_state&) { ++*static_cast<std::size_t*>(context); }, &count);
  return count;
}

constexpr std::size_t largest_class_bytes = 16 * 1024;

// ---- Blocks ------------------------------------------------------------------------------------

TEST(FramePool, Blocks_AreAlignedAndApart) {
  std::vector<block> blocks;
  for (const std::size_t bytes :
       {65u, 100u, 128u, 500u, 1024u, 1025u, 2048u, 5120u, 5121u, 16'384u, 16'385u, 100'000u}) {
    for (int i = 0; i < 10; ++i) {
      blocks.emplace_back(bytes);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blocks.back().memory()) % 64, 0u);
      blocks.back().fill();
      EXPECT_EQ(blocks.back().header().life.load(), 0u);  // no neighbour has written here
    }
  }
}

// Blocks come and go between the parts, and what stays is met once.
TEST(FramePool, WalkInParts_MeetsEachBlockThatStaysOnce) {
  std::vector<block> staying;
  for (int i = 0; i < 100; ++i) {
    staying.emplace_back(200);
    staying.emplace_back(20'000);
  }
  std::vector<block> passing;
  std::map<const void*, int> met;
  frame_pool::walk at;
  bool more = true;
  while (more) {
    int left = 7;
    const auto visit = [&](detail::task_state& header) {
      ++met[&header];
      return --left > 0;
    };
    more = frame_pool::visit_blocks(
        at,
        [](void* context, detail::task_state& header) {
          return (*static_cast<decltype(visit)*>(context))(header);
        },
        const_cast<void*>(static_cast<const void*>(&visit)));
    passing.clear();
    for (int i = 0; i < 3; ++i) passing.emplace_back(30'000);
  }

  for (const block& each : staying) EXPECT_EQ(met[each.memory()], 1);
}

TEST(FramePool, ReleasedBlock_IsTheNextOfItsSize) {
  void* first = nullptr;
  {
    const block one(200);
    first = one.memory();
  }
  const block two(200);
  const block other_class(300);

  EXPECT_EQ(two.memory(), first);
  EXPECT_NE(other_class.memory(), first);
}

TEST(FramePool, SizesOfOneClass_ShareTheirBlocks) {
  void* first = nullptr;
  {
    const block one(129);
    first = one.memory();
  }
  const block two(192);

  EXPECT_EQ(two.memory(), first);
  EXPECT_EQ(frame_pool::class_of(129), frame_pool::class_of(192));
  EXPECT_NE(frame_pool::class_of(128), frame_pool::class_of(129));
}

// A walker must find what the last task left: memory of a finished task reads as "no task".
TEST(FramePool, Header_SurvivesTheFreeList) {
  void* memory = frame_pool::allocate(200);
  auto& header = *static_cast<detail::task_state*>(memory);
  header.life.store(0);
  header.runtime = 77;
  frame_pool::release(memory, 200);

  const block again(200);

  ASSERT_EQ(again.memory(), memory);
  EXPECT_EQ(again.header().life.load(), 0u);
  EXPECT_EQ(again.header().runtime, 77);
}

TEST(FramePool, NewMemory_ReadsAsNoTask) {
  std::vector<block> blocks;
  for (int i = 0; i < 2000; ++i) blocks.emplace_back(900);

  for (const block& each : blocks) ASSERT_EQ(each.header().life.load(), 0u);
}

TEST(FramePool, LargeBlocks_AreAtMostAQuarterLargerThanAsked) {
  for (std::size_t bytes = 1025; bytes <= largest_class_bytes; bytes += 61) {
    const auto before = frame_pool::take_usage();
    const block one(bytes);
    const auto held = static_cast<std::size_t>(frame_pool::take_usage().bytes - before.bytes);
    ASSERT_GE(held, bytes);
    ASSERT_LE(held, bytes + bytes / 4);
  }
}

TEST(FramePool, SizeClass_StandsForTheSize) {
  for (std::size_t bytes = 65; bytes <= 40'000; bytes += 61) {
    const std::uint8_t size_class = frame_pool::class_of(bytes);
    void* memory = frame_pool::allocate(bytes);
    frame_pool::release_class(memory, size_class);
  }
  EXPECT_EQ(frame_pool::class_of(largest_class_bytes + 1), frame_pool::class_of(1'000'000));
  EXPECT_NE(frame_pool::class_of(largest_class_bytes), frame_pool::class_of(1'000'000));
}

// ---- Usage -------------------------------------------------------------------------------------

TEST(FramePool, Usage_IsExactAtRest) {
  const frame_pool::usage before = frame_pool::take_usage();
  {
    std::vector<block> blocks;
    for (int i = 0; i < 100; ++i) blocks.emplace_back(200);  // of 256 bytes
    for (int i = 0; i < 10; ++i) blocks.emplace_back(3000);  // of 3 KiB

    const frame_pool::usage during = frame_pool::take_usage();
    EXPECT_EQ(during.blocks - before.blocks, 110);
    EXPECT_EQ(during.bytes - before.bytes, 100 * 256 + 10 * 3072);
  }
  const frame_pool::usage after = frame_pool::take_usage();
  EXPECT_EQ(after.blocks, before.blocks);
  EXPECT_EQ(after.bytes, before.bytes);
}

TEST(FramePool, LargeBlocks_AreCountedAndGivenBackToTheSystem) {
  const frame_pool::usage before = frame_pool::take_usage();
  const std::size_t existed = blocks_that_exist();
  {
    const block one(largest_class_bytes + 1);
    const block two(1'000'000);
    one.fill();
    two.fill();

    const frame_pool::usage during = frame_pool::take_usage();
    EXPECT_EQ(during.blocks - before.blocks, 2);
    EXPECT_EQ(during.bytes - before.bytes,
              static_cast<std::int64_t>(largest_class_bytes) + 1 + 1'000'000);
    EXPECT_EQ(blocks_that_exist(), existed + 2);
  }
  EXPECT_EQ(frame_pool::take_usage().bytes, before.bytes);
  EXPECT_EQ(blocks_that_exist(), existed);
}

TEST(FramePool, LargeBlocks_MayBeReleasedInAnyOrder) {
  std::mt19937_64 random(7);
  std::vector<void*> blocks;
  for (int i = 0; i < 50; ++i) blocks.push_back(frame_pool::allocate(20'000));
  std::shuffle(blocks.begin(), blocks.end(), random);
  const std::int64_t live = frame_pool::take_usage().blocks;

  for (void* each : blocks) frame_pool::release(each, 20'000);

  EXPECT_EQ(frame_pool::take_usage().blocks, live - 50);
}

// ---- Threads -----------------------------------------------------------------------------------

// Work that is spawned here and finished there moves memory in batches and never piles it up.
TEST(FramePoolThreads, BlocksReleasedElsewhere_ComeBack) {
  constexpr std::size_t bytes = 320;
  constexpr int batch = 1000;  // more than a thread caches of this class
  const auto round = [] {
    std::vector<void*> blocks;
    for (int i = 0; i < batch; ++i) blocks.push_back(frame_pool::allocate(bytes));
    std::thread([&] {
      for (void* each : blocks) frame_pool::release(each, bytes);
    }).join();
  };
  round();
  round();
  const std::size_t existed = blocks_that_exist();

  for (int i = 0; i < 50; ++i) round();

  EXPECT_EQ(blocks_that_exist(), existed);
}

TEST(FramePoolThreads, BlocksBeyondTheCacheOfAThread_AreForOthers) {
  constexpr std::size_t bytes = 832;
  constexpr std::size_t cached_max = 64 * 1024 / bytes;
  constexpr std::size_t count = 5000;
  std::vector<block> released;
  for (std::size_t i = 0; i < count; ++i) released.emplace_back(bytes);
  released.clear();  // by this thread, which goes on
  const std::size_t existed = blocks_that_exist();
  std::size_t exist = 0;

  std::thread([&] {
    std::vector<block> taken;
    for (std::size_t i = 0; i < count - cached_max; ++i) taken.emplace_back(bytes);
    exist = blocks_that_exist();
  }).join();

  EXPECT_EQ(exist, existed);
}

TEST(FramePoolThreads, ThreadThatEnds_LeavesItsBlocksToOthers) {
  const auto use_some = [] {
    std::thread([] {
      std::vector<block> blocks;
      for (int i = 0; i < 500; ++i) blocks.emplace_back(700);
    }).join();
  };
  use_some();
  use_some();
  const std::size_t existed = blocks_that_exist();
  const std::int64_t live = frame_pool::take_usage().blocks;

  for (int i = 0; i < 50; ++i) use_some();

  EXPECT_EQ(blocks_that_exist(), existed);
  EXPECT_EQ(frame_pool::take_usage().blocks, live);
}

/// Releases a block when its thread ends, after the pool's own data of the thread is gone.
struct late_release {
  void* held = nullptr;
  ~late_release() {
    if (held == nullptr) return;
    frame_pool::release(held, 200);
    frame_pool::release(frame_pool::allocate(200), 200);
  }
};

TEST(FramePoolThreads, DestructorsOfAnEndingThread_MayStillAllocate) {
  const std::int64_t live = frame_pool::take_usage().blocks;

  for (int i = 0; i < 10; ++i) {
    std::thread([] {
      static thread_local late_release last;  // made before the pool's, so destroyed after it
      last.held = frame_pool::allocate(200);
    }).join();
  }

  EXPECT_EQ(frame_pool::take_usage().blocks, live);
}

TEST(FramePoolThreads, ManyThreadsThatAllocateAndRelease_NeverShareABlock) {
  constexpr std::size_t threads = 3;
  const std::int64_t live = frame_pool::take_usage().blocks;
  std::atomic<bool> shared{false};
  std::vector<std::atomic<void*>> passed(64);  // blocks that change hands
  std::vector<std::thread> running;
  for (std::size_t t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      std::mt19937_64 random(t);
      for (int i = 0; i < 30'000; ++i) {
        const std::size_t bytes = 64 * (1 + random() % 4) + 64;
        void* mine = frame_pool::allocate(bytes);
        auto* mark = reinterpret_cast<std::size_t*>(static_cast<std::byte*>(mine) +
                                                    sizeof(detail::task_state));
        mark[0] = bytes;
        const std::size_t stamp = t * 1'000'000 + static_cast<std::size_t>(i);
        mark[1] = stamp;
        frame_pool::release(frame_pool::allocate(bytes), bytes);
        if (mark[1] != stamp) shared = true;  // the last look: now it is somebody else's
        void* other = passed[random() % passed.size()].exchange(mine);
        if (other == mine) shared = true;
        if (other == nullptr) continue;
        const auto* others = reinterpret_cast<std::size_t*>(static_cast<std::byte*>(other) +
                                                            sizeof(detail::task_state));
        frame_pool::release(other, others[0]);
      }
    });
  }
  for (std::thread& each : running) each.join();
  for (auto& each : passed) {
    void* left = each.load();
    if (left == nullptr) continue;
    const auto* mark =
        reinterpret_cast<std::size_t*>(static_cast<std::byte*>(left) + sizeof(detail::task_state));
    frame_pool::release(left, mark[0]);
  }

  EXPECT_FALSE(shared);
  EXPECT_EQ(frame_pool::take_usage().blocks, live);
}

TEST(FramePoolThreads, Walk_SeesEveryBlockOnceWhileOthersAllocate) {
  std::atomic<bool> over{false};
  std::vector<std::thread> allocating;
  for (int t = 0; t < 2; ++t) {
    allocating.emplace_back([&, t] {
      std::mt19937_64 random(static_cast<std::uint64_t>(t));
      while (!over) {
        std::vector<block> blocks;
        for (int i = 0; i < 50; ++i) blocks.emplace_back(65 + random() % 20'000);
      }
    });
  }
  const block mine(200);

  for (int i = 0; i < 50; ++i) {
    struct walk {
      std::set<const void*> seen;
      std::size_t visits = 0;
      std::uint32_t life = 0;
    } found;
    frame_pool::for_each_block(
        [](void* context, detail::task_state& header) {
          auto& into = *static_cast<walk*>(context);
          into.seen.insert(&header);
          ++into.visits;
          into.life |= header.life.load(std::memory_order_relaxed);
        },
        &found);
    EXPECT_EQ(found.seen.size(), found.visits);
    EXPECT_TRUE(found.seen.contains(mine.memory()));
    EXPECT_EQ(found.life, 0u);  // no task is there
  }
  over = true;
  for (std::thread& each : allocating) each.join();
}

}  // namespace
}  // namespace weft::testing
