#include "runtimes.h"
#include <weft/runtime/as_result.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/event.h>

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

class AsResult : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, AsResult, every_kind(), name_of);
class AsResultOrder : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, AsResultOrder, kinds_in_order(), name_of);

TEST_P(AsResult, Value_IsInTheResult) {
  run([]() -> task<> {
    const auto seven = []() -> task<int> {
      co_await yield();
      co_return 7;
    };

    const result<int> got = co_await as_result(seven());
    const result<void> nothing = co_await as_result(sleep(1us));

    EXPECT_EQ(got.value(), 7);
    EXPECT_TRUE(nothing.has_value());
  });
}

TEST_P(AsResult, MoveOnlyValue_ComesThrough) {
  run([]() -> task<> {
    const auto make = []() -> task<std::unique_ptr<int>> {
      co_await yield();
      co_return std::make_unique<int>(7);
    };

    auto got = co_await as_result(make());

    EXPECT_EQ(*std::move(got).value(), 7);
  });
}

TEST_P(AsResult, ConstResult_MayBeReadWithoutThrowing) {
  run([]() -> task<> {
    const auto text = co_await as_result([]() -> task<std::string> { co_return "text"; }());
    const auto failed = co_await as_result([]() -> task<std::string> {
      throw std::runtime_error("no");
      co_return "";
    }());

    EXPECT_EQ(text->size(), 4u);
    EXPECT_EQ(text.value_or("other"), "text");
    EXPECT_EQ(failed.value_or("other"), "other");
  });
}

TEST_P(AsResult, Failure_IsAValue) {
  run([]() -> task<> {
    const auto fail = []() -> task<int> {
      co_await yield();
      throw std::runtime_error("inner");
    };

    const result<int> got = co_await as_result(fail());

    EXPECT_FALSE(got.has_value());
    EXPECT_FALSE(got.cancelled());
    EXPECT_THROW((void)got.value(), std::runtime_error);
  });
}

TEST_P(AsResult, TimeOut_IsAValue) {
  run([]() -> task<> {
    const result<void> got = co_await as_result(wait_for(sleep(1h), 100us));

    EXPECT_THROW(got.value(), timeout_error);
    EXPECT_EQ(this_task::cancelling(), 0);
  });
}

TEST_P(AsResult, CancelledChild_IsAValue) {
  run([]() -> task<> {
    auto child = co_await spawn_waiting([]() -> task<> { co_await sleep(1h); });
    child.cancel();

    const result<void> got = co_await as_result(child);

    EXPECT_TRUE(got.cancelled());
  });
}

TEST_P(AsResult, CancellationOfTheAwaiter_StillThrows) {
  run([]() -> task<> {
    auto outer = co_await spawn_waiting([]() -> task<> {
      (void)co_await as_result(sleep(1h));
      ADD_FAILURE() << "swallowed";
    });

    outer.cancel();
    const ending how = co_await ending_of(outer);

    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(AsResult, CancellationPendingAtItsBegin_StillThrows) {
  run([]() -> task<> {
    join_handle<> self;
    event assigned;
    self = spawn([&]() -> task<> {
      co_await assigned.wait();
      self.cancel();
      (void)co_await as_result(sleep(1h));
      ADD_FAILURE() << "swallowed";
    });

    assigned.set();
    const ending how = co_await ending_of(self);

    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(AsResultOrder, RequestBehindTheEndOfACancelledChild_IsDeliveredOnce) {
  run([]() -> task<> {
    event never;
    auto child = co_await spawn_waiting([&]() -> task<> { co_await never.wait(); });
    bool was_value = false;
    auto parent = co_await spawn_waiting([&]() -> task<int> {
      const result<void> ended = co_await as_result(child);
      was_value = ended.cancelled();
      int delivered = 0;
      for (int i = 0; i < 2; ++i) {
        try {
          co_await yield();
        } catch (const cancelled_error&) {
          ++delivered;
        }
      }
      co_return delivered;
    });

    child.cancel();
    while (!child.done()) co_await yield();
    parent.cancel();  // its wait has ended, and it does not run yet
    const int delivered = co_await parent;

    EXPECT_TRUE(was_value);
    EXPECT_EQ(delivered, 1);
  });
}

TEST_P(AsResult, LimitAroundIt_StillExpires) {
  run([]() -> task<> {
    const auto body = []() -> task<> { (void)co_await as_result(sleep(1h)); };

    const auto ended = co_await catch_all(timeout(100us, body));

    EXPECT_TRUE(ended.threw<timeout_error>());
  });
}

}  // namespace
}  // namespace weft::testing
