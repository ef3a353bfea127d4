#include "runtimes.h"
#include <weft/runtime/cancel.h>
#include <weft/runtime/gather.h>
#include <weft/runtime/shield.h>
#include <weft/runtime/sleep.h>
#include <weft/sync/event.h>
#include <weft/sync/queue.h>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <numeric>
#include <random>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

class Gather : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Gather, every_kind(), name_of);
class GatherOrder : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, GatherOrder, kinds_in_order(), name_of);
class GatherResults : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, GatherResults, every_kind(), name_of);
class GatherHandles : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, GatherHandles, every_kind(), name_of);
class GatherHandlesOrder : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, GatherHandlesOrder, kinds_in_order(), name_of);

task<int> value_after(clock::duration d, int value) {
  co_await sleep(d);
  co_return value;
}
task<int> fail_after(clock::duration d, const char* what) {
  co_await sleep(d);
  throw std::runtime_error(what);
}
task<> wait_on(event& gate) {
  co_await gate.wait();
}
/// Counts those that were cancelled.
task<int> wait_for_ever(std::atomic<int>& cancelled) {
  event never;
  try {
    co_await never.wait();
  } catch (const cancelled_error&) {
    ++cancelled;
    throw;
  }
  co_return 0;
}
/// Swallows a cancellation and returns.
task<int> stubborn(event& never) {
  try {
    co_await never.wait();
  } catch (const cancelled_error&) {  // swallowed on purpose
  }
  co_return 7;
}

// ---- Awaitables ---------------------------------------------------------------------------------

TEST_P(Gather, Results_ComeInArgumentOrder) {
  run([]() -> task<> {
    const auto [a, b, c] =
        co_await gather(value_after(3ms, 1), value_after(1ms, 2), value_after(2ms, 3));

    EXPECT_EQ(a, 1);
    EXPECT_EQ(b, 2);
    EXPECT_EQ(c, 3);
  });
}

TEST(GatherInTime, Children_RunConcurrently) {
  test_runtime rt;

  rt.run([]() -> task<> {
    (void)co_await gather(value_after(30ms, 1), value_after(10ms, 2), value_after(20ms, 3));
  });

  EXPECT_EQ(rt.clock().elapsed(), 30ms);
}

TEST_P(Gather, AnyAwaitable_MayBeGathered) {
  run([]() -> task<> {
    queue<int> items;
    event gate;
    int target = 0;
    const auto refer = [&]() -> task<int&> { co_return target; };
    auto feeding = spawn([&]() -> task<> {
      co_await items.put(7);
      gate.set();
    });

    auto [nothing, item, same, text] = co_await gather(gate.wait(), items.get(), refer(),
                                                       [](std::string given) -> task<std::string> {
                                                         co_await sleep(1ms);
                                                         co_return given;
                                                       }("text"));
    co_await feeding;

    static_assert(std::is_same_v<decltype(nothing), std::monostate>);
    EXPECT_EQ(item, 7);
    EXPECT_EQ(&same.get(), &target);
    EXPECT_EQ(text, "text");
  });
}

TEST_P(Gather, MoveOnlyValues_ComeThrough) {
  run([]() -> task<> {
    const auto make = [](int value) -> task<std::unique_ptr<int>> {
      co_await yield();
      co_return std::make_unique<int>(value);
    };

    auto [a, b] = co_await gather(make(1), make(2));

    EXPECT_EQ(*a + *b, 3);
  });
}

TEST_P(Gather, GatherOfNothing_IsDoneAtOnce) {
  run([]() -> task<> {
    const std::tuple<> none = co_await gather();
    const std::vector<int> empty = co_await gather(std::vector<task<int>>());
    co_await gather(std::vector<task<>>());

    EXPECT_EQ(none, std::tuple<>());
    EXPECT_TRUE(empty.empty());
  });
}

TEST_P(GatherOrder, Gather_StartsNothingBeforeItIsAwaited) {
  run([]() -> task<> {
    bool ran = false;
    const auto note = [&]() -> task<> {
      ran = true;
      co_return;
    };

    auto lazy = gather(note());
    co_await yield();
    EXPECT_FALSE(ran);
    (void)co_await std::move(lazy);

    EXPECT_TRUE(ran);
  });
}

TEST_P(Gather, GatherThatIsNeverAwaited_DestroysItsChildrenUnrun) {
  run([]() -> task<> {
    auto token = std::make_shared<int>();
    {
      auto dropped = gather([](std::shared_ptr<int>) -> task<> { co_return; }(token), yield());
      EXPECT_EQ(token.use_count(), 2);
    }
    EXPECT_EQ(token.use_count(), 1);
    co_return;
  });
}

TEST_P(GatherOrder, Children_StartInOrder) {
  run([]() -> task<> {
    std::string log;
    const auto note = [&log](char name) -> task<> {
      log += name;
      co_await yield();
      log += name;
    };

    (void)co_await gather(note('a'), note('b'), note('c'));

    EXPECT_EQ(log, "abcabc");
  });
}

TEST_P(Gather, SecondAwait_Throws) {
  run([]() -> task<> {
    auto once = gather(value_after(1us, 1));
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

// ---- Ranges -------------------------------------------------------------------------------------

TEST_P(Gather, Vector_GivesAVectorInItsOrder) {
  run([]() -> task<> {
    std::vector<task<int>> children;
    for (int i = 0; i < 100; ++i) {
      children.push_back(value_after(std::chrono::microseconds((i * 37) % 100), i));
    }

    const std::vector<int> values = co_await gather(std::move(children));

    std::vector<int> expected(100);
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(values, expected);
  });
}

TEST_P(Gather, View_ThatMakesItsTasksMayBeGathered) {
  run([]() -> task<> {
    const auto square = [](int n) -> task<int> {
      co_await yield();
      co_return n* n;
    };

    const std::vector<int> values =
        co_await gather(std::views::iota(0, 5) | std::views::transform(square));

    EXPECT_EQ(values, (std::vector<int>{0, 1, 4, 9, 16}));
  });
}

TEST_P(Gather, RangeOfVoid_GivesNothing) {
  run([]() -> task<> {
    std::atomic<int> ran{0};
    const auto note = [&ran](int) -> task<> {
      co_await yield();
      ++ran;
    };

    co_await gather(std::views::iota(0, 50) | std::views::transform(note));

    EXPECT_EQ(ran.load(), 50);
  });
}

TEST_P(Gather, RangeOfReferences_GivesWrappers) {
  run([]() -> task<> {
    std::array<int, 3> targets{};
    std::vector<task<int&>> children;
    for (int& each : targets) {
      children.push_back([](int& to) -> task<int&> { co_return to; }(each));
    }

    const std::vector<std::reference_wrapper<int>> values = co_await gather(std::move(children));

    for (std::size_t i = 0; i < targets.size(); ++i) EXPECT_EQ(&values[i].get(), &targets[i]);
  });
}

TEST_P(Gather, GatherInto_FillsTheCallersMemory) {
  run([]() -> task<> {
    std::array<int, 4> values{};
    std::vector<task<int>> children;
    for (int i = 0; i < 3; ++i) children.push_back(value_after(1us, i + 1));

    co_await gather_into(std::move(children), std::span<int>(values));

    EXPECT_EQ(values, (std::array<int, 4>{1, 2, 3, 0}));
  });
}

TEST_P(Gather, GatherInto_WithoutRoomThrowsBeforeAnythingStarts) {
  run([]() -> task<> {
    std::array<int, 1> values{};
    bool ran = false;
    std::vector<task<int>> children;
    for (int i = 0; i < 2; ++i) {
      children.push_back([](bool& flag) -> task<int> {
        flag = true;
        co_return 1;
      }(ran));
    }

    EXPECT_THROW((void)gather_into(std::move(children), std::span<int>(values)), std::length_error);

    co_await yield();
    EXPECT_FALSE(ran);
  });
}

// ---- Failures -----------------------------------------------------------------------------------

TEST_P(Gather, Failure_CancelsAndAwaitsTheOthers) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};

    const auto ended = co_await catch_all(
        gather(wait_for_ever(cancelled), fail_after(1ms, "first"), wait_for_ever(cancelled)));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
    EXPECT_EQ(cancelled.load(), 2);
  });
}

TEST(GatherInTime, Failure_WaitsForTheSlowCleanUpOfTheOthers) {
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

    const auto ended = co_await catch_all(gather(slow(), fail_after(10ms, "first")));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
    EXPECT_TRUE(cleaned);
  });

  EXPECT_EQ(rt.clock().elapsed(), 30ms);
}

TEST(GatherInTime, FirstFailure_IsTheOneThatIsRethrown) {
  test_runtime rt;

  rt.run([]() -> task<> {
    std::string what;
    try {
      (void)co_await gather(fail_after(2ms, "second"), fail_after(1ms, "first"));
    } catch (const std::runtime_error& error) {
      what = error.what();
    }

    EXPECT_EQ(what, "first");
  });
}

TEST_P(Gather, FailuresOfTheOthers_AreSeenByNobodyAndReportedToNobody) {
  std::atomic<int> reports{0};
  run([&]() -> task<> {
    runtime::current().set_exception_handler([&](const exception_context&) { ++reports; });
    event never;
    const auto fails_in_its_clean_up = [&]() -> task<> {
      try {
        co_await never.wait();
      } catch (const cancelled_error&) {
        throw std::logic_error("clean-up");
      }
    };

    const auto ended =
        co_await catch_all(gather(fails_in_its_clean_up(), fail_after(100us, "first")));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
  });
  EXPECT_EQ(reports.load(), 0);
}

TEST_P(Gather, ChildThatThrowsTheCancellation_EndsTheGatherWithIt) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};
    const auto gives_up = []() -> task<int> {
      co_await yield();
      throw cancelled_error();
    };

    const auto ended = co_await catch_all(gather(wait_for_ever(cancelled), gives_up()));

    EXPECT_TRUE(ended.threw<cancelled_error>());
    EXPECT_EQ(cancelled.load(), 1);
    EXPECT_EQ(this_task::cancelling(), 0);
  });
}

TEST_P(Gather, FailureOfARange_CancelsAndAwaitsTheOthers) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};
    std::vector<task<int>> children;
    for (int i = 0; i < 50; ++i) {
      children.push_back(i == 25 ? fail_after(1ms, "one") : wait_for_ever(cancelled));
    }

    const auto ended = co_await catch_all(gather(std::move(children)));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
    EXPECT_EQ(cancelled.load(), 49);
  });
}

// A child on another worker fails while the parent still starts its siblings.
TEST_P(Gather, FailureWhileOthersAreBeingStarted_CancelsThoseToo) {
  for (int round = 0; round < 20; ++round) {
    run([]() -> task<> {
      event never;
      std::vector<task<>> children;
      for (int i = 0; i < 1000; ++i) {
        if (i < 4) {
          children.push_back([]() -> task<> {
            throw std::runtime_error("at once");
            co_return;
          }());
        } else {
          children.push_back(wait_on(never));
        }
      }

      const auto ended = co_await catch_all(gather(std::move(children)));

      EXPECT_TRUE(ended.threw<std::runtime_error>());
      EXPECT_FALSE(never.has_waiters());
    });
  }
}

// ---- Cancellation -------------------------------------------------------------------------------

TEST_P(Gather, CancelledGather_CancelsEveryChildAndWaitsForAll) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};
    auto gathering = co_await spawn_waiting([&]() -> task<> {
      (void)co_await gather(wait_for_ever(cancelled), wait_for_ever(cancelled),
                            wait_for_ever(cancelled));
    });
    co_await until_waiters(4);

    gathering.cancel();
    const ending how = co_await ending_of(gathering);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_EQ(cancelled.load(), 3);
  });
}

TEST_P(Gather, CancelledGather_EndsCancelledThoughChildrenSwallowIt) {
  run([]() -> task<> {
    event never;
    auto gathering = co_await spawn_waiting(
        [&]() -> task<> { (void)co_await gather(stubborn(never), stubborn(never)); });
    co_await until_waiters(3);

    gathering.cancel();
    const ending how = co_await ending_of(gathering);

    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(GatherOrder, GatherOfACancelledTask_StartsNoBody) {
  run([]() -> task<> {
    join_handle<> self;
    event assigned;
    std::atomic<bool> ran{false};
    const auto note = [&ran]() -> task<> {
      ran = true;
      co_await sleep(1h);
    };
    self = spawn([&]() -> task<> {
      co_await assigned.wait();
      self.cancel();
      (void)co_await gather(note(), note());
    });

    assigned.set();
    const ending how = co_await ending_of(self);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_FALSE(ran);
  });
}

TEST_P(GatherOrder, GatherWhoseChildrenAreDone_BeatsALaterRequest) {
  run([]() -> task<> {
    event gate;
    int got = 0;
    auto gathering = co_await spawn_waiting([&]() -> task<> {
      const auto [a, b] = co_await gather([]() -> task<int> { co_return 1; }(),
                                          [](event& opened) -> task<int> {
                                            co_await opened.wait();
                                            co_return 2;
                                          }(gate));
      got = a + b;
      co_await yield();
      ADD_FAILURE() << "the request was lost";
    });
    co_await until_waiters(2);
    gate.set();
    co_await yield();  // the last child has ended, the parent is ready

    const bool asked = gathering.cancel();
    const ending how = co_await ending_of(gathering);

    EXPECT_TRUE(asked);
    EXPECT_EQ(got, 3);
    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(Gather, NestedGathers_AreCancelledToTheLeaves) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};
    const auto two = [&]() -> task<> {
      (void)co_await gather(wait_for_ever(cancelled), wait_for_ever(cancelled));
    };
    const auto four = [&]() -> task<> { (void)co_await gather(two(), two()); };
    auto gathering =
        co_await spawn_waiting([&]() -> task<> { (void)co_await gather(four(), four()); });
    co_await until_waiters(15);

    gathering.cancel();
    const ending how = co_await ending_of(gathering);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_EQ(cancelled.load(), 8);
  });
}

// The request comes from another thread around the end of the last child.
TEST(GatherStress, RequestThatMeetsTheLastEnd_IsDecidedOnceAndNoChildOutlivesIt) {
  std::mt19937_64 random(stress_seed());
  runtime rt({.workers = 4});
  struct counted {
    std::atomic<int>& alive;
    explicit counted(std::atomic<int>& count) : alive(count) { ++alive; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() { --alive; }
  };
  for (int round = 0; round < 300; ++round) {
    std::atomic<int> alive{0};
    std::atomic<bool> got{false};
    const auto child = [&alive](std::chrono::microseconds d, int value) -> task<int> {
      const counted here(alive);
      co_return co_await value_after(d, value);
    };
    const std::chrono::microseconds first(random() % 100), second(random() % 100);
    auto gathering = rt.spawn([&]() -> task<> {
      try {
        const auto [a, b] = co_await gather(child(first, 1), child(second, 2));
        got = a + b == 3;
      } catch (const cancelled_error&) {
        EXPECT_EQ(alive.load(), 0);
        throw;
      }
      EXPECT_EQ(alive.load(), 0);
      co_await yield();
    });
    const auto until = clock::now() + std::chrono::microseconds(random() % 200);
    while (clock::now() < until) std::this_thread::yield();

    const bool asked = gathering.cancel();

    try {
      gathering.get();
      EXPECT_TRUE(got);
    } catch (const cancelled_error&) {
      EXPECT_TRUE(asked);
    }
  }
}

// ---- return_exceptions --------------------------------------------------------------------------

TEST_P(GatherResults, FailuresAndCancellations_StandInTheirPlaces) {
  run([]() -> task<> {
    const auto gives_up = []() -> task<int> {
      co_await yield();
      throw cancelled_error();
    };

    const auto [value, failure, cancelled] = co_await gather(
        return_exceptions, value_after(1ms, 7), fail_after(100us, "failed"), gives_up());

    EXPECT_EQ(value.value(), 7);
    EXPECT_THROW(failure.value(), std::runtime_error);
    EXPECT_FALSE(failure.cancelled());
    EXPECT_TRUE(cancelled.cancelled());
  });
}

TEST_P(GatherResults, Range_GivesAVectorOfResults) {
  run([]() -> task<> {
    std::vector<task<int>> children;
    for (int i = 0; i < 10; ++i) {
      children.push_back(i % 2 == 0 ? value_after(1us, i) : fail_after(1us, "odd"));
    }

    const std::vector<result<int>> results =
        co_await gather(return_exceptions, std::move(children));

    for (std::size_t i = 0; i < results.size(); ++i) EXPECT_EQ(results[i].has_value(), i % 2 == 0);
  });
}

TEST_P(GatherResults, CancelledGather_StillEndsCancelled) {
  run([]() -> task<> {
    event never;
    std::atomic<int> cancelled{0};
    auto gathering = co_await spawn_waiting([&]() -> task<> {
      (void)co_await gather(return_exceptions, stubborn(never), wait_for_ever(cancelled));
    });
    co_await until_waiters(3);

    gathering.cancel();
    const ending how = co_await ending_of(gathering);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_EQ(cancelled.load(), 1);
  });
}

// ---- Handles ------------------------------------------------------------------------------------

TEST_P(GatherHandles, Values_ComeInArgumentOrder) {
  run([]() -> task<> {
    auto one = spawn(value_after(1ms, 1));
    auto two = spawn(value_after(100us, 2));

    const auto [a, b] = co_await gather(one, two);

    EXPECT_EQ(a, 1);
    EXPECT_EQ(b, 2);
    EXPECT_EQ(one.result(), 1);  // the handles stay the caller's
  });
}

TEST_P(GatherHandles, OneHandleTwice_FillsBothPlaces) {
  run([]() -> task<> {
    std::atomic<int> runs{0};
    auto once = spawn([&]() -> task<int> {
      ++runs;
      co_await yield();
      co_return 7;
    });

    const auto [a, b] = co_await gather(once, once);

    EXPECT_EQ(a, 7);
    EXPECT_EQ(b, 7);
    EXPECT_EQ(runs.load(), 1);
  });
}

TEST_P(GatherHandles, SecondAwait_Throws) {
  run([]() -> task<> {
    std::vector<join_handle<>> handles;
    handles.push_back(spawn(yield()));
    auto of_one = gather(handles[0]);
    auto of_range = gather(handles);
    co_await of_one;
    co_await of_range;

    const auto await_again = [](auto& operation) -> task<> { (void)co_await operation; };
    const auto one_again = co_await catch_all(await_again(of_one));
    const auto range_again = co_await catch_all(await_again(of_range));

    EXPECT_TRUE(one_again.threw<invalid_state_error>());
    EXPECT_TRUE(range_again.threw<invalid_state_error>());
  });
}

TEST_P(GatherHandles, EmptyHandle_IsAnInvalidState) {
  run([]() -> task<> {
    std::vector<join_handle<>> handles(2);
    handles[0] = spawn(yield());

    const auto of_two =
        co_await catch_all([&]() -> task<> { co_await gather(handles[0], handles[1]); }());
    const auto of_range = co_await catch_all([&]() -> task<> { co_await gather(handles); }());

    EXPECT_TRUE(of_two.threw<invalid_state_error>());
    EXPECT_TRUE(of_range.threw<invalid_state_error>());
  });
}

TEST_P(GatherHandles, AnyRangeOfHandles_MayBeGathered) {
  run([]() -> task<> {
    std::list<join_handle<int>> handles;
    for (int i = 0; i < 20; ++i) handles.push_back(spawn(value_after(1us * i, i)));

    const std::vector<int> values = co_await gather(handles);

    EXPECT_EQ(values.size(), 20u);
    EXPECT_EQ(values[19], 19);
  });
}

TEST_P(GatherHandles, FinishedTasks_GiveTheirValuesAtOnce) {
  run([]() -> task<> {
    auto one = spawn(value_after(1us, 1));
    auto two = spawn(value_after(1us, 2));
    (void)co_await one;
    (void)co_await two;

    const auto [a, b] = co_await gather(one, two);

    EXPECT_EQ(a + b, 3);
  });
}

TEST_P(GatherHandles, FirstFailure_IsRethrownAtOnceAndTheOthersGoOn) {
  run([]() -> task<> {
    event gate;
    auto failing = spawn(fail_after(100us, "first"));
    auto waiting = spawn(wait_on(gate));

    const auto ended = co_await catch_all(gather(failing, waiting));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
    EXPECT_FALSE(waiting.done());
    gate.set();
    const ending how = co_await ending_of(waiting);
    EXPECT_EQ(how, ending::value);
  });
}

TEST_P(GatherHandles, LaterFailureOfAnother_StaysInItsHandle) {
  for (const bool somebody_looks : {true, false}) {
    std::atomic<int> reports{0};
    run([&]() -> task<> {
      runtime::current().set_exception_handler([&](const exception_context&) { ++reports; });
      event gate;
      auto first = spawn(fail_after(100us, "first"));
      auto later = co_await spawn_waiting([&]() -> task<> {
        co_await gate.wait();
        throw std::logic_error("later");
      });

      const auto ended = co_await catch_all(gather(first, later));
      gate.set();
      while (!later.done()) co_await yield();

      EXPECT_TRUE(ended.threw<std::runtime_error>());
      if (somebody_looks) {
        EXPECT_THROW(later.result(), std::logic_error);
      }
    });
    EXPECT_EQ(reports.load(), somebody_looks ? 0 : 1);
  }
}

TEST_P(GatherHandlesOrder, RequestAfterTheFailure_LeavesTheOthersAlone) {
  run([]() -> task<> {
    event failing_gate;
    event gate;
    auto failing = co_await spawn_waiting([&]() -> task<> {
      co_await failing_gate.wait();
      throw std::runtime_error("first");
    });
    auto waiting = co_await spawn_waiting(wait_on, std::ref(gate));
    bool failed = false;
    auto gathering = co_await spawn_waiting([&]() -> task<> {
      try {
        (void)co_await gather(failing, waiting);
      } catch (const std::runtime_error&) {
        failed = true;
      }
      co_await yield();
      ADD_FAILURE() << "the request was lost";
    });
    failing_gate.set();
    co_await yield();  // the gather has failed, its awaiter is ready

    const bool asked = gathering.cancel();
    const ending how = co_await ending_of(gathering);

    EXPECT_TRUE(asked);
    EXPECT_TRUE(failed);
    EXPECT_EQ(how, ending::cancelled);
    EXPECT_FALSE(waiting.done());
    gate.set();
    const ending of_waiting = co_await ending_of(waiting);
    EXPECT_EQ(of_waiting, ending::value);
  });
}

TEST_P(GatherHandles, CancelledGather_CancelsAllAndWaitsForThem) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};
    std::vector<join_handle<int>> handles;
    for (int i = 0; i < 5; ++i) handles.push_back(spawn(wait_for_ever(cancelled)));
    for (auto& each : handles) co_await until_waiting(each);
    auto gathering = co_await spawn_waiting([&]() -> task<> { (void)co_await gather(handles); });

    gathering.cancel();
    const ending how = co_await ending_of(gathering);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_EQ(cancelled.load(), 5);
    for (auto& each : handles) EXPECT_TRUE(each.cancelled());
  });
}

TEST_P(GatherHandles, TaskCancelledByAThirdParty_IsAnError) {
  run([]() -> task<> {
    event never;
    event gate;
    auto victim = co_await spawn_waiting(wait_on, std::ref(never));
    auto sibling = co_await spawn_waiting(wait_on, std::ref(gate));
    auto gathering =
        co_await spawn_waiting([&]() -> task<> { (void)co_await gather(victim, sibling); });

    victim.cancel();
    const auto ended = co_await catch_all(gathering);

    EXPECT_TRUE(ended.threw<cancelled_error>());
    EXPECT_FALSE(sibling.done());
    gate.set();
    co_await sibling;
  });
}

TEST_P(GatherHandles, ResultsOfHandles_StandInTheirPlaces) {
  run([]() -> task<> {
    event never;
    auto value = spawn(value_after(1us, 7));
    auto failure = spawn(fail_after(1us, "failed"));
    auto cancelled = co_await spawn_waiting(wait_on, std::ref(never));
    cancelled.cancel();

    const auto [a, b, c] = co_await gather(return_exceptions, value, failure, cancelled);

    EXPECT_EQ(a.value(), 7);
    EXPECT_THROW(b.value(), std::runtime_error);
    EXPECT_TRUE(c.cancelled());
  });
}

TEST_P(GatherHandles, GatherOfShields_LeavesTheShieldedAlone) {
  run([]() -> task<> {
    event gate;
    auto one = co_await spawn_waiting(wait_on, std::ref(gate));
    auto two = co_await spawn_waiting(wait_on, std::ref(gate));
    auto gathering = co_await spawn_waiting(
        [&]() -> task<> { (void)co_await gather(shield(one), shield(two)); });

    gathering.cancel();
    const ending how = co_await ending_of(gathering);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_FALSE(one.done());
    EXPECT_FALSE(two.done());
    gate.set();
    co_await one;
    co_await two;
  });
}

TEST_P(GatherHandles, WaitingAgainAndAgainOnOneTask_LeavesNothingOnIt) {
  run([]() -> task<> {
    event gate;
    auto long_lived = co_await spawn_waiting(wait_on, std::ref(gate));
    for (int i = 0; i < 100; ++i) {
      auto failing = spawn(fail_after(0ms, "early"));
      const auto ended = co_await catch_all(gather(long_lived, failing));
      EXPECT_TRUE(ended.threw<std::runtime_error>());
    }

    gate.set();
    const ending how = co_await ending_of(long_lived);

    EXPECT_EQ(how, ending::value);
  });
}

// ---- The last resort of a shutdown -------------------------------------------------------------

class GatherShutdown : public ::testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Workers, GatherShutdown, ::testing::Values(1, 4));

task<> swallow_for_ever(std::shared_ptr<int>) {
  for (;;) {
    try {
      co_await sleep(1h);
    } catch (const cancelled_error&) {  // swallowed on purpose
    }
  }
}

TEST_P(GatherShutdown, GatherThatNeverEnds_IsDestroyedWithItsChildren) {
  auto token = std::make_shared<int>();
  runtime rt({.workers = GetParam()});
  rt.set_exception_handler([](const exception_context&) {});
  rt.run([&]() -> task<> {
    for (int i = 0; i < 5; ++i) {
      spawn([](std::shared_ptr<int> held) -> task<> {
        (void)co_await gather(swallow_for_ever(held), swallow_for_ever(held));
      }(token))
          .detach();
      spawn([](std::shared_ptr<int> held) -> task<> {
        auto one = spawn(swallow_for_ever(held));
        auto two = spawn(swallow_for_ever(held));
        (void)co_await gather(one, two);
      }(token))
          .detach();
    }
    co_await until_waiters(30);
  });

  EXPECT_FALSE(rt.shutdown(20ms));

  EXPECT_EQ(take_ledger().tasks, 0);
  EXPECT_EQ(token.use_count(), 1);
}

}  // namespace
}  // namespace weft::testing
