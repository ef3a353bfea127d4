#include "every_runtime.h"
#include <weft/runtime/select.h>
#include <weft/sync/event.h>
#include <weft/sync/watch.h>

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

constinit watch<int> made_before_main(7);

class Watch : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Watch, every_kind(), name_of);

task<bool> wait_for_change(watch<int>::receiver& by) {
  const bool changed = co_await by.changed();
  co_return changed;
}

TEST_P(Watch, NewReceiver_HasSeenThePresentValue) {
  run([]() -> task<> {
    watch<int> level(1);
    auto receiver = level.subscribe();
    EXPECT_EQ(receiver.get(), 1);
    auto waiter = co_await spawn_waiting(wait_for_change, std::ref(receiver));
    EXPECT_FALSE(waiter.done());

    level.set(2);

    EXPECT_TRUE(co_await waiter);
    EXPECT_EQ(receiver.get(), 2);
    EXPECT_EQ(level.get(), 2);
  });
}

TEST_P(Watch, SeveralChanges_AreSeenAsOne) {
  run([]() -> task<> {
    watch<std::string> name("a");
    auto receiver = name.subscribe();
    name.set("b");
    name.set("c");

    const bool changed = co_await receiver.changed();
    EXPECT_TRUE(changed);
    EXPECT_EQ(receiver.get(), "c");

    event ready;
    ready.set();
    auto first = co_await select(receiver.changed(), ready.wait());
    EXPECT_EQ(first.index(), 1u);  // nothing new
  });
}

TEST_P(Watch, EndOfTheWatch_EndsTheWait) {
  run([]() -> task<> {
    auto level = std::make_unique<watch<int>>(1);
    auto waiting = level->subscribe();
    auto late = level->subscribe();
    auto waiter = co_await spawn_waiting(wait_for_change, std::ref(waiting));
    level->set(2);
    EXPECT_TRUE(co_await waiter);
    waiter = co_await spawn_waiting(wait_for_change, std::ref(waiting));

    level.reset();

    EXPECT_FALSE(co_await waiter);
    bool changed = co_await late.changed();  // the last value was not seen yet
    EXPECT_TRUE(changed);
    EXPECT_EQ(late.get(), 2);
    changed = co_await late.changed();
    EXPECT_FALSE(changed);
  });
}

TEST_P(Watch, CancelledWait_LeavesTheChangeUnseen) {
  run([]() -> task<> {
    watch<int> level(1);
    auto receiver = level.subscribe();
    auto waiter = co_await spawn_waiting(wait_for_change, std::ref(receiver));
    waiter.cancel();
    EXPECT_EQ(co_await end_of(waiter), ending::cancelled);

    level.set(2);
    const bool changed = co_await receiver.changed();
    EXPECT_TRUE(changed);
  });
}

TEST_P(Watch, ManyReceivers_SeeTheLastValue) {
  run([]() -> task<> {
    std::optional<watch<int>> level(0);
    std::vector<join_handle<>> tasks;
    for (int i = 0; i < 8; ++i) {
      tasks.push_back(spawn(
          [](watch<int>::receiver receiver) -> task<> {
            int last = receiver.get();
            for (;;) {
              const bool changed = co_await receiver.changed();
              if (!changed) break;
              const int now = receiver.get();
              EXPECT_GE(now, last);
              last = now;
            }
            EXPECT_EQ(last, 1000);
          },
          level->subscribe()));
    }
    for (int value = 1; value <= 1000; ++value) {
      level->set(value);
      if (value % 10 == 0) co_await yield();
    }
    level.reset();
    for (auto& each : tasks) co_await each;
  });
}

TEST(WatchBeforeMain, GlobalOne_IsConstantInitialised) {
  test_runtime().run([]() -> task<> {
    EXPECT_EQ(made_before_main.get(), 7);
    auto receiver = made_before_main.subscribe();
    made_before_main.set(8);

    const bool changed = co_await receiver.changed();

    EXPECT_TRUE(changed);
    EXPECT_EQ(receiver.get(), 8);
  });
}

}  // namespace
}  // namespace weft::testing
