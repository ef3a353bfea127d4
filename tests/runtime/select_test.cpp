#include "runtimes.h"
#include <weft/runtime/cancel.h>
#include <weft/runtime/select.h>
#include <weft/runtime/shield.h>
#include <weft/runtime/sleep.h>
#include <weft/sync/event.h>
#include <weft/sync/queue.h>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

class Select : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Select, every_kind(), name_of);

task<int> value_after(clock::duration d, int value) {
  co_await sleep(d);
  co_return value;
}
task<> wait_for_ever(std::atomic<int>& cancelled) {
  try {
    co_await sleep(1h);
  } catch (const cancelled_error&) {
    ++cancelled;
    throw;
  }
}

TEST_P(Select, FirstToFinish_Wins) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};

    const auto first = co_await select(wait_for_ever(cancelled), value_after(100us, 7));

    EXPECT_EQ(first.index(), 1u);
    EXPECT_EQ(std::get<1>(first), 7);
  });
}

TEST(SelectInTime, Losers_AreCancelledAndAwaited) {
  test_runtime rt;
  bool cleaned = false;

  rt.run([&]() -> task<> {
    const auto slow = [&]() -> task<> {
      const auto body = []() -> task<> { co_await sleep(1h); };
      const auto cleanup = [&]() -> task<> {
        co_await sleep(20ms);
        cleaned = true;
      };
      co_await try_finally(body, cleanup);
    };

    const auto first = co_await select(slow(), sleep(10ms));

    EXPECT_EQ(first.index(), 1u);
    EXPECT_TRUE(cleaned);
  });

  EXPECT_EQ(rt.clock().elapsed(), 30ms);
}

TEST_P(Select, ReadyOne_WinsAndNothingElseBegins) {
  run([]() -> task<> {
    event set;
    set.set();
    bool ran = false;
    const auto note = [&]() -> task<> {
      ran = true;
      co_return;
    };

    const auto first = co_await select(note(), set.wait(), sleep(1h));

    EXPECT_EQ(first.index(), 1u);
    EXPECT_FALSE(ran);
    EXPECT_EQ(take_ledger().timers, 0);
  });
}

TEST_P(Select, ReadyOnes_ArePreferredInArgumentOrder) {
  run([]() -> task<> {
    event one;
    event two;
    one.set();
    two.set();

    const auto first = co_await select(sleep(1h), two.wait(), one.wait());

    EXPECT_EQ(first.index(), 1u);
  });
}

TEST_P(Select, LosingGet_TakesNoItem) {
  run([]() -> task<> {
    for (int round = 0; round < 100; ++round) {
      queue<int> a;
      queue<int> b;
      auto feeding = spawn([&]() -> task<> {
        co_await a.put(1);
        co_await b.put(2);
      });

      const auto first = co_await select(a.get(), b.get());
      co_await feeding;

      EXPECT_EQ(a.size() + b.size(), 1u);
      EXPECT_EQ(first.index() == 0 ? a.size() : b.size(), 0u);
    }
  });
}

TEST_P(Select, LosingSleep_IsDisarmed) {
  run([]() -> task<> {
    event gate;
    call_soon([&] { gate.set(); });

    const auto first = co_await select(sleep(1h), gate.wait());

    EXPECT_EQ(first.index(), 1u);
    EXPECT_EQ(take_ledger().timers, 0);
  });
}

TEST_P(Select, Failure_OfTheFirstIsRethrown) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};
    const auto fail = []() -> task<int> {
      co_await sleep(1ms);
      throw std::runtime_error("first");
    };

    const auto ended = co_await catch_all(select(fail(), wait_for_ever(cancelled)));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
  });
}

TEST_P(Select, FailureOfALoser_IsSeenByNobodyAndReportedToNobody) {
  std::atomic<int> reports{0};
  run([&]() -> task<> {
    runtime::current().set_exception_handler([&](const exception_context&) { ++reports; });
    const auto fails_in_its_clean_up = []() -> task<> {
      try {
        co_await sleep(1h);
      } catch (const cancelled_error&) {
        throw std::runtime_error("clean-up");
      }
    };

    const auto first = co_await select(fails_in_its_clean_up(), sleep(1ms));

    EXPECT_EQ(first.index(), 1u);
  });
  EXPECT_EQ(reports.load(), 0);
}

TEST_P(Select, CancelledSelect_CancelsAllAndWaitsForThem) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};
    event never;
    auto selecting = co_await spawn_waiting([&]() -> task<> {
      (void)co_await select(wait_for_ever(cancelled), never.wait(), wait_for_ever(cancelled));
    });
    co_await until_waiters(3);

    selecting.cancel();
    const ending how = co_await ending_of(selecting);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_EQ(cancelled.load(), 2);
    EXPECT_FALSE(never.has_waiters());
  });
}

TEST(SelectInTime, SelectThatHasAWinner_BeatsALaterRequest) {
  test_runtime rt;

  rt.run([]() -> task<> {
    event gate;
    event never;
    std::size_t winner = 99;
    auto selecting = co_await spawn_waiting([&]() -> task<> {
      const auto first = co_await select(never.wait(), gate.wait());
      winner = first.index();
      co_await yield();
      ADD_FAILURE() << "the request was lost";
    });

    gate.set();
    selecting.cancel();
    const ending how = co_await ending_of(selecting);

    EXPECT_EQ(winner, 1u);
    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST(SelectInTime, RequestWhileLosersCleanUp_StaysPending) {
  test_runtime rt;

  rt.run([]() -> task<> {
    std::size_t winner = 99;
    auto selecting = spawn([&]() -> task<> {
      const auto slow = []() -> task<> {
        const auto body = []() -> task<> { co_await sleep(1h); };
        const auto cleanup = []() -> task<> { co_await sleep(20ms); };
        co_await try_finally(body, cleanup);
      };
      const auto first = co_await select(slow(), sleep(10ms));
      winner = first.index();
      co_await yield();
      ADD_FAILURE() << "the request was lost";
    });

    co_await sleep(15ms);
    selecting.cancel();
    const ending how = co_await ending_of(selecting);

    EXPECT_EQ(winner, 1u);
    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(Select, ShieldedTask_GivesItsValueOrIsLeftAlone) {
  run([]() -> task<> {
    event gate;
    auto work = spawn(
        [](event& open) -> task<int> {
          co_await open.wait();
          co_return 7;
        },
        std::ref(gate));

    const auto lost = co_await select(sleep(1ms), shield(work));
    EXPECT_EQ(lost.index(), 0u);
    EXPECT_FALSE(work.done());
    gate.set();
    const auto won = co_await select(shield(work), sleep(1h));

    EXPECT_EQ(std::get<0>(won), 7);
  });
}

TEST_P(Select, OutcomeWithoutAValue_MayBeIgnored) {
  run([]() -> task<> {
    co_await select(yield(), sleep(1h));  // compiles without a warning
    EXPECT_EQ(take_ledger().timers, 0);   // the loser was taken back
  });
}

TEST_P(Select, Range_GivesIndexAndValue) {
  run([]() -> task<> {
    std::vector<task<int>> children;
    for (int i = 0; i < 5; ++i) children.push_back(value_after(i == 3 ? 1ms : 1h, i));

    const auto first = co_await select(std::move(children));

    EXPECT_EQ(first.index, 3u);
    EXPECT_EQ(first.value, 3);
  });
}

TEST_P(Select, SelectOfAnEmptyRange_IsRefused) {
  run([]() -> task<> {
    const auto ended = co_await catch_all(select(std::vector<task<int>>()));

    EXPECT_TRUE(ended.threw<std::invalid_argument>());
  });
}

TEST_P(Select, MoveOnlyValue_ComesThrough) {
  run([]() -> task<> {
    const auto make = []() -> task<std::unique_ptr<int>> {
      co_await yield();
      co_return std::make_unique<int>(7);
    };

    auto first = co_await select(make(), sleep(1h));

    EXPECT_EQ(*std::get<0>(first), 7);
  });
}

TEST_P(Select, SecondAwait_Throws) {
  run([]() -> task<> {
    auto once = select(sleep(1us));
    (void)co_await once;

    bool refused = false;
    try {
      (void)co_await once;
    } catch (const invalid_state_error&) {
      refused = true;
    }

    EXPECT_TRUE(refused);
  });
}

TEST_P(Select, SelectThatIsNeverAwaited_DestroysItsTasksUnrun) {
  run([]() -> task<> {
    auto token = std::make_shared<int>();
    {
      auto dropped = select([](std::shared_ptr<int>) -> task<> { co_return; }(token), sleep(1h));
      EXPECT_EQ(token.use_count(), 2);
    }
    EXPECT_EQ(token.use_count(), 1);
    co_return;
  });
}

TEST_P(Select, ShieldedTask_IsAnArmAndIsLeftAlone) {
  run([]() -> task<> {
    event gate;
    const auto work = [&]() -> task<int> {
      co_await gate.wait();
      co_return 7;
    };
    auto running = co_await spawn_waiting(work);

    const auto lost = co_await select(shield(running), sleep(100us));
    EXPECT_EQ(lost.index(), 1u);
    EXPECT_FALSE(running.done());
    gate.set();
    const auto won = co_await select(shield(running), sleep(1h));

    EXPECT_EQ(won.index(), 0u);
    EXPECT_EQ(std::get<0>(won), 7);
  });
}

TEST_P(Select, ShieldedTaskWithoutAValue_IsAnArm) {
  run([]() -> task<> {
    event gate;
    const auto work = [&]() -> task<> { co_await gate.wait(); };
    auto running = co_await spawn_waiting(work);
    auto opening = spawn([&]() -> task<> {
      co_await yield();
      gate.set();
    });

    const auto first = co_await select(shield(running), sleep(1h));
    co_await opening;

    EXPECT_EQ(first.index(), 0u);
  });
}

// Two events are set by tasks on other workers: one commits, and no waiter stays behind.
TEST_P(Select, ConcurrentCompletions_HaveOneWinner) {
  run([]() -> task<> {
    for (int round = 0; round < 300; ++round) {
      event a;
      event b;
      auto one = spawn([&a]() -> task<> {
        a.set();
        co_return;
      });
      auto two = spawn([&b]() -> task<> {
        b.set();
        co_return;
      });

      const auto first = co_await select(a.wait(), b.wait(), sleep(1h));

      EXPECT_LT(first.index(), 2u);
      co_await one;
      co_await two;
      EXPECT_FALSE(a.has_waiters());
      EXPECT_FALSE(b.has_waiters());
    }
  });
}

// ---- The last resort of a shutdown -------------------------------------------------------------

class SelectShutdown : public ::testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Workers, SelectShutdown, ::testing::Values(1, 4));

task<> swallow_for_ever(std::shared_ptr<int>) {
  for (;;) {
    try {
      co_await sleep(1h);
    } catch (const cancelled_error&) {  // swallowed on purpose
    }
  }
}
task<> select_for_ever(event& never, std::shared_ptr<int> token) {
  for (;;) {
    try {
      (void)co_await select(never.wait(), sleep(1h), swallow_for_ever(token));
    } catch (const cancelled_error&) {  // swallowed on purpose
    }
  }
}
task<> select_of_range_for_ever(std::shared_ptr<int> token) {
  std::vector<task<>> children;
  for (int i = 0; i < 3; ++i) children.push_back(swallow_for_ever(token));
  (void)co_await select(std::move(children));
}

TEST_P(SelectShutdown, SelectThatNeverEnds_IsDestroyedWithItsArms) {
  auto token = std::make_shared<int>();
  event never;
  runtime rt({.workers = GetParam()});
  rt.set_exception_handler([](const exception_context&) {});
  rt.run([&]() -> task<> {
    for (int i = 0; i < 5; ++i) {
      spawn(select_for_ever(never, token)).detach();
      spawn(select_of_range_for_ever(token)).detach();
    }
    co_await until_waiters(30);
  });

  EXPECT_FALSE(rt.shutdown(20ms));

  EXPECT_EQ(take_ledger().tasks, 0);
  EXPECT_EQ(take_ledger().timers, 0);
  EXPECT_FALSE(never.has_waiters());
  EXPECT_EQ(token.use_count(), 1);
}

}  // namespace
}  // namespace weft::testing
