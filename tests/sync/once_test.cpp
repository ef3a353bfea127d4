#include "every_runtime.h"
#include <weft/sync/event.h>
#include <weft/sync/once.h>

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

class OnceCell : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, OnceCell, every_kind(), name_of);

constinit once_cell<int> made_before_main;

TEST_P(OnceCell, Value_IsMadeByOneForAll) {
  run([]() -> task<> {
    once_cell<std::string> cell;
    std::atomic<int> made = 0;
    EXPECT_EQ(cell.get(), nullptr);
    std::vector<join_handle<>> tasks;
    for (int i = 0; i < 10; ++i) {
      tasks.push_back(spawn([&]() -> task<> {
        auto make = [&]() -> task<std::string> {
          ++made;
          co_await yield();
          co_return "value";
        };
        const std::string& value = co_await cell.get_or_init(std::ref(make));
        EXPECT_EQ(value, "value");
        EXPECT_EQ(&value, cell.get());
      }));
    }
    for (auto& each : tasks) co_await each;
    EXPECT_EQ(made, 1);
  });
}

TEST_P(OnceCell, OperationAwaitedTwice_IsRefused) {
  run([]() -> task<> {
    once_cell<int> cell;
    auto makes = cell.get_or_init([] { return 1; });
    EXPECT_EQ(co_await makes, 1);
    auto finds = cell.get_or_init([] { return 2; });
    EXPECT_EQ(co_await finds, 1);

    EXPECT_THROW((void)co_await makes, invalid_state_error);
    EXPECT_THROW((void)co_await finds, invalid_state_error);
  });
}

TEST_P(OnceCell, PlainFunction_MayMakeTheValue) {
  run([]() -> task<> {
    once_cell<int> cell;
    const int first = co_await cell.get_or_init([] { return 1; });
    const int second = co_await cell.get_or_init([] { return 2; });
    EXPECT_EQ(first, 1);
    EXPECT_EQ(second, 1);
  });
}

TEST_P(OnceCell, MakerThatThrows_LeavesItToTheNext) {
  run([]() -> task<> {
    once_cell<int> cell;
    event go;
    auto failing = co_await spawn_waiting([&]() -> task<> {
      auto make = [&go]() -> task<int> {
        co_await go.wait();
        throw std::runtime_error("no value");
      };
      (void)co_await cell.get_or_init(std::ref(make));
    });
    auto next = co_await spawn_waiting([&]() -> task<int> {
      const int value = co_await cell.get_or_init([] { return 2; });
      co_return value;
    });

    go.set();

    EXPECT_EQ(co_await end_of(failing), ending::error);
    EXPECT_EQ(co_await next, 2);
  });
}

TEST_P(OnceCell, MakerThatIsCancelled_LeavesItToTheNext) {
  run([]() -> task<> {
    once_cell<int> cell;
    event never;
    auto maker = co_await spawn_waiting([&]() -> task<> {
      auto make = [&never]() -> task<int> {
        co_await never.wait();
        co_return 1;
      };
      (void)co_await cell.get_or_init(std::ref(make));
    });
    auto next = co_await spawn_waiting([&]() -> task<int> {
      const int value = co_await cell.get_or_init([] { return 2; });
      co_return value;
    });

    maker.cancel();

    EXPECT_EQ(co_await end_of(maker), ending::cancelled);
    EXPECT_EQ(co_await next, 2);
  });
}

TEST_P(OnceCell, MadeBeforeAnyRuntime_Works) {
  run([]() -> task<> {
    const int value = co_await made_before_main.get_or_init([] { return 7; });
    EXPECT_EQ(value, 7);
  });
}

}  // namespace
}  // namespace weft::testing
