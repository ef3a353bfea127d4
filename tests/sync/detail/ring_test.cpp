#include <weft/sync/detail/ring.h>

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>
#include <utility>

namespace weft::detail {
namespace {

static_assert(storable<int> && storable<std::unique_ptr<int>>);
static_assert(!storable<int&> && !storable<void>);
struct throwing_move {
  throwing_move(throwing_move&&) noexcept(false) {}
};
static_assert(!storable<throwing_move>);

TEST(Ring, Empty_OwnsNoMemory) {
  ring<int> empty;
  EXPECT_TRUE(empty.empty());
  EXPECT_FALSE(empty.has_room());
}

TEST(Ring, Items_LeaveInOrderWhileItGrowsAndWraps) {
  ring<std::unique_ptr<int>> items;
  std::deque<int> expected;
  std::mt19937 random(1);
  int next = 0;
  for (int step = 0; step < 10'000; ++step) {
    if (random() % 5 < 3 || expected.empty()) {
      items.grow();
      items.push_back(std::make_unique<int>(next));
      expected.push_back(next++);
    } else {
      EXPECT_EQ(*items.front(), expected.front());
      EXPECT_EQ(*items.pop_front(), expected.front());
      expected.pop_front();
    }
    ASSERT_EQ(items.size(), expected.size());
  }
}

TEST(Ring, Reserve_RoundsUpToAPowerOfTwoAndNeverShrinks) {
  ring<int> items;
  items.reserve(5);
  for (int i = 0; i < 8; ++i) {
    EXPECT_TRUE(items.has_room());
    items.push_back(std::move(i));
  }
  EXPECT_FALSE(items.has_room());
  items.reserve(1);
  EXPECT_EQ(items.size(), 8u);
}

TEST(Ring, Destructor_DestroysWhatIsLeft) {
  auto shared = std::make_shared<int>(1);
  {
    ring<std::shared_ptr<int>> items;
    for (int i = 0; i < 10; ++i) {
      items.grow();
      items.push_back(std::shared_ptr<int>(shared));
    }
    items.drop_front();
    EXPECT_EQ(shared.use_count(), 10);
  }
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(Ring, Swap_ExchangesTheItems) {
  ring<int> a;
  ring<int> b;
  a.grow();
  a.push_back(1);
  a.swap(b);
  EXPECT_TRUE(a.empty());
  EXPECT_EQ(b.pop_front(), 1);
}

}  // namespace
}  // namespace weft::detail
