#include "every_runtime.h"
#include <weft/runtime/select.h>
#include <weft/sync/event.h>
#include <weft/sync/oneshot.h>

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace weft::testing {
namespace {

constinit oneshot<int> made_before_main;

class Oneshot : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Oneshot, every_kind(), name_of);

task<std::optional<int>> receive(oneshot<int>& from) {
  const std::optional<int> value = co_await from.recv();
  co_return value;
}

TEST_P(Oneshot, Value_IsReceivedOnce) {
  run([]() -> task<> {
    oneshot<int> answer;
    EXPECT_TRUE(answer.send(42));
    EXPECT_FALSE(answer.send(43));
    EXPECT_TRUE(answer.closed());

    std::optional<int> value = co_await answer.recv();
    EXPECT_EQ(value, 42);
    value = co_await answer.recv();
    EXPECT_EQ(value, std::nullopt);
  });
}

TEST_P(Oneshot, Receiver_WaitsForTheValue) {
  run([]() -> task<> {
    oneshot<int> answer;
    auto first = co_await spawn_waiting(receive, std::ref(answer));
    auto second = co_await spawn_waiting(receive, std::ref(answer));

    EXPECT_TRUE(answer.send(42));

    EXPECT_EQ(co_await first, 42);
    EXPECT_EQ(co_await second, std::nullopt);
  });
}

TEST_P(Oneshot, Close_EndsTheWaitWithoutAValue) {
  run([]() -> task<> {
    oneshot<int> answer;
    auto waiter = co_await spawn_waiting(receive, std::ref(answer));

    answer.close();

    EXPECT_EQ(co_await waiter, std::nullopt);
    EXPECT_FALSE(answer.send(1));
  });
}

TEST_P(Oneshot, RefusedValue_StaysWithTheCaller) {
  run([]() -> task<> {
    oneshot<std::unique_ptr<int>> answer;
    answer.close();
    auto value = std::make_unique<int>(1);
    EXPECT_FALSE(answer.send(std::move(value)));
    EXPECT_TRUE(value);  // NOLINT(bugprone-use-after-move): that is the point
    co_return;
  });
}

TEST_P(Oneshot, CancelledReceiver_LosesNoValue) {
  run([]() -> task<> {
    oneshot<int> answer;
    auto gone = co_await spawn_waiting(receive, std::ref(answer));
    gone.cancel();
    EXPECT_EQ(co_await end_of(gone), ending::cancelled);

    EXPECT_TRUE(answer.send(42));
    const std::optional<int> value = co_await answer.recv();
    EXPECT_EQ(value, 42);
  });
}

TEST_P(Oneshot, LosingReceiveOfASelect_LeavesTheValue) {
  run([]() -> task<> {
    oneshot<int> answer;
    event ready;
    auto selecting = co_await spawn_waiting([&]() -> task<std::size_t> {
      auto first = co_await select(answer.recv(), ready.wait());
      co_return first.index();
    });

    ready.set();
    EXPECT_TRUE(answer.send(42));

    EXPECT_EQ(co_await selecting, 1u);
    const std::optional<int> value = co_await answer.recv();
    EXPECT_EQ(value, 42);
  });
}

TEST_P(Oneshot, DestroyedByItsReceiver_IsNotTouchedAnyMore) {
  run([]() -> task<> {
    for (int i = 0; i < 500; ++i) {
      auto answer = std::make_unique<oneshot<int>>();
      auto sender = spawn([&target = *answer]() -> task<> {
        EXPECT_TRUE(target.send(1));
        co_return;
      });
      const std::optional<int> value = co_await answer->recv();
      EXPECT_EQ(value, 1);
      answer.reset();
      co_await sender;
    }
  });
}

TEST(OneshotBeforeMain, GlobalOne_IsConstantInitialised) {
  test_runtime().run([]() -> task<> {
    EXPECT_TRUE(made_before_main.send(1));

    const std::optional<int> value = co_await made_before_main.recv();

    EXPECT_EQ(value, 1);
  });
}

}  // namespace
}  // namespace weft::testing
