#include "cancelled_task.h"
#include "runtimes.h"
#include <weft/runtime/cancel.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/event.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class TaskGroup : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, TaskGroup, every_kind(), name_of);
class TaskGroupOrder : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, TaskGroupOrder, kinds_in_order(), name_of);
class TaskGroupFailure : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, TaskGroupFailure, every_kind(), name_of);
class TaskGroupEnd : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, TaskGroupEnd, every_kind(), name_of);
class TaskGroupCancelled : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, TaskGroupCancelled, every_kind(), name_of);
class TaskGroupCancelledOrder : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, TaskGroupCancelledOrder, kinds_in_order(), name_of);

task<int> value_after(clock::duration d, int value) {
  co_await sleep(d);
  co_return value;
}
task<> fail_after(clock::duration d, std::string what) {
  co_await sleep(d);
  throw std::runtime_error(what);
}
task<> fail_at_once(std::string what) {
  throw std::runtime_error(what);
  co_return;
}
task<> wait_on(event& gate) {
  co_await gate.wait();
}
/// Counts those that were cancelled.
task<> wait_for_ever(std::atomic<int>& cancelled) {
  event never;
  try {
    co_await never.wait();
  } catch (const cancelled_error&) {
    ++cancelled;
    throw;
  }
}
/// Swallows a cancellation and returns.
task<int> stubborn(event& never) {
  try {
    co_await never.wait();
  } catch (const cancelled_error&) {  // swallowed on purpose
  }
  co_return 7;
}
/// Answers its cancellation with a failure.
task<> fail_in_the_clean_up(event& never, std::string what) {
  try {
    co_await never.wait();
  } catch (const cancelled_error&) {
    throw std::logic_error(what);
  }
}

/// Spawns a child and lets it run until it waits.
template <class T>
task<join_handle<T>> spawn_into(task_group& group, task<T> child) {
  auto handle = group.spawn(std::move(child));
  co_await until_waiting(handle);
  co_return handle;
}

/// The failures of a group that ended with an exception_group, the nested ones too; empty otherwise.
template <class T>
std::vector<std::string> failures_of(outcome<T>& ended) {
  std::vector<std::string> found;
  if (ended.ok()) return found;
  try {
    ended.value();
  } catch (const exception_group& errors) {
    errors.for_each<std::exception>(
        [&](const std::exception& each) { found.push_back(each.what()); });
  } catch (...) {  // no group
  }
  return found;
}

// ---- Children ----------------------------------------------------------------------------------

TEST_P(TaskGroup, Scope_EndsAfterTheLastChild) {
  run([]() -> task<> {
    std::atomic<int> ended{0};

    co_await with_task_group([&](task_group& group) -> task<> {
      for (int i = 0; i < 20; ++i) {
        group.spawn([&, i]() -> task<> {
          co_await sleep(std::chrono::microseconds(i * 37 % 100));
          ++ended;
        });
      }
      co_return;
    });

    EXPECT_EQ(ended.load(), 20);
  });
}

TEST(TaskGroupInTime, Children_RunBesideEachOtherAndTheBody) {
  test_runtime rt;

  rt.run([]() -> task<> {
    co_await with_task_group([](task_group& group) -> task<> {
      group.spawn(sleep(10ms));
      group.spawn(sleep(30ms));
      co_await sleep(20ms);
    });
  });

  EXPECT_EQ(rt.clock().elapsed(), 30ms);
}

TEST_P(TaskGroupOrder, Spawn_RunsNothingOnTheCallersStack) {
  run([]() -> task<> {
    std::string log;
    const auto note = [&log](char name) -> task<> {
      log += name;
      co_await yield();
      log += name;
    };

    co_await with_task_group([&](task_group& group) -> task<> {
      group.spawn(note('a'));
      group.spawn(note('b'));
      log += '-';
      co_await yield();
      log += '+';
    });

    EXPECT_EQ(log, "-ab+ab");
  });
}

TEST_P(TaskGroup, ValueOfTheBody_IsGiven) {
  run([]() -> task<> {
    int target = 0;

    const int number = co_await with_task_group([](task_group& group) -> task<int> {
      group.spawn(yield());
      co_return 7;
    });
    const std::unique_ptr<int> owned =
        co_await with_task_group([](task_group&) -> task<std::unique_ptr<int>> {
          co_await yield();
          co_return std::make_unique<int>(8);
        });
    int& same = co_await with_task_group([&](task_group&) -> task<int&> { co_return target; });

    EXPECT_EQ(number, 7);
    EXPECT_EQ(*owned, 8);
    EXPECT_EQ(&same, &target);
  });
}

TEST_P(TaskGroup, Handles_GiveTheResultsInTheBodyAndAfterIt) {
  run([]() -> task<> {
    std::vector<join_handle<int>> kept;

    const int sum = co_await with_task_group([&](task_group& group) -> task<int> {
      auto a = group.spawn(value_after(20us, 1));
      auto b = group.spawn(value_after, 10us, 2);
      for (int i = 0; i < 10; ++i) kept.push_back(group.spawn(value_after(1us * i, i)));
      const int x = co_await a;
      const int y = co_await std::move(b);
      co_return x + y;
    });

    EXPECT_EQ(sum, 3);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(kept[static_cast<std::size_t>(i)].result(), i);
  });
}

TEST_P(TaskGroup, MoveOnlyValueOfAChild_ComesThrough) {
  run([]() -> task<> {
    const auto make = [](std::unique_ptr<int> given) -> task<std::unique_ptr<int>> {
      co_await yield();
      co_return given;
    };

    const int got = co_await with_task_group([&](task_group& group) -> task<int> {
      auto child = group.spawn(make, std::make_unique<int>(7));
      const std::unique_ptr<int> value = co_await std::move(child);
      co_return *value;
    });

    EXPECT_EQ(got, 7);
  });
}

TEST_P(TaskGroup, GroupWithoutChildren_EndsWithItsBody) {
  run([]() -> task<> {
    co_await with_task_group([](task_group&) {});
    const int value = co_await with_task_group([](task_group&) -> task<int> { co_return 7; });

    EXPECT_EQ(value, 7);
  });
}

TEST_P(TaskGroup, PlainFunction_IsABodyToo) {
  run([]() -> task<> {
    std::atomic<int> ran{0};

    co_await with_task_group([&](task_group& group) {  // nothing to await in here
      for (int i = 0; i < 10; ++i) {
        group.spawn([&]() -> task<> {
          co_await yield();
          ++ran;
        });
      }
    });

    EXPECT_EQ(ran.load(), 10);
  });
}

TEST_P(TaskGroup, Body_MayIgnoreItsGroup) {
  run([]() -> task<> {
    bool ran = false;

    co_await with_task_group([&] { ran = true; });
    const int value = co_await with_task_group([]() -> task<int> {
      co_await yield();
      co_return 7;
    });

    EXPECT_TRUE(ran);
    EXPECT_EQ(value, 7);
  });
}

TEST_P(TaskGroup, NamedBody_MayBeBorrowed) {
  run([]() -> task<> {
    struct counting {
      int calls = 0;
      task<int> operator()(task_group& group) {
        group.spawn(yield());
        co_return ++calls;
      }
    } body;

    (void)co_await with_task_group(std::ref(body));
    const int second = co_await with_task_group(std::ref(body));

    EXPECT_EQ(second, 2);
  });
}

TEST_P(TaskGroup, Scope_RunsNothingBeforeItIsAwaited) {
  run([]() -> task<> {
    auto token = std::make_shared<int>();
    bool ran = false;
    {
      const auto body = [&ran, token](task_group&) { ran = true; };
      auto scope = with_task_group(body);
      co_await yield();
    }

    EXPECT_FALSE(ran);
    EXPECT_EQ(token.use_count(), 1);
  });
}

TEST_P(TaskGroup, SpawnOptions_ReachTheChild) {
  run([]() -> task<> {
    std::string name;
    const auto ask = [](std::string& into) -> task<> {
      into = this_task::name();
      co_return;
    };

    co_await with_task_group([&](task_group& group) -> task<> {
      auto first = group.spawn(ask(name), {.name = "first"});
      EXPECT_EQ(first.name(), "first");
      co_await first;
      EXPECT_EQ(name, "first");
      co_await group.spawn({.name = "second"}, ask, std::ref(name));
    });

    EXPECT_EQ(name, "second");
  });
}

TEST_P(TaskGroup, Descendants_MaySpawnWhileTheGroupWaitsForThem) {
  run([]() -> task<> {
    std::atomic<int> ran{0};
    struct tree {
      static task<> grow(task_group& group, std::atomic<int>& count, int depth) {
        co_await yield();
        ++count;
        if (depth == 0) co_return;
        group.spawn(grow, std::ref(group), std::ref(count), depth - 1);
        group.spawn(grow, std::ref(group), std::ref(count), depth - 1);
      }
    };

    co_await with_task_group(
        [&](task_group& group) { group.spawn(tree::grow(group, ran, 8)); });  // the body is over

    EXPECT_EQ(ran.load(), (1 << 9) - 1);
  });
}

TEST_P(TaskGroup, ThousandsOfChildren_AllEnd) {
  run([]() -> task<> {
    std::atomic<int> ran{0};

    co_await with_task_group([&](task_group& group) -> task<> {
      for (int i = 0; i < 10'000; ++i) {
        group.spawn([](std::atomic<int>& count, int n) -> task<> {
          if (n % 3 == 0) co_await yield();
          if (n % 7 == 0) co_await sleep(1us * n);
          ++count;
        }(ran, i));
        if (i % 1000 == 0) co_await yield();
      }
    });

    EXPECT_EQ(ran.load(), 10'000);
  });
}

TEST_P(TaskGroupOrder, LongLivedGroup_HoldsNoFinishedChild) {
  run([]() -> task<> {
    co_await with_task_group([](task_group& group) -> task<> {
      co_await group.spawn(yield());
      const std::int64_t frames = take_ledger().frames;

      for (int i = 0; i < 1000; ++i) co_await group.spawn(yield());

      EXPECT_EQ(take_ledger().frames, frames);
    });
  });
}

TEST_P(TaskGroup, NestedScopes_AreIndependent) {
  run([]() -> task<> {
    std::atomic<int> inner_ended{0};

    const int value = co_await with_task_group([&](task_group& outer) -> task<int> {
      auto slow = outer.spawn(value_after(200us, 1));
      co_await with_task_group([&](task_group& inner) {
        for (int i = 0; i < 5; ++i) {
          inner.spawn([&]() -> task<> {
            co_await yield();
            ++inner_ended;
          });
        }
      });
      EXPECT_EQ(inner_ended.load(), 5);
      co_return co_await slow;
    });

    EXPECT_EQ(value, 1);
  });
}

// ---- Failures ----------------------------------------------------------------------------------

TEST_P(TaskGroupFailure, Failure_CancelsSiblingsAndBody) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};

    auto ended = co_await catch_all(with_task_group([&](task_group& group) -> task<> {
      group.spawn(wait_for_ever(cancelled));
      group.spawn(fail_after(100us, "child"));
      group.spawn(wait_for_ever(cancelled));
      co_await wait_for_ever(cancelled);
    }));

    EXPECT_EQ(failures_of(ended), std::vector<std::string>{"child"});
    EXPECT_EQ(cancelled.load(), 3);
  });
}

TEST_P(TaskGroupFailure, OneFailure_IsAGroupOfOne) {
  run([]() -> task<> {
    std::string what;
    std::size_t members = 0;
    try {
      co_await with_task_group([](task_group& group) { group.spawn(fail_after(1us, "one")); });
    } catch (const exception_group& errors) {
      what = errors.what();
      members = errors.exceptions().size();
    }

    EXPECT_EQ(members, 1u);
    EXPECT_THAT(what, HasSubstr("task group"));
  });
}

TEST_P(TaskGroupFailure, FailuresDuringTheCancellation_AreInTheGroupToo) {
  run([]() -> task<> {
    event never;

    auto ended = co_await catch_all(with_task_group([&](task_group& group) -> task<> {
      auto a = co_await spawn_into(group, fail_in_the_clean_up(never, "a"));
      auto b = co_await spawn_into(group, fail_in_the_clean_up(never, "b"));
      group.spawn(fail_at_once("first"));
      co_await fail_in_the_clean_up(never, "body");
    }));

    EXPECT_THAT(failures_of(ended), ::testing::UnorderedElementsAre("first", "a", "b", "body"));
  });
}

TEST_P(TaskGroupFailure, FailureOfTheBody_CancelsAndAwaitsTheChildrenAndIsInTheGroup) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};

    auto ended = co_await catch_all(with_task_group([&](task_group& group) -> task<> {
      for (int i = 0; i < 3; ++i) auto child = co_await spawn_into(group, wait_for_ever(cancelled));
      throw std::runtime_error("body");
    }));

    EXPECT_EQ(failures_of(ended), std::vector<std::string>{"body"});
    EXPECT_EQ(cancelled.load(), 3);
  });
}

TEST_P(TaskGroupFailure, FailureOfAPlainBody_IsInTheGroup) {
  run([]() -> task<> {
    auto ended = co_await catch_all(with_task_group([](task_group& group) {
      group.spawn(sleep(1h));
      throw std::runtime_error("body");
    }));

    EXPECT_EQ(failures_of(ended), std::vector<std::string>{"body"});
  });
}

TEST(TaskGroupInTime, Failure_WaitsForTheSlowCleanUpOfTheOthers) {
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

    auto ended = co_await catch_all(with_task_group([&](task_group& group) {
      group.spawn(slow());
      group.spawn(fail_after(10ms, "child"));
    }));

    EXPECT_EQ(failures_of(ended), std::vector<std::string>{"child"});
    EXPECT_TRUE(cleaned);
  });

  EXPECT_EQ(rt.clock().elapsed(), 30ms);
}

TEST_P(TaskGroupFailure, FailuresOfNestedGroups_AreNested) {
  run([]() -> task<> {
    std::size_t outer_members = 0;
    std::size_t runtime_errors = 0;
    std::size_t logic_errors = 0;
    try {
      co_await with_task_group([&](task_group& outer) {
        outer.spawn([&]() -> task<> {
          event never;
          co_await with_task_group([&](task_group& inner) -> task<> {
            auto in_clean_up = co_await spawn_into(inner, fail_in_the_clean_up(never, "inner"));
            inner.spawn(fail_at_once("first"));
          });
        });
      });
    } catch (const exception_group& errors) {
      outer_members = errors.exceptions().size();
      runtime_errors = errors.for_each<std::runtime_error>([](const std::runtime_error&) {});
      logic_errors = errors.for_each<std::logic_error>([](const std::logic_error&) {});
    }

    EXPECT_EQ(outer_members, 1u);
    EXPECT_EQ(runtime_errors, 1u);
    EXPECT_EQ(logic_errors, 1u);
  });
}

TEST_P(TaskGroupFailure, InnerAndOuterFailures_AreBothThere) {
  run([]() -> task<> {
    event never;
    event child_waits;
    const auto fail_then = [&]() -> task<> {
      co_await child_waits.wait();
      throw std::runtime_error("outer");
    };

    auto ended = co_await catch_all(with_task_group([&](task_group& outer) -> task<> {
      outer.spawn(fail_then());
      co_await with_task_group([&](task_group& inner) -> task<> {
        auto child = co_await spawn_into(inner, fail_in_the_clean_up(never, "inner"));
        child_waits.set();
        co_await never.wait();
      });
    }));

    EXPECT_THAT(failures_of(ended), ::testing::UnorderedElementsAre("outer", "inner"));
    const int requests = this_task::cancelling();
    EXPECT_EQ(requests, 0);
  });
}

TEST_P(TaskGroupFailure, CancelledChild_IsNoFailureAndDisturbsNobody) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};
    const auto gives_up = []() -> task<> {
      co_await yield();
      throw cancelled_error();
    };

    const int value = co_await with_task_group([&](task_group& group) -> task<int> {
      auto victim = co_await spawn_into(group, wait_for_ever(cancelled));
      auto self = group.spawn(gives_up());
      auto sibling = group.spawn(value_after(100us, 7));
      victim.cancel();
      co_return co_await sibling;
    });

    EXPECT_EQ(value, 7);
    EXPECT_EQ(cancelled.load(), 1);
  });
}

TEST_P(TaskGroupFailure, FailureSeenThroughItsHandle_IsInTheGroupOnce) {
  run([]() -> task<> {
    event failed;
    const auto fail = [&]() -> task<> {
      co_await failed.wait();
      throw std::runtime_error("child");
    };
    join_handle<> child;
    const auto wait = [&]() -> task<> { co_await child; };

    auto ended = co_await catch_all(with_task_group([&](task_group& group) -> task<> {
      child = group.spawn(fail());
      auto sibling = co_await spawn_into(group, wait());
      failed.set();
      co_await child;
    }));

    EXPECT_EQ(failures_of(ended), std::vector<std::string>{"child"});
  });
}

TEST_P(TaskGroupFailure, EqualFailuresOfTwoChildren_AreTwo) {
  run([]() -> task<> {
    event never;

    auto ended = co_await catch_all(with_task_group([&](task_group& group) -> task<> {
      auto one = co_await spawn_into(group, fail_in_the_clean_up(never, "same"));
      auto two = co_await spawn_into(group, fail_in_the_clean_up(never, "same"));
      throw std::logic_error("same");
    }));

    EXPECT_EQ(failures_of(ended), (std::vector<std::string>{"same", "same", "same"}));
  });
}

TEST_P(TaskGroupFailure, Failures_AreNotReportedAsUnretrieved) {
  std::atomic<int> reports{0};
  run([&]() -> task<> {
    runtime::current().set_exception_handler([&](const exception_context&) { ++reports; });
    event never;

    auto ended = co_await catch_all(with_task_group([&](task_group& group) -> task<> {
      auto child = co_await spawn_into(group, fail_in_the_clean_up(never, "clean-up"));
      group.spawn(fail_at_once("first"));
    }));

    EXPECT_EQ(failures_of(ended).size(), 2u);
  });
  EXPECT_EQ(reports.load(), 0);
}

TEST_P(TaskGroupFailure, CodeAfterTheScope_RunsNormally) {
  run([]() -> task<> {
    event never;

    auto ended = co_await catch_all(with_task_group([&](task_group& group) -> task<> {
      group.spawn(fail_after(10us, "child"));
      co_await never.wait();
    }));

    EXPECT_EQ(failures_of(ended).size(), 1u);
    EXPECT_EQ(this_task::cancelling(), 0);
    this_task::check_cancelled();
    co_await sleep(1us);
    co_await yield();
  });
}

TEST_P(TaskGroupFailure, FailureThatTheBodyNeverSees_LeavesNoRequestBehind) {
  run([]() -> task<> {
    auto ended = co_await catch_all(with_task_group([](task_group& group) -> task<> {
      const cancel_shield shield;
      auto child = group.spawn(fail_at_once("child"));
      while (!child.done()) co_await yield();
    }));

    EXPECT_EQ(failures_of(ended), std::vector<std::string>{"child"});
    EXPECT_EQ(this_task::cancelling(), 0);
    this_task::check_cancelled();
  });
}

TEST_P(TaskGroupFailure, BodyThatSwallowsItsInterruption_DoesNotHideTheFailure) {
  run([]() -> task<> {
    event never;

    auto ended = co_await catch_all(with_task_group([&](task_group& group) -> task<int> {
      group.spawn(fail_after(10us, "child"));
      co_return co_await stubborn(never);
    }));

    EXPECT_EQ(failures_of(ended), std::vector<std::string>{"child"});
    EXPECT_EQ(this_task::cancelling(), 0);
  });
}

TEST_P(TaskGroupFailure, SiblingThatSwallowsItsCancellation_IsAwaitedAndKeepsItsValue) {
  run([]() -> task<> {
    event never;
    join_handle<int> sibling;

    auto ended = co_await catch_all(with_task_group([&](task_group& group) -> task<> {
      sibling = co_await spawn_into(group, stubborn(never));
      group.spawn(fail_at_once("child"));
    }));

    EXPECT_EQ(failures_of(ended), std::vector<std::string>{"child"});
    EXPECT_EQ(sibling.result(), 7);
  });
}

TEST_P(TaskGroupFailure, EarlierRequests_StayCounted) {
  run([]() -> task<> {
    join_handle<> self;
    event assigned;
    int after = -1;
    self = spawn([&]() -> task<> {
      co_await assigned.wait();
      self.cancel();
      try {
        co_await yield();
      } catch (const cancelled_error&) {  // handled; the counter stays
      }
      auto ended = co_await catch_all(with_task_group([](task_group& group) -> task<> {
        group.spawn(fail_after(1us, "child"));
        co_await sleep(1h);
      }));
      EXPECT_EQ(failures_of(ended).size(), 1u);
      after = this_task::cancelling();
      co_await yield();
    });

    assigned.set();
    const ending how = co_await ending_of(self);

    EXPECT_EQ(how, ending::value);
    EXPECT_EQ(after, 1);
  });
}

TEST_P(TaskGroupFailure, ManyFailuresAtOnce_AreAllCollected) {
  run([]() -> task<> {
    event never;
    auto ended = co_await catch_all(with_task_group([&](task_group& group) -> task<> {
      std::vector<join_handle<>> children;
      for (int i = 0; i < 200; ++i)
        children.push_back(group.spawn(fail_in_the_clean_up(never, "clean-up")));
      for (auto& each : children) co_await until_waiting(each);
      throw std::runtime_error("body");
    }));

    EXPECT_EQ(failures_of(ended).size(), 201u);
  });
}

// ---- Spawning into a group that ends -----------------------------------------------------------

TEST_P(TaskGroupEnd, SpawnIntoACancelledGroup_ThrowsAndDestroysTheTaskUnrun) {
  run([]() -> task<> {
    auto token = std::make_shared<int>();
    std::atomic<bool> ran{false};
    const auto note = [](std::shared_ptr<int>, std::atomic<bool>& flag) -> task<> {
      flag = true;
      co_return;
    };

    co_await with_task_group([&](task_group& group) {
      group.cancel();
      EXPECT_THROW(group.spawn(note(token, ran)), invalid_state_error);
      EXPECT_THROW(group.spawn(note(token, ran), {.name = "refused"}), invalid_state_error);
      EXPECT_THROW(group.spawn(note, token, std::ref(ran)), invalid_state_error);
      EXPECT_EQ(token.use_count(), 1);
    });

    EXPECT_FALSE(ran);
    EXPECT_EQ(this_task::cancelling(), 0);
  });
}

TEST_P(TaskGroupEnd, SpawnAfterAFailure_IsRefused) {
  run([]() -> task<> {
    std::atomic<bool> refused{false};
    event never;
    const auto spawn_in_the_clean_up = [&](task_group& group) -> task<> {
      try {
        co_await never.wait();
      } catch (const cancelled_error&) {
        try {
          group.spawn(yield());
        } catch (const invalid_state_error&) {
          refused = true;
        }
      }
    };

    auto ended = co_await catch_all(with_task_group([&](task_group& group) -> task<> {
      auto sibling = co_await spawn_into(group, spawn_in_the_clean_up(group));
      group.spawn(fail_at_once("child"));
    }));

    EXPECT_EQ(failures_of(ended), std::vector<std::string>{"child"});
    EXPECT_TRUE(refused);
  });
}

TEST_P(TaskGroupEnd, SpawnAfterTheEnd_IsRefused) {
  run([]() -> task<> {
    auto token = std::make_shared<int>();
    task_group group;
    group.spawn(yield());
    co_await group.finish(nullptr);

    EXPECT_THROW(group.spawn([](std::shared_ptr<int>) -> task<> { co_return; }(token)),
                 invalid_state_error);

    EXPECT_EQ(token.use_count(), 1);
  });
}

TEST_P(TaskGroupEnd, ChildrenThatKeepSpawning_CannotOutrunTheEnd) {
  for (int round = 0; round < 20; ++round) {
    run([]() -> task<> {
      std::atomic<int> begun{0};
      std::atomic<int> ended{0};
      struct rabbit {
        std::atomic<int>& ended;
        ~rabbit() { ++ended; }
        static task<> breed(task_group& group, std::atomic<int>& begun, std::atomic<int>& ended) {
          ++begun;
          const rabbit self{ended};
          for (;;) {
            try {
              group.spawn(breed, std::ref(group), std::ref(begun), std::ref(ended));
            } catch (const invalid_state_error&) {
              co_return;
            }
            for (int i = 0; i < 8; ++i) {
              try {
                co_await yield();
              } catch (const cancelled_error&) {  // goes on until it is refused
              }
            }
          }
        }
      };

      co_await with_task_group([&](task_group& group) -> task<> {
        group.spawn(rabbit::breed(group, begun, ended));
        while (begun < 100) co_await yield();
        group.cancel();
      });

      EXPECT_EQ(begun.load(), ended.load());
    });
  }
}

TEST_P(TaskGroupEnd, Cancel_EndsBodyAndChildrenWithoutAnException) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};
    bool went_on = false;

    co_await with_task_group([&](task_group& group) -> task<> {
      auto a = co_await spawn_into(group, wait_for_ever(cancelled));
      auto b = co_await spawn_into(group, wait_for_ever(cancelled));
      group.cancel();
      group.cancel();  // idempotent
      co_await wait_for_ever(cancelled);
      went_on = true;
    });

    EXPECT_EQ(cancelled.load(), 3);
    EXPECT_FALSE(went_on);
    EXPECT_EQ(this_task::cancelling(), 0);
    this_task::check_cancelled();
    co_await yield();
  });
}

TEST_P(TaskGroupEnd, CancelByAChild_EndsTheBodyToo) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};

    co_await with_task_group([&](task_group& group) -> task<> {
      group.spawn([&]() -> task<> {
        co_await yield();
        group.cancel();
      });
      co_await wait_for_ever(cancelled);
    });

    EXPECT_EQ(cancelled.load(), 1);
    EXPECT_EQ(this_task::cancelling(), 0);
  });
}

TEST_P(TaskGroupEnd, CancelAfterTheBody_EndsTheChildrenAndKeepsTheValue) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};
    event body_over;

    const int value = co_await with_task_group([&](task_group& group) -> task<int> {
      auto sibling = co_await spawn_into(group, wait_for_ever(cancelled));
      group.spawn([&]() -> task<> {
        co_await body_over.wait();
        co_await yield();
        group.cancel();
      });
      body_over.set();
      co_return 7;
    });

    EXPECT_EQ(value, 7);
    EXPECT_EQ(cancelled.load(), 1);
  });
}

TEST_P(TaskGroupEnd, CancelOfABodyThatOwesAValue_IsACancellationWithoutARequest) {
  run([]() -> task<> {
    const auto ended = co_await catch_all(with_task_group([](task_group& group) -> task<int> {
      group.cancel();
      co_await sleep(1h);
      co_return 7;
    }));

    EXPECT_TRUE(ended.threw<cancelled_error>());
    EXPECT_EQ(this_task::cancelling(), 0);
    this_task::check_cancelled();
  });
}

TEST_P(TaskGroupEnd, CancelOfABodyThatReturns_GivesItsValue) {
  run([]() -> task<> {
    event never;

    const int at_once = co_await with_task_group([](task_group& group) -> task<int> {
      group.cancel();
      co_return 7;
    });
    const int in_spite = co_await with_task_group([&](task_group& group) -> task<int> {
      group.cancel();
      co_return co_await stubborn(never);
    });

    EXPECT_EQ(at_once, 7);
    EXPECT_EQ(in_spite, 7);
    EXPECT_EQ(this_task::cancelling(), 0);
  });
}

TEST_P(TaskGroupEnd, FailureAfterACancel_StillComesOut) {
  run([]() -> task<> {
    event never;

    auto ended = co_await catch_all(with_task_group([&](task_group& group) -> task<> {
      auto child = co_await spawn_into(group, fail_in_the_clean_up(never, "clean-up"));
      group.cancel();
    }));

    EXPECT_EQ(failures_of(ended), std::vector<std::string>{"clean-up"});
    EXPECT_EQ(this_task::cancelling(), 0);
  });
}

TEST_P(TaskGroupEnd, CancelOfAnInnerGroup_LeavesTheOuterAlone) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};

    const int value = co_await with_task_group([&](task_group& outer) -> task<int> {
      auto kept = outer.spawn(value_after(100us, 7));
      co_await with_task_group([&](task_group& inner) -> task<> {
        auto child = co_await spawn_into(inner, wait_for_ever(cancelled));
        inner.cancel();
        co_await sleep(1h);
      });
      co_return co_await kept;
    });

    EXPECT_EQ(value, 7);
    EXPECT_EQ(cancelled.load(), 1);
  });
}

TEST_P(TaskGroupEnd, CancelOfTheOuterGroup_EndsTheInnerBodyToo) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};
    bool went_on = false;

    co_await with_task_group([&](task_group& outer) -> task<> {
      co_await with_task_group([&](task_group& inner) -> task<> {
        auto child = co_await spawn_into(inner, wait_for_ever(cancelled));
        outer.cancel();
      });
      went_on = true;
    });

    EXPECT_EQ(cancelled.load(), 1);
    EXPECT_FALSE(went_on);
    EXPECT_EQ(this_task::cancelling(), 0);
  });
}

// The outer group asks the task to stop; before it suspends, an inner group does so too. One
// exception stands for both: the inner group must not take it for its own alone.
TEST_P(TaskGroupEnd, CancelOfBothGroups_EndsBothBodies) {
  run([]() -> task<> {
    bool went_on = false;

    co_await with_task_group([&](task_group& outer) -> task<> {
      outer.cancel();
      co_await with_task_group([&](task_group& inner) -> task<> {
        inner.cancel();
        co_await sleep(1h);
      });
      went_on = true;
    });

    EXPECT_FALSE(went_on);
    EXPECT_EQ(this_task::cancelling(), 0);
    this_task::check_cancelled();
  });
}

// ---- Cancelled from outside --------------------------------------------------------------------

TEST_P(TaskGroupCancelled, RequestWhileTheBodyWaits_CancelsBodyAndChildren) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};
    auto owner = co_await spawn_waiting([&]() -> task<> {
      co_await with_task_group([&](task_group& group) -> task<> {
        group.spawn(wait_for_ever(cancelled));
        group.spawn(wait_for_ever(cancelled));
        co_await wait_for_ever(cancelled);
      });
    });
    co_await until_waiters(3);

    owner.cancel();
    const ending how = co_await ending_of(owner);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_EQ(cancelled.load(), 3);
  });
}

TEST_P(TaskGroupCancelled, RequestWhileItWaitsForChildren_CancelsThemAndWaits) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};
    bool went_on = false;
    auto owner = co_await spawn_waiting([&]() -> task<> {
      co_await with_task_group([&](task_group& group) {
        for (int i = 0; i < 3; ++i) group.spawn(wait_for_ever(cancelled));
      });
      went_on = true;
    });
    co_await until_waiters(4);

    owner.cancel();
    const ending how = co_await ending_of(owner);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_EQ(cancelled.load(), 3);
    EXPECT_FALSE(went_on);
  });
}

TEST_P(TaskGroupCancelled, Request_EndsTheScopeThoughChildrenSwallowIt) {
  run([]() -> task<> {
    event never;
    auto owner = co_await spawn_waiting([&]() -> task<> {
      co_await with_task_group([&](task_group& group) {
        group.spawn(stubborn(never));
        group.spawn(stubborn(never));
      });
    });
    co_await until_waiters(3);

    owner.cancel();
    const ending how = co_await ending_of(owner);

    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(TaskGroupCancelled, RequestThatTheBodySwallows_EndsNothing) {
  run([]() -> task<> {
    event never;
    auto owner = co_await spawn_waiting([&]() -> task<int> {
      co_return co_await with_task_group([&](task_group& group) -> task<int> {
        auto child = group.spawn(value_after(100us, 1));
        const int swallowed = co_await stubborn(never);
        const int value = co_await child;
        co_return swallowed + value;
      });
    });

    owner.cancel();
    const int value = co_await owner;

    EXPECT_EQ(value, 8);
  });
}

TEST_P(TaskGroupCancelled, SecondRequest_DoesNotInterruptTheCleanUpOfChildren) {
  run([]() -> task<> {
    event clean_up;
    event never;
    std::atomic<int> interrupted{0};
    bool cleaned = false;
    auto owner = co_await spawn_waiting([&]() -> task<> {
      co_await with_task_group([&](task_group& group) {
        group.spawn([&]() -> task<> {
          try {
            co_await never.wait();
          } catch (const cancelled_error&) {
            ++interrupted;
          }
          co_await clean_up.wait();
          cleaned = true;
        });
      });
    });
    co_await until_waiters(2);
    owner.cancel();
    while (interrupted == 0) co_await yield();
    co_await until_waiters(2);

    owner.cancel();
    co_await yield();
    EXPECT_FALSE(owner.done());
    clean_up.set();
    const ending how = co_await ending_of(owner);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_TRUE(cleaned);
    EXPECT_EQ(interrupted.load(), 1);
  });
}

/// Awaits a scope that ends with failures, and tells whether the request that came meanwhile is
/// delivered at the next suspension.
template <class Scope>
task<> expect_failures_then_cancellation(Scope scope, std::vector<std::string>& failures) {
  auto ended = co_await catch_all(std::move(scope));
  failures = failures_of(ended);
  EXPECT_EQ(this_task::cancelling(), 1);
  co_await yield();
  ADD_FAILURE() << "the request was lost";
}

TEST_P(TaskGroupCancelled, RequestAndAFailureOfAChild_FailsAndKeepsTheRequest) {
  run([]() -> task<> {
    event never;
    std::vector<std::string> failures;
    auto owner = co_await spawn_waiting([&]() -> task<> {
      const auto body = [&](task_group& group) {
        group.spawn(fail_in_the_clean_up(never, "clean-up"));
      };
      co_await expect_failures_then_cancellation(with_task_group(body), failures);
    });
    co_await until_waiters(2);

    owner.cancel();
    const ending how = co_await ending_of(owner);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_EQ(failures, std::vector<std::string>{"clean-up"});
  });
}

TEST_P(TaskGroupCancelled, RequestWhileTheBodyWaitsAndAFailureOfAChild_FailsAndKeepsTheRequest) {
  run([]() -> task<> {
    event never;
    std::vector<std::string> failures;
    auto owner = co_await spawn_waiting([&]() -> task<> {
      const auto body = [&](task_group& group) -> task<> {
        group.spawn(fail_in_the_clean_up(never, "clean-up"));
        co_await never.wait();
      };
      co_await expect_failures_then_cancellation(with_task_group(body), failures);
    });
    co_await until_waiters(2);

    owner.cancel();
    const ending how = co_await ending_of(owner);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_EQ(failures, std::vector<std::string>{"clean-up"});
  });
}

TEST_P(TaskGroupCancelled, RequestAndAFailureOfTheBody_FailsAndTheRequestIsSpent) {
  run([]() -> task<> {
    event never;
    std::vector<std::string> failures;
    auto owner = co_await spawn_waiting([&]() -> task<> {
      auto ended = co_await catch_all(with_task_group([&](task_group&) -> task<> {
        co_await fail_in_the_clean_up(never, "body");  // its answer to the cancellation
      }));
      failures = failures_of(ended);
      co_await yield();
    });

    owner.cancel();
    const ending how = co_await ending_of(owner);

    EXPECT_EQ(how, ending::value);
    EXPECT_EQ(failures, std::vector<std::string>{"body"});
  });
}

TEST_P(TaskGroupCancelledOrder, RequestRightAfterAFailure_FailsAndKeepsTheRequest) {
  run([]() -> task<> {
    event never;
    event gate;
    std::vector<std::string> failures;
    auto owner = co_await spawn_waiting([&]() -> task<> {
      const auto body = [&](task_group& group) -> task<> {
        group.spawn([&]() -> task<> {
          co_await gate.wait();
          throw std::runtime_error("child");
        });
        co_await never.wait();
      };
      co_await expect_failures_then_cancellation(with_task_group(body), failures);
    });
    co_await until_waiters(2);
    gate.set();
    co_await yield();  // the child has failed, the body was asked to stop and has not run yet

    owner.cancel();
    const ending how = co_await ending_of(owner);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_EQ(failures, std::vector<std::string>{"child"});
  });
}

TEST_P(TaskGroupCancelledOrder, FailureRightAfterARequest_FailsAndKeepsTheRequest) {
  run([]() -> task<> {
    event never;
    event gate;
    std::vector<std::string> failures;
    auto owner = co_await spawn_waiting([&]() -> task<> {
      const auto body = [&](task_group& group) -> task<> {
        group.spawn([&]() -> task<> {
          co_await gate.wait();
          throw std::runtime_error("child");
        });
        co_await never.wait();
      };
      co_await expect_failures_then_cancellation(with_task_group(body), failures);
    });
    co_await until_waiters(2);
    gate.set();

    owner.cancel();  // before the child has run
    const ending how = co_await ending_of(owner);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_EQ(failures, std::vector<std::string>{"child"});
  });
}

TEST_P(TaskGroupCancelledOrder, ChildrenThatAreAllDone_BeatALaterRequest) {
  run([]() -> task<> {
    event gate;
    bool scope_ended = false;
    auto owner = co_await spawn_waiting([&]() -> task<> {
      co_await with_task_group([&](task_group& group) { group.spawn(wait_on(gate)); });
      scope_ended = true;
      co_await yield();
      ADD_FAILURE() << "the request was lost";
    });
    co_await until_waiters(2);
    gate.set();
    co_await yield();  // the child has ended, the owner is ready

    const bool asked = owner.cancel();
    const ending how = co_await ending_of(owner);

    EXPECT_TRUE(asked);
    EXPECT_TRUE(scope_ended);
    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(TaskGroupCancelled, RequestBeforeTheScope_EndsItAtTheFirstSuspension) {
  run([]() -> task<> {
    bool began = false;

    const ending in_the_body = co_await ending_of_a_cancelled_task([&]() -> task<> {
      co_await with_task_group([&](task_group& group) -> task<> {
        began = true;
        group.spawn(sleep(1h));
        co_await sleep(1h);
      });
    });
    const ending at_the_end = co_await ending_of_a_cancelled_task([&]() -> task<> {
      co_await with_task_group([](task_group& group) { group.spawn(sleep(1h)); });
    });

    EXPECT_TRUE(began);
    EXPECT_EQ(in_the_body, ending::cancelled);
    EXPECT_EQ(at_the_end, ending::cancelled);
  });
}

// One exception stands for both requests, and the group must not take the other one for its own.
TEST_P(TaskGroupCancelled, RequestBeforeTheScope_IsNotTakenForTheGroupsOwn) {
  run([]() -> task<> {
    const ending after_a_cancel = co_await ending_of_a_cancelled_task([]() -> task<> {
      co_await with_task_group([](task_group& group) -> task<> {
        group.cancel();
        co_await sleep(1h);
      });
      co_await yield();
    });
    const ending after_a_failure = co_await ending_of_a_cancelled_task([]() -> task<> {
      auto ended = co_await catch_all(with_task_group([](task_group& group) -> task<> {
        {
          const cancel_shield shield;
          auto child = group.spawn(fail_at_once("child"));
          while (!child.done()) co_await yield();
        }
        co_await sleep(1h);
      }));
      EXPECT_EQ(failures_of(ended), std::vector<std::string>{"child"});
      co_await yield();
      ADD_FAILURE() << "the request was lost";
    });

    EXPECT_EQ(after_a_cancel, ending::cancelled);
    EXPECT_EQ(after_a_failure, ending::cancelled);
  });
}

// The group interrupts its owner while the cancellation is on its way out.
TEST_P(TaskGroupCancelled, GroupThatEndsBehindARequestFromBefore_DoesNotReplaceIt) {
  run([]() -> task<> {
    const ending after_a_cancel = co_await ending_of_a_cancelled_task([]() -> task<> {
      co_await with_task_group([](task_group& group) -> task<> {
        try {
          co_await sleep(1h);
        } catch (const cancelled_error&) {
          group.cancel();
          throw;
        }
      });
    });

    EXPECT_EQ(after_a_cancel, ending::cancelled);
  });
}

// A group that begins behind a shield works as any other, and what is postponed stays so.
TEST_P(TaskGroupCancelled, GroupBehindAShield_InterruptsItsBody) {
  run([]() -> task<> {
    int ended = 0;
    const ending how = co_await ending_of_a_cancelled_task([&]() -> task<> {
      {
        const cancel_shield shield;
        auto failed = co_await catch_all(with_task_group([](task_group& group) -> task<> {
          group.spawn(fail_at_once("child"));
          co_await sleep(1h);
        }));
        EXPECT_EQ(failures_of(failed), std::vector<std::string>{"child"});
        ++ended;
        co_await with_task_group([](task_group& group) -> task<> {
          group.cancel();
          co_await sleep(1h);
        });
        ++ended;
      }
      co_await yield();
      ADD_FAILURE() << "the request was lost";
    });

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_EQ(ended, 2);
  });
}

// A cancelled child is no failure: without the request its scope would end as if all had been done.
TEST(TaskGroupInOrder, RequestBehindACancelledChild_EndsTheScope) {
  runtime rt({.workers = 1});
  rt.run([]() -> task<> {
    bool went_on = false;
    join_handle<> child;
    auto owner = co_await spawn_waiting([&]() -> task<> {
      co_await with_task_group([&](task_group& group) { child = group.spawn(sleep(1h)); });
      went_on = true;
    });
    while (!detail::is_suspended(*child.state())) co_await yield();

    child.cancel();
    while (!child.done()) co_await yield();
    owner.cancel();  // it was woken, and has not run yet
    const ending how = co_await ending_of(owner);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_FALSE(went_on);
  });
}

TEST_P(TaskGroupCancelled, DeadlineAroundAGroup_CancelsItsChildren) {
  run([]() -> task<> {
    std::atomic<int> cancelled{0};
    const auto limited = [&](bool waits) -> task<> {
      deadline limit{1h};
      co_await with_task_group([&](task_group& group) -> task<> {
        auto child = co_await spawn_into(group, wait_for_ever(cancelled));
        limit.extend(500us);  // now that the child waits
        if (waits) co_await sleep(1h);
      });
    };

    const auto in_the_body = co_await catch_all(limited(true));
    const auto at_the_end = co_await catch_all(limited(false));

    EXPECT_TRUE(in_the_body.threw<timeout_error>());
    EXPECT_TRUE(at_the_end.threw<timeout_error>());
    EXPECT_EQ(cancelled.load(), 2);
    co_await yield();
  });
}

TEST_P(TaskGroupCancelled, RequestBehindAnExpiredDeadline_IsACancellation) {
  run([]() -> task<> {
    event clean_up;
    event never;
    std::atomic<bool> cleaning{false};
    const auto cleans_up = [&]() -> task<> {
      try {
        co_await never.wait();
      } catch (const cancelled_error&) {
        cleaning = true;
      }
      co_await clean_up.wait();
    };
    auto owner = co_await spawn_waiting([&]() -> task<> {
      deadline limit{1h};
      co_await with_task_group([&](task_group& group) -> task<> {
        auto child = co_await spawn_into(group, cleans_up());
        limit.extend(100us);  // now that the child waits
      });
    });
    while (!cleaning) co_await sleep(20us);
    co_await until_waiters(2);

    owner.cancel();
    clean_up.set();
    const ending how = co_await ending_of(owner);

    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(TaskGroupCancelled, FailureBehindAnExpiredDeadline_InventsNoRequest) {
  run([]() -> task<> {
    event never;
    const auto limited = [&](bool waits) -> task<> {
      deadline limit{1h};
      co_await with_task_group([&](task_group& group) -> task<> {
        auto child = co_await spawn_into(group, fail_in_the_clean_up(never, "clean-up"));
        limit.extend(200us);  // now that the child waits
        if (waits) co_await never.wait();
      });
    };

    auto in_the_body = co_await catch_all(limited(true));
    auto at_the_end = co_await catch_all(limited(false));

    EXPECT_EQ(failures_of(in_the_body), std::vector<std::string>{"clean-up"});
    EXPECT_EQ(failures_of(at_the_end), std::vector<std::string>{"clean-up"});
    this_task::check_cancelled();
    co_await yield();
  });
}

TEST_P(TaskGroupCancelled, FailureBehindACancelledChild_InventsNoRequest) {
  run([]() -> task<> {
    event never;

    auto ended = co_await catch_all(with_task_group([&](task_group& group) -> task<> {
      auto victim = co_await spawn_into(group, wait_on(never));
      auto sibling = co_await spawn_into(group, fail_in_the_clean_up(never, "clean-up"));
      victim.cancel();
      co_await victim;
    }));

    EXPECT_EQ(failures_of(ended), std::vector<std::string>{"clean-up"});
    this_task::check_cancelled();
    co_await yield();
  });
}

// ---- Threads -----------------------------------------------------------------------------------

// Children fail, a thread cancels the owner, and the body ends, all at random moments. Whatever
// comes first, all children have ended with the scope, and the request ends the owner.
TEST(TaskGroupStress, FailuresAndARequestFromOutside_LoseNothing) {
  std::mt19937_64 random(stress_seed());
  runtime rt({.workers = 4});
  for (int round = 0; round < 300; ++round) {
    std::atomic<int> alive{0};
    std::atomic<bool> asked{false};
    std::atomic<bool> begun{false};
    struct counted {
      std::atomic<int>& count;
      explicit counted(std::atomic<int>& shared) : count(shared) { ++count; }
      ~counted() { --count; }
    };
    const auto child = [&](unsigned steps, bool fails) -> task<> {
      const counted life(alive);
      for (unsigned i = 0; i < steps; ++i) co_await yield();
      if (fails) throw std::runtime_error("child");
      co_await sleep(1us * steps);
    };
    std::vector<std::pair<unsigned, bool>> plan;
    for (int i = 0; i < 8; ++i)
      plan.emplace_back(static_cast<unsigned>(random() % 50), random() % 4 == 0);
    const auto body_steps = static_cast<unsigned>(random() % 50);
    auto owner = rt.spawn([&]() -> task<> {
      begun = true;
      try {
        co_await with_task_group([&](task_group& group) -> task<> {
          for (const auto& [steps, fails] : plan) group.spawn(child, steps, fails);
          for (unsigned i = 0; i < body_steps; ++i) co_await yield();
        });
      } catch (const exception_group& errors) {
        const std::size_t failed =
            errors.for_each<std::runtime_error>([](const std::runtime_error&) {});
        // The body's, if a child fails while it still spawns.
        const std::size_t refused =
            errors.for_each<invalid_state_error>([](const invalid_state_error&) {});
        EXPECT_LE(refused, 1u);
        EXPECT_EQ(failed + refused, errors.exceptions().size()) << errors.what();
      }
      EXPECT_EQ(alive.load(), 0);
      while (!asked) std::this_thread::yield();
      co_await yield();
      ADD_FAILURE() << "the request was lost";
    });
    while (!begun) std::this_thread::yield();
    for (std::atomic<std::uint64_t> i{random() % 20'000}; i > 0; --i) {
    }

    EXPECT_TRUE(owner.cancel());
    asked = true;

    EXPECT_THROW(owner.get(), cancelled_error);
  }
}

TEST(TaskGroupStress, SpawnsThatMeetTheEnd_AreAwaitedOrRefused) {
  runtime rt({.workers = 4});
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> accepted{0};
    std::atomic<int> ended{0};
    std::atomic<int> refused{0};
    struct marked {
      std::atomic<int>& count;
      ~marked() { ++count; }
    };
    const auto grandchild = [](std::unique_ptr<marked>) -> task<> { co_await yield(); };
    rt.run([&]() -> task<> {
      co_await with_task_group([&](task_group& group) -> task<> {
        for (int i = 0; i < 4; ++i) {
          group.spawn([&]() -> task<> {
            for (int k = 0; k < 20; ++k) {
              auto mark = std::unique_ptr<marked>(new marked{ended});
              try {
                group.spawn(grandchild(std::move(mark)));
                ++accepted;
              } catch (const invalid_state_error&) {
                ++refused;
              }
            }
            co_return;
          });
        }
        for (int i = 0; i < round % 10; ++i) co_await yield();
        group.cancel();
      });
      EXPECT_EQ(ended.load(), accepted.load() + refused.load());
    });
  }
}

// ---- The last resort of a shutdown -------------------------------------------------------------

task<> swallow_for_ever() {
  for (;;) {
    try {
      co_await sleep(1h);
    } catch (const cancelled_error&) {  // swallowed on purpose
    }
  }
}

class TaskGroupShutdown : public ::testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Workers, TaskGroupShutdown, ::testing::Values(1, 4));

TEST_P(TaskGroupShutdown, BodyAndChildrenThatNeverEnd_AreDestroyedTogether) {
  auto token = std::make_shared<int>();
  runtime rt({.workers = GetParam()});
  rt.set_exception_handler([](const exception_context&) {});
  const auto child = [](std::shared_ptr<int>) -> task<> { co_await swallow_for_ever(); };
  const auto owner = [&](std::shared_ptr<int> held) -> task<> {
    co_await with_task_group([&](task_group& group) -> task<> {
      for (int i = 0; i < 5; ++i) group.spawn(child(held));
      co_await swallow_for_ever();
    });
  };
  rt.run([&]() -> task<> {
    for (int i = 0; i < 5; ++i) spawn(owner(token)).detach();
    co_await until_waiters(30);
  });

  EXPECT_FALSE(rt.shutdown(20ms));

  EXPECT_EQ(take_ledger().tasks, 0);
  EXPECT_EQ(token.use_count(), 1);
}

}  // namespace
}  // namespace weft::testing
