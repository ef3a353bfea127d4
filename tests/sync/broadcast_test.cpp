#include "every_runtime.h"
#include <weft/runtime/select.h>
#include <weft/sync/broadcast.h>
#include <weft/sync/event.h>

#include <gtest/gtest.h>

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

constinit broadcast<int> made_before_main(2);
constinit broadcast<int> closed_before_use(2);

class Broadcast : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Broadcast, every_kind(), name_of);

task<std::optional<int>> receive(broadcast<int>::receiver& by) {
  const std::optional<int> item = co_await by.recv();
  co_return item;
}

TEST(BroadcastCapacity, None_Throws) {
  EXPECT_THROW(broadcast<int>(0), std::invalid_argument);
}

TEST_P(Broadcast, Item_ReachesEveryReceiver) {
  run([]() -> task<> {
    broadcast<std::string> news(4);
    EXPECT_EQ(news.send("nobody listens"), 0u);
    auto first = news.subscribe();
    auto second = news.subscribe();
    EXPECT_EQ(news.send("a"), 2u);
    auto late = news.subscribe();
    EXPECT_EQ(news.send("b"), 3u);

    for (auto* each : {&first, &second}) {
      std::optional<std::string> item = co_await each->recv();
      EXPECT_EQ(item, "a");
      item = co_await each->recv();
      EXPECT_EQ(item, "b");
    }
    const std::optional<std::string> item = co_await late.recv();
    EXPECT_EQ(item, "b");
  });
}

TEST_P(Broadcast, WaitingReceivers_AreAllWoken) {
  run([]() -> task<> {
    broadcast<int> news(1);
    auto a = news.subscribe();
    auto b = news.subscribe();
    auto first = co_await spawn_waiting(receive, std::ref(a));
    auto second = co_await spawn_waiting(receive, std::ref(b));

    EXPECT_EQ(news.send(1), 2u);
    EXPECT_EQ(news.send(2), 2u);

    EXPECT_EQ(co_await first, 1);
    EXPECT_EQ(co_await second, 1);
    const std::optional<int> item = co_await a.recv();
    EXPECT_EQ(item, 2);
  });
}

TEST_P(Broadcast, SlowReceiver_IsToldHowManyItMissed) {
  run([]() -> task<> {
    broadcast<int> news(2);
    auto slow = news.subscribe();
    for (int i = 0; i < 5; ++i) news.send(i);

    std::uint64_t missed = 0;
    try {
      (void)co_await slow.recv();
    } catch (const lagged_error& error) {
      missed = error.missed;
    }
    EXPECT_EQ(missed, 3u);
    std::optional<int> item = co_await slow.recv();
    EXPECT_EQ(item, 3);
    item = co_await slow.recv();
    EXPECT_EQ(item, 4);
  });
}

TEST_P(Broadcast, Close_EndsTheStreamAfterItsLastItem) {
  run([]() -> task<> {
    broadcast<int> news(2);
    auto receiver = news.subscribe();
    auto waiting = news.subscribe();
    auto waiter = co_await spawn_waiting(receive, std::ref(waiting));
    news.send(1);
    EXPECT_EQ(co_await waiter, 1);
    waiter = co_await spawn_waiting(receive, std::ref(waiting));

    news.close();

    EXPECT_EQ(news.send(2), 0u);
    EXPECT_EQ(co_await waiter, std::nullopt);
    std::optional<int> item = co_await receiver.recv();
    EXPECT_EQ(item, 1);
    item = co_await receiver.recv();
    EXPECT_EQ(item, std::nullopt);
  });
}

TEST_P(Broadcast, ReceiverThatIsGone_IsNotCounted) {
  run([]() -> task<> {
    broadcast<int> news(2);
    auto first = news.subscribe();
    {
      auto second = news.subscribe();
      EXPECT_EQ(news.send(1), 2u);
      first = std::move(second);
    }
    EXPECT_EQ(news.send(2), 1u);
    co_return;
  });
}

TEST_P(Broadcast, LosingReceiveOfASelect_LeavesTheItem) {
  run([]() -> task<> {
    broadcast<int> news(2);
    auto receiver = news.subscribe();
    event ready;
    auto selecting = co_await spawn_waiting([&]() -> task<std::size_t> {
      auto first = co_await select(receiver.recv(), ready.wait());
      co_return first.index();
    });

    ready.set();
    news.send(1);

    EXPECT_EQ(co_await selecting, 1u);
    const std::optional<int> item = co_await receiver.recv();
    EXPECT_EQ(item, 1);
  });
}

TEST_P(Broadcast, ManyReceivers_GetEverythingInOrder) {
  run([]() -> task<> {
    std::optional<broadcast<int>> news(1024);
    std::vector<join_handle<>> tasks;
    for (int i = 0; i < 8; ++i) {
      tasks.push_back(spawn(
          [](broadcast<int>::receiver receiver) -> task<> {
            int expected = 0;
            for (;;) {
              const std::optional<int> item = co_await receiver.recv();
              if (!item) break;
              EXPECT_EQ(*item, expected++);
            }
            EXPECT_EQ(expected, 1000);
          },
          news->subscribe()));
    }
    for (int item = 0; item < 1000; ++item) {
      news->send(item);
      if (item % 10 == 0) co_await yield();
    }
    news.reset();
    for (auto& each : tasks) co_await each;
  });
}

TEST(BroadcastBeforeMain, GlobalOne_IsConstantInitialised) {
  test_runtime().run([]() -> task<> {
    EXPECT_EQ(made_before_main.send(0), 0u);
    auto receiver = made_before_main.subscribe();
    EXPECT_EQ(made_before_main.send(7), 1u);

    const std::optional<int> item = co_await receiver.recv();

    EXPECT_EQ(item, 7);
  });
}

TEST(BroadcastBeforeMain, GlobalOneThatIsClosedFirst_IsClosed) {
  closed_before_use.close();

  test_runtime().run([]() -> task<> {
    auto receiver = closed_before_use.subscribe();
    const std::optional<int> item = co_await receiver.recv();

    EXPECT_FALSE(item.has_value());
  });
}

}  // namespace
}  // namespace weft::testing
