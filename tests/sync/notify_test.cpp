#include "every_runtime.h"
#include <weft/runtime/select.h>
#include <weft/sync/event.h>
#include <weft/sync/notify.h>

#include <gtest/gtest.h>

#include <cstddef>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

class Notify : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Notify, every_kind(), name_of);

constinit notify made_before_main;

task<> wait_once(notify& source) {
  co_await source.notified();
}

TEST_P(Notify, NotifyOne_WakesTheOldestWaiter) {
  run([]() -> task<> {
    notify source;
    auto first = co_await spawn_waiting(wait_once, std::ref(source));
    auto second = co_await spawn_waiting(wait_once, std::ref(source));

    source.notify_one();
    co_await first;
    EXPECT_FALSE(second.done());

    source.notify_one();
    co_await second;
  });
}

TEST_P(Notify, NotificationThatNobodyAwaits_IsKeptOnce) {
  run([]() -> task<> {
    notify source;
    source.notify_one();
    source.notify_one();
    co_await source.notified();

    auto waiter = co_await spawn_waiting(wait_once, std::ref(source));
    EXPECT_FALSE(waiter.done());
    source.notify_one();
    co_await waiter;
  });
}

TEST_P(Notify, NotifyWaiters_WakesAllAndKeepsNothing) {
  run([]() -> task<> {
    notify source;
    auto first = co_await spawn_waiting(wait_once, std::ref(source));
    auto second = co_await spawn_waiting(wait_once, std::ref(source));

    source.notify_waiters();
    co_await first;
    co_await second;

    auto late = co_await spawn_waiting(wait_once, std::ref(source));
    EXPECT_FALSE(late.done());
    source.notify_waiters();
    co_await late;
  });
}

TEST_P(Notify, CancelledWaiter_LosesNoNotification) {
  run([]() -> task<> {
    notify source;
    auto first = co_await spawn_waiting(wait_once, std::ref(source));
    auto second = co_await spawn_waiting(wait_once, std::ref(source));

    first.cancel();
    source.notify_one();

    EXPECT_EQ(co_await end_of(first), ending::cancelled);
    co_await second;
  });
}

TEST_P(Notify, LosingWaitOfASelect_LeavesTheNotification) {
  run([]() -> task<> {
    notify source;
    event ready;
    auto selecting = co_await spawn_waiting([&]() -> task<std::size_t> {
      auto first = co_await select(source.notified(), ready.wait());
      co_return first.index();
    });

    ready.set();
    source.notify_one();

    EXPECT_EQ(co_await selecting, 1u);
    co_await source.notified();
  });
}

TEST_P(Notify, MadeBeforeAnyRuntime_Works) {
  run([]() -> task<> {
    made_before_main.notify_one();
    co_await made_before_main.notified();
  });
}

}  // namespace
}  // namespace weft::testing
