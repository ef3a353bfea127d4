// Items whose move may throw, in all that carries items.

#include "../every_runtime.h"
#include <weft/runtime/select.h>
#include <weft/sync/channel.h>
#include <weft/sync/detail/boxed.h>
#include <weft/sync/oneshot.h>
#include <weft/sync/queue.h>

#include <gtest/gtest.h>

#include <cstddef>
#include <deque>
#include <optional>
#include <stdexcept>
#include <utility>
#include <variant>
#include <vector>

namespace weft::testing {
namespace {

/// Has no move: it is copied. The copy throws when it was told to.
struct copied_only {
  explicit copied_only(int with) : value(with) {}
  copied_only(const copied_only& other) : value(other.value) {
    if (value < 0) throw std::runtime_error("cannot be copied");
  }
  copied_only& operator=(const copied_only&) = default;
  ~copied_only() = default;
  bool operator<(const copied_only& other) const { return value < other.value; }
  int value;
};
static_assert(!detail::storable<copied_only>);
static_assert(detail::carried<copied_only> && detail::carried<std::deque<int>>);
static_assert(!detail::carried<int&>);

class Boxed : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Boxed, every_kind(), name_of);

TEST_P(Boxed, QueueItems_ArriveInOrder) {
  run([]() -> task<> {
    queue<copied_only> items(2);
    auto getting = co_await spawn_waiting([&]() -> task<std::vector<int>> {
      std::vector<int> values;
      for (int i = 0; i < 4; ++i) {
        const copied_only item = co_await items.get();
        values.push_back(item.value);
      }
      co_return values;
    });

    for (int i = 0; i < 4; ++i) co_await items.put(copied_only(i));
    const std::vector<int> got = co_await getting;

    EXPECT_EQ(got, (std::vector<int>{0, 1, 2, 3}));
  });
}

TEST(BoxedQueue, ItemThatDoesNotFit_StaysWithTheCaller) {
  queue<std::deque<int>> items(1);
  std::deque<int> first{1};
  std::deque<int> second{2};

  EXPECT_TRUE(items.try_put(std::move(first)));
  EXPECT_FALSE(items.try_put(std::move(second)));
  EXPECT_THROW(items.put_nowait({3}), queue_full);

  EXPECT_EQ(second, std::deque<int>{2});
  EXPECT_EQ(items.get_nowait(), std::deque<int>{1});
  EXPECT_EQ(items.try_get(), std::nullopt);
}

TEST(BoxedQueue, ItemWhoseMoveThrows_IsNotPut) {
  queue<copied_only> items;

  EXPECT_THROW((void)items.put(copied_only(-1)), std::runtime_error);
  EXPECT_THROW(items.put_nowait(copied_only(-1)), std::runtime_error);

  EXPECT_TRUE(items.empty());
}

TEST(BoxedQueue, OtherOrders_HoldToo) {
  priority_queue<copied_only> smallest;
  lifo_queue<copied_only> newest;
  for (const int value : {2, 1, 3}) {
    smallest.put_nowait(copied_only(value));
    newest.put_nowait(copied_only(value));
  }

  EXPECT_EQ(smallest.get_nowait().value, 1);
  EXPECT_EQ(newest.get_nowait().value, 3);
}

TEST_P(Boxed, ChannelItems_ArriveAndEnd) {
  run([]() -> task<> {
    channel<copied_only> items(1);
    auto sending = spawn([&]() -> task<> {
      for (int i = 0; i < 3; ++i) {
        const bool sent = co_await items.send(copied_only(i));
        EXPECT_TRUE(sent);
      }
      items.close();
    });
    std::vector<int> got;

    while (const std::optional<copied_only> item = co_await items.recv())
      got.push_back(item->value);
    co_await sending;

    EXPECT_EQ(got, (std::vector<int>{0, 1, 2}));
  });
}

TEST_P(Boxed, ChannelItemThatIsNotSent_StaysWithTheCaller) {
  run([]() -> task<> {
    channel<std::deque<int>> items(1);
    std::deque<int> item{1};

    EXPECT_TRUE(items.try_send(std::deque<int>{0}));
    EXPECT_FALSE(items.try_send(std::move(item)));
    EXPECT_EQ(item, std::deque<int>{1});
    items.close();
    const bool sent = co_await items.send(std::move(item));

    EXPECT_FALSE(sent);
    EXPECT_EQ(item, std::deque<int>{1});
    EXPECT_EQ(items.try_recv(), std::deque<int>{0});
    EXPECT_EQ(items.try_recv(), std::nullopt);
  });
}

TEST_P(Boxed, SelectOverChannels_TakesOneItem) {
  run([]() -> task<> {
    channel<copied_only> one(1);
    channel<copied_only> other(1);
    one.try_send(copied_only(1));
    other.try_send(copied_only(2));

    const auto first = co_await select(one.recv(), other.recv());

    EXPECT_EQ(first.index(), 0u);
    EXPECT_EQ(std::get<0>(first)->value, 1);
    EXPECT_EQ(one.size(), 0u);
    EXPECT_EQ(other.size(), 1u);
  });
}

TEST_P(Boxed, OneshotValue_ArrivesOnce) {
  run([]() -> task<> {
    oneshot<copied_only> answer;
    auto waiting = co_await spawn_waiting([&]() -> task<int> {
      const std::optional<copied_only> value = co_await answer.recv();
      co_return value->value;
    });

    EXPECT_TRUE(answer.send(copied_only(7)));
    EXPECT_FALSE(answer.send(copied_only(8)));
    const int got = co_await waiting;

    EXPECT_EQ(got, 7);
  });
}

}  // namespace
}  // namespace weft::testing
