#include <weft/runtime/detail/spin_lock.h>

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace weft::detail {
namespace {

constinit spin_lock global_lock;

TEST(SpinLock, Lock_ExcludesTryLock) {
  spin_lock lock;
  lock.lock();

  EXPECT_FALSE(lock.try_lock());
  lock.unlock();
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
}

TEST(SpinLock, Guard_UnlocksAtItsEnd) {
  {
    const spin_guard guard(global_lock);
    EXPECT_FALSE(global_lock.try_lock());
  }
  EXPECT_TRUE(global_lock.try_lock());
  global_lock.unlock();
}

TEST(SpinLock, Sections_ExcludeEachOther) {
  constexpr int rounds = 20'000;
  spin_lock lock;
  long count = 0;  // guarded by lock
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int k = 0; k < rounds; ++k) {
          const spin_guard guard(lock);
          ++count;
        }
      });
    }
  }

  EXPECT_EQ(count, 4 * rounds);
}

TEST(SpinLock, HolderThatGivesItsCpuAway_IsWaitedFor) {
  spin_lock lock;
  bool done = false;  // guarded by lock
  lock.lock();
  std::jthread waiter([&] {
    const spin_guard guard(lock);
    EXPECT_TRUE(done);
  });

  for (int i = 0; i < 1000; ++i) std::this_thread::yield();
  done = true;
  lock.unlock();
}

}  // namespace
}  // namespace weft::detail
