#include "running_task.h"
#include "runtimes.h"
#include <weft/runtime/cancel.h>
#include <weft/runtime/detail/own_cancellation.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/sleep.h>

#include <gtest/gtest.h>

#include <chrono>
#include <utility>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using detail::own_cancellation;

/// Does the next wait raise it?
task<bool> is_cancelled() {
  try {
    co_await sleep(1s);
    co_return false;
  } catch (const cancelled_error&) {
    co_return true;
  }
}

TEST(OwnCancellation, RaisedOne_EndsTheWaitAndIsOnesOwn) {
  run_task([]() -> task<> {
    own_cancellation own;
    own.begin();
    EXPECT_FALSE(own.raised());
    own.raise();

    const bool cancelled = co_await is_cancelled();

    EXPECT_TRUE(cancelled);
    EXPECT_TRUE(own.end());
    EXPECT_FALSE(own.active());
    EXPECT_EQ(detail::cancelling(current()), 0);
  });
}

TEST(OwnCancellation, OneThatWasNotRaised_LeavesThoseOfOthers) {
  run_task([]() -> task<> {
    own_cancellation own;
    own.begin();
    detail::cancel(current());

    EXPECT_FALSE(own.end());

    EXPECT_TRUE(detail::request_pending(current()));
    (void)detail::uncancel(current());
    co_return;
  });
}

TEST(OwnCancellation, BesideOneOfOthers_IsTheirs) {
  run_task([]() -> task<> {
    own_cancellation own;
    own.begin();
    own.raise();
    detail::cancel(current());

    const bool cancelled = co_await is_cancelled();

    EXPECT_TRUE(cancelled);
    EXPECT_FALSE(own.end());
    EXPECT_EQ(detail::cancelling(current()), 1);
    (void)detail::uncancel(current());
  });
}

TEST(OwnCancellation, BehindAShield_RaisesOnceAndLeavesWhatIsPostponed) {
  run_task([]() -> task<> {
    const cancel_shield shield;
    detail::cancel(current());
    own_cancellation own;
    own.begin();
    own.raise();

    const bool first = co_await is_cancelled();
    const bool second = co_await is_cancelled();

    EXPECT_TRUE(first);
    EXPECT_FALSE(second);
    EXPECT_TRUE(own.end());
    EXPECT_EQ(detail::cancelling(current()), 1);
    (void)detail::uncancel(current());
  });
}

}  // namespace
}  // namespace weft::testing
