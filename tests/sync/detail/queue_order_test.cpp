#include <weft/sync/detail/queue_order.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <utility>
#include <vector>

namespace weft::detail {
namespace {

using ::testing::ElementsAre;

template <class Order>
std::vector<int> through(Order& order, std::vector<int> items) {
  for (int& item : items) {
    order.grow();
    order.push(std::move(item));
  }
  std::vector<int> out;
  while (order.size() > 0) out.push_back(order.pop());
  return out;
}

TEST(QueueOrder, Fifo_GivesTheOldest) {
  fifo_order<int> order;
  EXPECT_THAT(through(order, {2, 3, 1}), ElementsAre(2, 3, 1));
}

TEST(QueueOrder, Lifo_GivesTheNewest) {
  lifo_order<int> order;
  EXPECT_THAT(through(order, {2, 3, 1}), ElementsAre(1, 3, 2));
}

TEST(QueueOrder, Priority_GivesTheSmallest) {
  priority_order<int, std::less<>> order;
  std::vector<int> items(1000);
  std::mt19937 random(1);
  for (int& item : items) item = static_cast<int>(random() % 100);
  std::vector<int> sorted = items;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(through(order, items), sorted);
}

TEST(QueueOrder, EqualPriorities_KeepTheirOrder) {
  struct tens {
    bool operator()(int a, int b) const noexcept { return a / 10 < b / 10; }
  };
  priority_order<int, tens> order;
  EXPECT_THAT(through(order, {19, 5, 11, 3, 15, 9}), ElementsAre(5, 3, 9, 19, 11, 15));
}

TEST(QueueOrder, Swap_ExchangesTheItems) {
  priority_order<int, std::less<>> a;
  priority_order<int, std::less<>> b;
  a.grow();
  a.push(1);
  a.swap(b);
  EXPECT_EQ(a.size(), 0u);
  EXPECT_EQ(b.pop(), 1);
}

}  // namespace
}  // namespace weft::detail
