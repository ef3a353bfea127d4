#include <weft/sync/detail/guarded_word.h>

#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

namespace weft::detail {
namespace {

constexpr std::uint32_t flag = 2;
constexpr std::uint32_t other = 4;

TEST(GuardedWord, TakeAndGive_ChangeOneStateToAnother) {
  guarded_word word;
  EXPECT_TRUE(word.take(0, flag));
  EXPECT_FALSE(word.take(0, flag));
  EXPECT_EQ(word.load(), flag);
  EXPECT_TRUE(word.give(flag, 0));
  EXPECT_EQ(word.load(), 0u);
}

TEST(GuardedWord, LockedWord_ChangesOnlyWithTheUnlock) {
  guarded_word word;
  EXPECT_EQ(word.lock(), 0u);
  EXPECT_FALSE(word.take(0, flag));
  EXPECT_EQ(word.load(), 0u);
  word.unlock(flag | other);
  EXPECT_EQ(word.load(), flag | other);
  EXPECT_TRUE(word.give(flag | other, other));
}

TEST(GuardedWord, Lock_ExcludesOtherThreads) {
  guarded_word word;
  int counter = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) {
        const std::uint32_t state = word.lock();
        ++counter;
        word.unlock(state ^ flag);
      }
    });
  }
  for (std::thread& each : threads) each.join();
  EXPECT_EQ(counter, 20000);
  EXPECT_EQ(word.load(), 0u);
}

}  // namespace
}  // namespace weft::detail
