#include "runtimes.h"
#include <weft/runtime/sleep.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/stop_token.h>
#include <weft/runtime/timeout.h>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <utility>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

class CancelOn : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, CancelOn, every_kind(), name_of);
class StopToken : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, StopToken, every_kind(), name_of);

task<> sleep_until_stopped(std::stop_token token) {
  const cancel_on link(std::move(token));
  co_await sleep(1h);
}

// ---- cancel_on ----------------------------------------------------------------------------------

TEST_P(CancelOn, StopRequest_CancelsTheTask) {
  run([]() -> task<> {
    std::stop_source source;
    auto child = co_await spawn_waiting(sleep_until_stopped, source.get_token());

    source.request_stop();

    const ending end = co_await end_of(child);
    EXPECT_EQ(end, ending::cancelled);
  });
}

TEST_P(CancelOn, EarlierStopRequest_CancelsTheNextSuspension) {
  run([]() -> task<> {
    std::stop_source source;
    source.request_stop();

    auto child = spawn(sleep_until_stopped, source.get_token());

    const ending end = co_await end_of(child);
    EXPECT_EQ(end, ending::cancelled);
  });
}

TEST_P(CancelOn, StopRequest_CountsAsOneCancellation) {
  run([]() -> task<> {
    std::stop_source source;
    auto child = spawn(
        [](std::stop_source& stop) -> task<> {
          const cancel_on link(stop.get_token());
          stop.request_stop();
          stop.request_stop();
          EXPECT_EQ(this_task::cancelling(), 1);
          this_task::uncancel();
          co_await yield();
        },
        std::ref(source));

    const ending end = co_await end_of(child);
    EXPECT_EQ(end, ending::value);
  });
}

TEST_P(CancelOn, AfterItsEnd_StopRequestsDoNothing) {
  run([]() -> task<> {
    std::stop_source source;
    {
      const cancel_on link(source.get_token());
    }

    source.request_stop();

    EXPECT_EQ(this_task::cancelling(), 0);
    co_await yield();
  });
}

TEST_P(CancelOn, ObjectThatOutlivesTheTask_IsHarmless) {
  run([]() -> task<> {
    std::stop_source source;
    std::optional<cancel_on> link;
    auto child = spawn(
        [](std::stop_source& stop, std::optional<cancel_on>& out) -> task<> {
          out.emplace(stop.get_token());
          co_return;
        },
        std::ref(source), std::ref(link));
    co_await child;
    child.detach();

    source.request_stop();
    link.reset();
  });
}

TEST(CancelOnOutside, OutsideOfATask_IsALogicError) {
  EXPECT_THROW(const cancel_on link{std::stop_token()}, std::logic_error);
}

TEST_P(CancelOn, RequestFromAnotherThread_MeetsTheEndOfTheScope) {
  run([]() -> task<> {
    for (int i = 0; i < 200; ++i) {
      std::stop_source source;
      std::jthread foreign([&source] { source.request_stop(); });
      auto child = spawn(
          [](std::stop_token token) -> task<> {
            {
              const cancel_on link(std::move(token));
            }
            co_await yield();
          },
          source.get_token());

      const ending end = co_await end_of(child);

      EXPECT_NE(end, ending::error);
    }
  });
}

// ---- this_task::stop_token ----------------------------------------------------------------------

TEST_P(StopToken, Cancellation_TriggersIt) {
  run([]() -> task<> {
    std::stop_token token;
    auto child = co_await spawn_waiting(
        [](std::stop_token& out) -> task<> {
          out = this_task::stop_token();
          co_await sleep(1h);
        },
        std::ref(token));
    EXPECT_FALSE(token.stop_requested());

    child.cancel();

    EXPECT_TRUE(token.stop_requested());
    const ending end = co_await end_of(child);
    EXPECT_EQ(end, ending::cancelled);
  });
}

TEST_P(StopToken, EarlierCancellation_TriggersItFromTheStart) {
  run([]() -> task<> {
    auto child = spawn([]() -> task<> {
      const cancel_shield shield;
      co_await yield();
      while (this_task::cancelling() == 0) co_await yield();
      EXPECT_TRUE(this_task::stop_token().stop_requested());
    });
    co_await yield();
    child.cancel();

    [[maybe_unused]] const ending end = co_await end_of(child);
  });
}

TEST_P(StopToken, SameTask_GivesTheSameToken) {
  run([]() -> task<> {
    const std::stop_token first = this_task::stop_token();

    EXPECT_EQ(first, this_task::stop_token());
    EXPECT_TRUE(first.stop_possible());
    co_return;
  });
}

TEST_P(StopToken, CancellationTakenBack_LeavesNewTokensUntriggered) {
  run([]() -> task<> {
    auto child = spawn([]() -> task<> {
      const std::stop_token before = this_task::stop_token();
      const cancel_shield shield;
      while (!before.stop_requested()) co_await yield();
      this_task::uncancel();
      EXPECT_FALSE(this_task::stop_token().stop_requested());
    });
    co_await yield();
    co_await yield();
    child.cancel();

    [[maybe_unused]] const ending end = co_await end_of(child);
  });
}

TEST_P(StopToken, Token_OutlivesItsTask) {
  run([]() -> task<> {
    const std::stop_token token =
        co_await spawn([]() -> task<std::stop_token> { co_return this_task::stop_token(); });

    EXPECT_FALSE(token.stop_requested());
  });
}

TEST(StopTokenOutside, OutsideOfATask_IsALogicError) {
  EXPECT_THROW((void)this_task::stop_token(), std::logic_error);
}

TEST_P(StopToken, CancellationsMeetTheRequestForAToken_NoneIsLost) {
  run([]() -> task<> {
    for (int i = 0; i < 300; ++i) {
      std::atomic<bool> begun = false;
      auto child = spawn(
          [](std::atomic<bool>& mark) -> task<std::stop_token> {
            mark = true;
            std::stop_token token = this_task::stop_token();
            const cancel_shield shield;
            while (this_task::cancelling() == 0) co_await yield();
            co_return token;
          },
          std::ref(begun));
      while (!begun) co_await yield();

      child.cancel();

      const std::stop_token token = co_await child;
      EXPECT_TRUE(token.stop_requested());
    }
  });
}

}  // namespace
}  // namespace weft::testing
