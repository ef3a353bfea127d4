#include "runtimes.h"
#include <weft/runtime/async_generator.h>
#include <weft/runtime/cancel.h>
#include <weft/runtime/exception_context.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/event.h>

#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

static_assert(async_iterator<async_generator<int>>);
static_assert(!std::is_copy_constructible_v<async_generator<int>>);
static_assert(std::is_same_v<await_result_t<decltype(std::declval<async_generator<int>&>().next())>,
                             std::optional<int>>);

class AsyncGenerator : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, AsyncGenerator, every_kind(), name_of);

async_generator<int> count_to(int end) {
  for (int i = 0; i < end; ++i) {
    co_await yield();
    co_yield i;
  }
}

TEST_P(AsyncGenerator, Values_ComeInOrderAndThenNothing) {
  run([]() -> task<> {
    auto numbers = count_to(3);
    std::vector<int> got;

    while (const auto number = co_await numbers.next()) got.push_back(*number);
    const auto after = co_await numbers.next();

    EXPECT_EQ(got, (std::vector<int>{0, 1, 2}));
    EXPECT_FALSE(after.has_value());
  });
}

TEST_P(AsyncGenerator, WhatConverts_MayBeYielded) {
  run([]() -> task<> {
    auto words = []() -> async_generator<std::string> {
      co_yield "literal";
      const std::string named = "named";
      co_yield named;
      co_yield std::string("temporary");
    }();
    std::string all;

    while (const auto word = co_await words.next()) all += *word + " ";

    EXPECT_EQ(all, "literal named temporary ");
  });
}

TEST_P(AsyncGenerator, MoveOnlyValuesAndReferences_ComeThrough) {
  run([]() -> task<> {
    static int object = 0;
    auto unique = []() -> async_generator<std::unique_ptr<int>> {
      co_yield std::make_unique<int>(3);
    }();
    auto references = []() -> async_generator<int&> { co_yield object; }();

    const auto owned = co_await unique.next();
    const auto reference = co_await references.next();

    EXPECT_EQ(**owned, 3);
    EXPECT_EQ(&reference->get(), &object);
  });
}

TEST_P(AsyncGenerator, Failure_IsRethrownOnceAndEndsIt) {
  run([]() -> task<> {
    auto failing = []() -> async_generator<int> {
      co_yield 1;
      throw std::runtime_error("generator");
    }();
    (void)co_await failing.next();

    const auto failed = co_await catch_all(failing.next());
    const auto after = co_await failing.next();

    EXPECT_TRUE(failed.threw<std::runtime_error>());
    EXPECT_FALSE(after.has_value());
  });
}

async_generator<int> tells_that_it_runs(bool& ran) {
  ran = true;
  co_yield 1;
}

TEST_P(AsyncGenerator, NothingRuns_BeforeTheFirstNext) {
  run([]() -> task<> {
    bool ran = false;
    auto lazy = tells_that_it_runs(ran);
    EXPECT_FALSE(ran);

    co_await lazy.aclose();

    EXPECT_FALSE(ran);
    const auto after = co_await lazy.next();
    EXPECT_FALSE(after.has_value());
  });
}

TEST_P(AsyncGenerator, Aclose_RunsCleanUpThatMayAwait) {
  run([]() -> task<> {
    bool cleaned = false;
    auto numbers = [](bool& done) -> async_generator<int> {
      bool closed = false;
      try {
        for (int i = 0;; ++i) co_yield i;
      } catch (const cancelled_error&) {
        closed = true;
      }
      if (!closed) co_return;
      co_await sleep(1us);
      done = true;
    }(cleaned);
    (void)co_await numbers.next();

    co_await numbers.aclose();
    co_await numbers.aclose();

    EXPECT_TRUE(cleaned);
    const auto after = co_await numbers.next();
    EXPECT_FALSE(after.has_value());
  });
}

TEST_P(AsyncGenerator, AcloseOfOneThatHasEnded_DoesNothing) {
  run([]() -> task<> {
    auto numbers = count_to(1);
    while (const auto number = co_await numbers.next()) EXPECT_EQ(*number, 0);

    co_await numbers.aclose();

    const auto after = co_await numbers.next();
    EXPECT_FALSE(after.has_value());
  });
}

TEST_P(AsyncGenerator, DroppedOne_RunsItsDestructors) {
  run([]() -> task<> {
    auto kept = std::make_shared<int>(0);
    {
      auto numbers = [](std::shared_ptr<int> held) -> async_generator<int> {
        co_yield *held;
        co_yield *held;
      }(kept);
      (void)co_await numbers.next();
      EXPECT_EQ(kept.use_count(), 2);
    }

    EXPECT_EQ(kept.use_count(), 1);
  });
}

TEST_P(AsyncGenerator, GeneratorThatYieldsWhileItIsClosed_IsAnError) {
  run([]() -> task<> {
    auto stubborn = []() -> async_generator<int> {
      for (;;) {
        try {
          co_yield 1;
        } catch (const cancelled_error&) {
        }
      }
    }();
    (void)co_await stubborn.next();

    const auto closed = co_await catch_all(stubborn.aclose());

    EXPECT_TRUE(closed.threw<invalid_state_error>());
  });
}

TEST_P(AsyncGenerator, FailureOfTheCleanUp_ComesOutOfAclose) {
  run([]() -> task<> {
    auto failing = []() -> async_generator<int> {
      try {
        co_yield 1;
      } catch (const cancelled_error&) {
        throw std::runtime_error("clean-up");
      }
    }();
    (void)co_await failing.next();

    const auto closed = co_await catch_all(failing.aclose());

    EXPECT_TRUE(closed.threw<std::runtime_error>());
  });
}

TEST_P(AsyncGenerator, SecondConsumer_IsRefusedAndTheGeneratorIntact) {
  run([]() -> task<> {
    event gate;
    auto numbers = [](event& open) -> async_generator<int> {
      co_await open.wait();
      co_yield 1;
    }(gate);
    auto first = co_await spawn_waiting(
        [&]() -> task<std::optional<int>> { co_return co_await numbers.next(); });

    const auto second = co_await catch_all(numbers.next());
    const auto closed = co_await catch_all(numbers.aclose());
    gate.set();
    const auto got = co_await first;

    EXPECT_TRUE(second.threw<invalid_state_error>());
    EXPECT_TRUE(closed.threw<invalid_state_error>());
    EXPECT_EQ(got, 1);
  });
}

TEST_P(AsyncGenerator, CancellationOfTheConsumer_IsRaisedInsideTheGenerator) {
  run([]() -> task<> {
    event never;
    bool raised = false;
    auto numbers = [](event& gate, bool& seen) -> async_generator<int> {
      try {
        co_await gate.wait();
      } catch (const cancelled_error&) {
        seen = true;
        throw;
      }
      co_yield 1;
    }(never, raised);
    auto consumer = co_await spawn_waiting([&]() -> task<> { (void)co_await numbers.next(); });

    consumer.cancel();
    const ending how = co_await ending_of(consumer);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_TRUE(raised);
  });
}

TEST_P(AsyncGenerator, TaskCancelledWhileItCloses_EndsCancelled) {
  run([]() -> task<> {
    event closing, never;
    auto closer = spawn([&]() -> task<> {
      auto numbers = [](event& begun, event& gate) -> async_generator<int> {
        bool closed = false;
        try {
          co_yield 1;
        } catch (const cancelled_error&) {
          closed = true;
        }
        if (!closed) co_return;
        begun.set();
        co_await gate.wait();
      }(closing, never);
      (void)co_await numbers.next();
      co_await numbers.aclose();
    });
    co_await closing.wait();
    co_await until_waiting(closer);

    closer.cancel();
    const ending how = co_await ending_of(closer);

    EXPECT_EQ(how, ending::cancelled);
  });
}

// ---- athrow -------------------------------------------------------------------------------------

std::exception_ptr some_error() {
  return std::make_exception_ptr(std::runtime_error("thrown in"));
}

TEST_P(AsyncGenerator, ThrownException_ComesOutOfTheYield) {
  run([]() -> task<> {
    auto numbers = []() -> async_generator<int> {
      bool caught = false;
      try {
        co_yield 1;
      } catch (const std::runtime_error&) {
        caught = true;
      }
      co_await yield();
      if (caught) co_yield 2;
      co_yield 3;
    }();
    (void)co_await numbers.next();

    const auto after = co_await numbers.athrow(some_error());
    const auto next = co_await numbers.next();

    EXPECT_EQ(after, 2);
    EXPECT_EQ(next, 3);
  });
}

TEST_P(AsyncGenerator, ThrownExceptionThatIsNotCaught_EndsTheGenerator) {
  run([]() -> task<> {
    auto numbers = count_to(3);
    (void)co_await numbers.next();

    const auto thrown = co_await catch_all(numbers.athrow(some_error()));
    const auto after = co_await numbers.next();
    const auto again = co_await catch_all(numbers.athrow(some_error()));

    EXPECT_TRUE(thrown.threw<std::runtime_error>());
    EXPECT_FALSE(after.has_value());
    EXPECT_TRUE(again.threw<std::runtime_error>());
  });
}

TEST_P(AsyncGenerator, ExceptionThrownBeforeTheStart_KeepsItFromRunning) {
  run([]() -> task<> {
    bool ran = false;
    auto numbers = tells_that_it_runs(ran);

    const auto thrown = co_await catch_all(numbers.athrow(some_error()));
    const auto after = co_await numbers.next();

    EXPECT_TRUE(thrown.threw<std::runtime_error>());
    EXPECT_FALSE(after.has_value());
    EXPECT_FALSE(ran);
  });
}

TEST_P(AsyncGenerator, ValuesThatAreAlwaysReady_LetOthersRun) {
  run([]() -> task<> {
    bool other = false;
    auto task_beside = spawn(
        [](bool& ran) -> task<> {
          ran = true;
          co_return;
        },
        std::ref(other));
    auto endless = []() -> async_generator<int> {
      for (int i = 0;; ++i) co_yield i;
    }();

    for (int i = 0; i < 10'000 && !other; ++i) (void)co_await endless.next();

    EXPECT_TRUE(other);
    co_await task_beside;
  });
}

TEST_P(AsyncGenerator, Awaiter_IsAwaitedOnce) {
  run([]() -> task<> {
    auto numbers = count_to(3);
    auto next = numbers.next();
    (void)co_await next;

    const auto again =
        co_await catch_all([&]() -> task<std::optional<int>> { co_return co_await next; }());

    EXPECT_TRUE(again.threw<invalid_state_error>());
  });
}

// ---- Open when the runtime shuts down ------------------------------------------------------------

/// Notes its name when its clean-up has run, which awaits.
async_generator<int> with_cleanup(std::string& log, char name) {
  std::exception_ptr how;
  try {
    for (int i = 0;; ++i) co_yield i;
  } catch (const cancelled_error&) {
    how = std::current_exception();
  }
  co_await sleep(1ms);
  log += name;
  std::rethrow_exception(how);
}

TEST_P(AsyncGenerator, GeneratorThatIsHeldOutside_IsClosedWhenRunEnds) {
  std::string log;
  auto numbers = with_cleanup(log, 'a');

  run([&]() -> task<> { (void)co_await numbers.next(); });

  EXPECT_EQ(log, "a");
}

TEST_P(AsyncGenerator, GeneratorThatWasClosedByItsRuntime_HasEnded) {
  std::string log;
  auto numbers = with_cleanup(log, 'a');
  run([&]() -> task<> { (void)co_await numbers.next(); });

  run([&]() -> task<> {
    const auto after = co_await numbers.next();
    co_await numbers.aclose();

    EXPECT_FALSE(after.has_value());
  });

  EXPECT_EQ(log, "a");
}

TEST_P(AsyncGenerator, GeneratorsThatAreOpen_AreClosedOldestFirst) {
  std::string log;
  std::vector<async_generator<int>> all;
  for (const char name : {'a', 'b', 'c'}) all.push_back(with_cleanup(log, name));

  run([&]() -> task<> {
    for (auto& each : all) (void)co_await each.next();
  });

  EXPECT_EQ(log, "abc");
}

TEST_P(AsyncGenerator, GeneratorInsideAnOpenOne_DiesWithIt) {
  std::string log;
  auto outer = [](std::string& out) -> async_generator<int> {
    auto inner = with_cleanup(out, 'i');
    while (const auto number = co_await inner.next()) co_yield *number;
  }(log);

  run([&]() -> task<> { (void)co_await outer.next(); });

  EXPECT_EQ(log, "");  // dropped by the outer one's unwinding: its destructors have run, no more
}

TEST_P(AsyncGenerator, GeneratorThatHasNotBegunOrHasEnded_IsLeftAlone) {
  std::string log;
  auto never = with_cleanup(log, 'n');
  auto ended = count_to(1);

  run([&]() -> task<> {
    while (co_await ended.next()) {
    }
  });
  run([&]() -> task<> { (void)co_await never.next(); });

  EXPECT_EQ(log, "n");
}

TEST_P(AsyncGenerator, CleanUpOfAnOpenOne_MaySpawn) {
  std::string log;
  auto numbers = [](std::string& out) -> async_generator<int> {
    bool closed = false;
    try {
      co_yield 1;
    } catch (const cancelled_error&) {
      closed = true;
    }
    if (!closed) co_return;
    auto child = spawn(
        [](std::string& note) -> task<> {
          co_await sleep(1ms);
          note += "child";
        },
        std::ref(out));
    co_await child;
  }(log);

  run([&]() -> task<> { (void)co_await numbers.next(); });

  EXPECT_EQ(log, "child");
}

TEST(AsyncGeneratorShutdown, FailureOfTheCleanUp_IsReported) {
  static std::string told;
  told.clear();
  auto numbers = []() -> async_generator<int> {
    try {
      co_yield 1;
    } catch (const cancelled_error&) {
      throw std::runtime_error("clean-up failed");
    }
  }();

  weft::run([&]() -> task<> { (void)co_await numbers.next(); },
            {.workers = 1, .exception_handler = [](const exception_context& context) {
               try {
                 std::rethrow_exception(context.exception);
               } catch (const std::exception& error) {
                 told += error.what();
               }
             }});

  EXPECT_EQ(told, "clean-up failed");
}

TEST(AsyncGeneratorShutdown, CleanUpThatNeverEnds_IsBoundedByTheShutdownTimeOut) {
  static std::string told;
  told.clear();
  auto numbers = []() -> async_generator<int> {
    bool closed = false;
    try {
      co_yield 1;
    } catch (const cancelled_error&) {
      closed = true;
    }
    while (closed) co_await sleep(1h);
  }();

  weft::run(
      [&]() -> task<> { (void)co_await numbers.next(); },
      {.workers = 2,
       .shutdown_timeout = 20ms,
       .exception_handler = [](const exception_context& context) { told += context.message; }});

  EXPECT_NE(told.find("async_generator::aclose()"), std::string::npos) << told;
}

TEST(AsyncGeneratorShutdown, GeneratorsOfARuntime_AreClosedWithThatOne) {
  std::string log;
  auto numbers = with_cleanup(log, 'a');
  runtime first({.workers = 1});
  first.run([&]() -> task<> { (void)co_await numbers.next(); });

  weft::run([]() -> task<> { co_await yield(); });
  EXPECT_EQ(log, "");
  first.shutdown(10s);

  EXPECT_EQ(log, "a");
}

}  // namespace
}  // namespace weft::testing
