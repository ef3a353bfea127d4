#include "runtimes.h"
#include <weft/runtime/cancel.h>
#include <weft/runtime/gather.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/event.h>
#include <weft/sync/queue.h>
#include <weft/sync/semaphore.h>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

class Cancel : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Cancel, every_kind(), name_of);
class CancelOrder : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, CancelOrder, kinds_in_order(), name_of);
class CancelShield : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, CancelShield, every_kind(), name_of);
class TryFinally : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, TryFinally, every_kind(), name_of);

task<> wait_on(event& gate) {
  co_await gate.wait();
}
/// A task whose handle is known to itself.
struct self_cancelling {
  join_handle<> handle;
  event assigned;
};

// ---- Requests -----------------------------------------------------------------------------------

TEST_P(Cancel, SuspendedTask_IsInterruptedWhereItWaits) {
  run([]() -> task<> {
    event never;
    bool interrupted = false;
    auto child = co_await spawn_waiting([&]() -> task<> {
      try {
        co_await never.wait();
      } catch (const cancelled_error&) {
        interrupted = true;
        throw;
      }
    });

    const bool asked = child.cancel();

    EXPECT_TRUE(asked);
    const ending how = co_await ending_of(child);
    EXPECT_EQ(how, ending::cancelled);
    EXPECT_TRUE(interrupted);
    EXPECT_FALSE(never.has_waiters());
  });
}

TEST_P(Cancel, RequestAfterTheEnd_ChangesNothing) {
  run([]() -> task<> {
    auto child = spawn([]() -> task<int> { co_return 7; });
    (void)co_await child;

    const bool asked = child.cancel();

    EXPECT_FALSE(asked);
    EXPECT_FALSE(child.cancelled());
    EXPECT_EQ(child.result(), 7);
  });
}

TEST_P(CancelOrder, AwaitOfAChildThatHasNotBegun_IsCancelledOnce) {
  run([]() -> task<> {
    bool went_on = false;
    auto parent = spawn([](bool& flag) -> task<> {
      event never;
      auto child = spawn(wait_on(never));
      const ending how = co_await ending_of(child);
      EXPECT_EQ(how, ending::cancelled);
      co_await yield();
      flag = true;
    }(went_on));
    co_await yield();  // it has spawned the child, which is behind us

    parent.cancel();
    const ending how = co_await ending_of(parent);

    EXPECT_EQ(how, ending::value);
    EXPECT_TRUE(went_on);
  });
}

TEST_P(CancelOrder, TaskCancelledBeforeItsStart_NeverRunsItsBody) {
  run([]() -> task<> {
    bool ran = false;
    auto token = std::make_shared<int>();
    auto child = spawn([](std::shared_ptr<int>, bool& flag) -> task<> {
      flag = true;
      co_return;
    }(token, ran));

    const bool asked = child.cancel();
    const ending how = co_await ending_of(child);

    EXPECT_TRUE(asked);
    EXPECT_EQ(how, ending::cancelled);
    EXPECT_FALSE(ran);
    EXPECT_EQ(token.use_count(), 1);  // its parameters are gone
  });
}

TEST_P(Cancel, TaskCancelledAroundItsStart_RunsItsBodyOrNot) {
  run([]() -> task<> {
    for (int round = 0; round < 500; ++round) {
      event never;
      auto token = std::make_shared<int>();
      auto child = spawn(
          [](std::shared_ptr<int>, event& gate) -> task<> { co_await gate.wait(); }(token, never));
      if (round % 2 == 1) co_await yield();

      child.cancel();
      const ending how = co_await ending_of(child);

      EXPECT_EQ(how, ending::cancelled);
      EXPECT_EQ(token.use_count(), 1);
    }
  });
}

TEST_P(Cancel, Request_IsTrueUntilTheTaskHasEnded) {
  run([]() -> task<> {
    event clean_up;
    event never;
    auto child = co_await spawn_waiting([&]() -> task<> {
      const auto body = [&]() -> task<> { co_await never.wait(); };
      const auto cleanup = [&]() -> task<> { co_await clean_up.wait(); };
      co_await try_finally(body, cleanup);
    });

    EXPECT_TRUE(child.cancel());
    co_await until_waiting(child);
    EXPECT_FALSE(child.done());
    EXPECT_FALSE(child.cancelled());
    EXPECT_TRUE(child.cancel());
    clean_up.set();
    const ending how = co_await ending_of(child);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_FALSE(child.cancel());
  });
}

TEST_P(Cancel, SwallowedRequest_EndsTheTaskNormally) {
  run([]() -> task<> {
    event never;
    auto child = co_await spawn_waiting([&]() -> task<int> {
      try {
        co_await never.wait();
      } catch (const cancelled_error&) {  // swallowed on purpose
      }
      co_return 7;
    });

    child.cancel();
    const int got = co_await child;

    EXPECT_EQ(got, 7);
    EXPECT_FALSE(child.cancelled());
  });
}

TEST_P(Cancel, RequestAnsweredWithAnotherException_IsThatFailure) {
  run([]() -> task<> {
    event never;
    auto child = co_await spawn_waiting([&]() -> task<> {
      try {
        co_await never.wait();
      } catch (const cancelled_error&) {
        throw std::runtime_error("instead");
      }
    });

    child.cancel();
    const auto ended = co_await catch_all(child);

    EXPECT_TRUE(ended.threw<std::runtime_error>());
    EXPECT_FALSE(child.cancelled());
  });
}

TEST_P(Cancel, OneRequest_InterruptsOneAwait) {
  run([]() -> task<> {
    event never;
    event later;
    auto child = co_await spawn_waiting([&]() -> task<int> {
      try {
        co_await never.wait();
      } catch (const cancelled_error&) {  // swallowed on purpose
      }
      co_await yield();
      co_await later.wait();
      co_return 7;
    });

    child.cancel();
    co_await until_waiting(child);
    later.set();
    const int got = co_await child;

    EXPECT_EQ(got, 7);
  });
}

TEST_P(CancelOrder, RequestsBeforeTheTaskRunsAgain_AreOneExceptionAndNCounts) {
  run([]() -> task<> {
    event never;
    int exceptions = 0;
    int counted = 0;
    auto child = co_await spawn_waiting([&]() -> task<> {
      for (int i = 0; i < 3; ++i) {
        try {
          if (i == 0) {
            co_await never.wait();
          } else {
            co_await yield();
          }
        } catch (const cancelled_error&) {
          ++exceptions;
          counted = this_task::cancelling();
        }
      }
    });

    child.cancel();
    child.cancel();
    child.cancel();
    co_await child;

    EXPECT_EQ(exceptions, 1);
    EXPECT_EQ(counted, 3);
  });
}

TEST_P(Cancel, SecondRequest_InterruptsTheCleanUp) {
  run([]() -> task<> {
    event never;
    int interrupted = 0;
    auto child = co_await spawn_waiting([&]() -> task<> {
      for (int i = 0; i < 2; ++i) {
        try {
          co_await never.wait();
        } catch (const cancelled_error&) {
          ++interrupted;
        }
      }
      throw cancelled_error();
    });

    child.cancel();
    co_await until_waiting(child);
    child.cancel();
    const ending how = co_await ending_of(child);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_EQ(interrupted, 2);
  });
}

TEST_P(Cancel, TaskThatThrowsTheCancellationItself_EndsCancelled) {
  run([]() -> task<> {
    auto child = spawn([]() -> task<> {
      co_await yield();
      throw cancelled_error();
    });

    const ending how = co_await ending_of(child);

    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(Cancel, Cancellation_IsNoStdException) {
  run([]() -> task<> {
    event never;
    auto child = co_await spawn_waiting([&]() -> task<> {
      try {
        co_await never.wait();
      } catch (const std::exception&) {
        ADD_FAILURE() << "a handler of ordinary errors caught the cancellation";
      }
    });

    child.cancel();
    const ending how = co_await ending_of(child);

    EXPECT_EQ(how, ending::cancelled);
  });
}

// ---- A task that cancels itself -----------------------------------------------------------------

TEST_P(Cancel, SelfCancelledTask_IsInterruptedAtItsNextSuspension) {
  run([]() -> task<> {
    self_cancelling self;
    bool went_on = false;
    self.handle = spawn([&]() -> task<> {
      co_await self.assigned.wait();
      self.handle.cancel();
      went_on = true;
      co_await sleep(1h);
      ADD_FAILURE() << "slept";
    });

    self.assigned.set();
    const ending how = co_await ending_of(self.handle);

    EXPECT_TRUE(went_on);
    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(Cancel, SelfCancelledTaskThatReturns_DeliversItsValue) {
  run([]() -> task<> {
    join_handle<int> self;
    event assigned;
    self = spawn([&]() -> task<int> {
      co_await assigned.wait();
      self.cancel();
      co_return 7;
    });

    assigned.set();
    const int got = co_await self;

    EXPECT_EQ(got, 7);
    EXPECT_FALSE(self.cancelled());
  });
}

TEST_P(Cancel, SelfCancelledTaskThatFails_Fails) {
  run([]() -> task<> {
    self_cancelling self;
    self.handle = spawn([&]() -> task<> {
      co_await self.assigned.wait();
      self.handle.cancel();
      throw std::runtime_error("own");
    });

    self.assigned.set();
    const auto ended = co_await catch_all(self.handle);

    EXPECT_TRUE(ended.threw<std::runtime_error>());
  });
}

TEST_P(Cancel, SelfCancelledTaskThatTakesItBack_EndsNormally) {
  run([]() -> task<> {
    self_cancelling self;
    int left = -1;
    self.handle = spawn([&]() -> task<> {
      co_await self.assigned.wait();
      self.handle.cancel();
      left = this_task::uncancel();
      co_await yield();
    });

    self.assigned.set();
    const ending how = co_await ending_of(self.handle);

    EXPECT_EQ(how, ending::value);
    EXPECT_EQ(left, 0);
  });
}

TEST_P(Cancel, ReadyAwait_IsNoCancellationPoint) {
  run([]() -> task<> {
    self_cancelling self;
    bool passed = false;
    self.handle = spawn([&]() -> task<> {
      co_await self.assigned.wait();
      self.handle.cancel();
      co_await self.assigned.wait();  // set already
      passed = true;
      co_await yield();
      ADD_FAILURE() << "yielded";
    });

    self.assigned.set();
    const ending how = co_await ending_of(self.handle);

    EXPECT_TRUE(passed);
    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(Cancel, CheckCancelled_RaisesWithoutSuspending) {
  run([]() -> task<> {
    self_cancelling self;
    bool raised = false;
    self.handle = spawn([&]() -> task<> {
      co_await self.assigned.wait();
      this_task::check_cancelled();  // nothing is pending
      self.handle.cancel();
      try {
        this_task::check_cancelled();
      } catch (const cancelled_error&) {
        raised = true;
      }
      this_task::check_cancelled();  // delivered already
      co_await yield();
    });

    self.assigned.set();
    const ending how = co_await ending_of(self.handle);

    EXPECT_TRUE(raised);
    EXPECT_EQ(how, ending::value);
  });
}

// ---- The counter --------------------------------------------------------------------------------

TEST_P(Cancel, Uncancel_CountsDownAndNeverBelowZero) {
  run([]() -> task<> {
    self_cancelling self;
    std::vector<int> seen;
    self.handle = spawn([&]() -> task<> {
      co_await self.assigned.wait();
      self.handle.cancel();
      self.handle.cancel();
      seen.push_back(this_task::cancelling());
      seen.push_back(this_task::uncancel());
      seen.push_back(this_task::uncancel());
      seen.push_back(this_task::uncancel());
      seen.push_back(this_task::cancelling());
      co_await yield();  // nothing is left to deliver
    });

    self.assigned.set();
    const ending how = co_await ending_of(self.handle);

    EXPECT_EQ(how, ending::value);
    EXPECT_EQ(seen, (std::vector<int>{2, 1, 0, 0, 0}));
  });
}

TEST_P(Cancel, UncancelOfOneOfTwo_KeepsTheRequest) {
  run([]() -> task<> {
    self_cancelling self;
    self.handle = spawn([&]() -> task<> {
      co_await self.assigned.wait();
      self.handle.cancel();
      self.handle.cancel();
      this_task::uncancel();
      co_await yield();
      ADD_FAILURE() << "yielded";
    });

    self.assigned.set();
    const ending how = co_await ending_of(self.handle);

    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(Cancel, Counter_StaysUpAfterTheDelivery) {
  run([]() -> task<> {
    event never;
    int counted = -1;
    auto child = co_await spawn_waiting([&]() -> task<> {
      try {
        co_await never.wait();
      } catch (const cancelled_error&) {
        counted = this_task::cancelling();
      }
      co_await yield();
    });

    child.cancel();
    co_await child;

    EXPECT_EQ(counted, 1);
  });
}

TEST_P(Cancel, ManyRequests_DoNotOverflowTheCounter) {
  run([]() -> task<> {
    event never;
    auto child = co_await spawn_waiting(wait_on, std::ref(never));

    for (int i = 0; i < 1000; ++i) child.cancel();
    const ending how = co_await ending_of(child);

    EXPECT_EQ(how, ending::cancelled);
  });
}

// ---- Completion against cancellation ------------------------------------------------------------

TEST_P(CancelOrder, CompletedWait_BeatsALaterRequest) {
  run([]() -> task<> {
    event gate;
    bool completed = false;
    auto child = co_await spawn_waiting([&]() -> task<> {
      co_await gate.wait();
      completed = true;
      co_await yield();
      ADD_FAILURE() << "the request was lost";
    });

    gate.set();
    child.cancel();
    const ending how = co_await ending_of(child);

    EXPECT_TRUE(completed);
    EXPECT_EQ(how, ending::cancelled);
  });
}

// On several workers the waiter may run before the request, at once with it, or after it.
TEST_P(Cancel, CompletedWait_BeatsARequestOfAnyLaterMoment) {
  run([]() -> task<> {
    for (int round = 0; round < 200; ++round) {
      event gate, never;
      bool completed = false;
      auto child = co_await spawn_waiting([&]() -> task<> {
        co_await gate.wait();
        completed = true;
        co_await never.wait();
      });

      gate.set();
      if (round % 2 == 1) co_await yield();
      child.cancel();
      const ending how = co_await ending_of(child);

      EXPECT_TRUE(completed);
      EXPECT_EQ(how, ending::cancelled);
    }
  });
}

TEST_P(CancelOrder, RequestBeforeTheCompletion_CancelsTheWait) {
  run([]() -> task<> {
    event gate;
    bool completed = false;
    auto child = co_await spawn_waiting([&]() -> task<> {
      co_await gate.wait();
      completed = true;
    });

    child.cancel();
    gate.set();
    const ending how = co_await ending_of(child);

    EXPECT_FALSE(completed);
    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(CancelOrder, CompletedWaitOfATaskThatThenReturns_DeliversTheValue) {
  run([]() -> task<> {
    event gate;
    auto child = co_await spawn_waiting([&]() -> task<int> {
      co_await gate.wait();
      co_return 7;
    });

    gate.set();
    child.cancel();
    const int got = co_await child;

    EXPECT_EQ(got, 7);
    EXPECT_FALSE(child.cancelled());
  });
}

TEST_P(CancelOrder, FinishedSleep_BeatsALaterRequest) {
  run([]() -> task<> {
    constexpr auto wake_at = &weft::sleep_until;
    const clock::time_point when = now() + 1ms;
    join_handle<> victim;
    bool slept = false;
    // Both timers fire in one go: the request finds the other sleep completed.
    auto canceller = spawn([&]() -> task<> {
      co_await wake_at(when);
      victim.cancel();
    });
    victim = spawn([&]() -> task<> {
      co_await wake_at(when);
      slept = true;
      co_await yield();
      ADD_FAILURE() << "the request was lost";
    });

    const ending how = co_await ending_of(victim);
    co_await canceller;

    EXPECT_TRUE(slept);
    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(Cancel, GrantedItem_IsNeverLost) {
  run([]() -> task<> {
    queue<int> items;
    int taken = 0;
    int put = 0;
    for (int round = 0; round < 300; ++round) {
      auto consumer = co_await spawn_waiting([&]() -> task<> {
        (void)co_await items.get();
        ++taken;
      });
      auto producer = spawn([&]() -> task<> {
        co_await items.put(round);
        ++put;
      });
      if (round % 3 == 0) co_await yield();
      consumer.cancel();
      (void)co_await ending_of(consumer);
      (void)co_await ending_of(producer);
    }

    EXPECT_EQ(static_cast<std::size_t>(put - taken), items.size());
  });
}

TEST_P(Cancel, GrantedPermit_IsNeverLost) {
  run([]() -> task<> {
    semaphore permits(1);
    for (int round = 0; round < 300; ++round) {
      auto held = co_await permits.acquire();
      auto rival = co_await spawn_waiting([&]() -> task<> {
        const auto mine = co_await permits.acquire();
        co_await yield();
      });
      auto canceller = spawn([&]() -> task<> {
        rival.cancel();
        co_return;
      });
      if (round % 2 == 0) co_await yield();
      held = {};
      (void)co_await ending_of(rival);
      co_await canceller;
      EXPECT_EQ(permits.available(), 1);
    }
  });
}

// ---- Through others -----------------------------------------------------------------------------

TEST_P(Cancel, RequestToAnAwaiter_CancelsTheAwaitedTaskAndWaitsForIt) {
  run([]() -> task<> {
    event never;
    event clean_up;
    bool cleaned = false;
    auto inner = co_await spawn_waiting([&]() -> task<> {
      const auto body = [&]() -> task<> { co_await never.wait(); };
      const auto cleanup = [&]() -> task<> {
        co_await clean_up.wait();
        cleaned = true;
      };
      co_await try_finally(body, cleanup);
    });
    bool saw_it_clean = false;
    auto outer = co_await spawn_waiting([&]() -> task<> {
      try {
        co_await inner;
      } catch (const cancelled_error&) {
        saw_it_clean = cleaned;
        throw;
      }
    });

    outer.cancel();
    co_await until_waiting(inner);
    EXPECT_FALSE(outer.done());
    clean_up.set();
    const ending how = co_await ending_of(outer);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_TRUE(inner.cancelled());
    EXPECT_TRUE(saw_it_clean);
  });
}

// share() is there for those who want otherwise.
TEST_P(Cancel, RequestToOneOfTwoAwaiters_CancelsTheTaskForBoth) {
  run([]() -> task<> {
    event never;
    int counted_by_the_other = -1;
    auto inner = co_await spawn_waiting(wait_on, std::ref(never));
    auto one = co_await spawn_waiting([&]() -> task<> { co_await inner; });
    auto other = co_await spawn_waiting([&]() -> task<> {
      try {
        co_await inner;
      } catch (const cancelled_error&) {
        counted_by_the_other = this_task::cancelling();
        throw;
      }
    });

    one.cancel();
    const ending of_one = co_await ending_of(one);
    const ending of_other = co_await ending_of(other);

    EXPECT_EQ(of_one, ending::cancelled);
    EXPECT_EQ(of_other, ending::cancelled);
    EXPECT_TRUE(inner.cancelled());
    EXPECT_EQ(counted_by_the_other, 0);  // nobody addressed it to that one
  });
}

TEST_P(Cancel, AwaitOfACancelledTask_RaisesTheCancellation) {
  run([]() -> task<> {
    event never;
    auto inner = co_await spawn_waiting(wait_on, std::ref(never));
    auto outer = co_await spawn_waiting([&]() -> task<> {
      try {
        co_await inner;
      } catch (const cancelled_error&) {
        EXPECT_EQ(this_task::cancelling(), 0);  // nobody addressed it to this task
        throw;
      }
    });

    inner.cancel();
    const ending how = co_await ending_of(outer);

    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(Cancel, AwaitedTaskThatSwallowsIt_DeliversItsValueAndTheRequestIsSpent) {
  run([]() -> task<> {
    event never;
    auto inner = co_await spawn_waiting([&]() -> task<int> {
      try {
        co_await never.wait();
      } catch (const cancelled_error&) {  // swallowed on purpose
      }
      co_return 7;
    });
    auto outer = co_await spawn_waiting([&]() -> task<int> {
      const int got = co_await inner;
      EXPECT_EQ(this_task::cancelling(), 1);
      co_await yield();  // spent: not delivered again
      co_return got;
    });

    outer.cancel();
    const int got = co_await outer;

    EXPECT_EQ(got, 7);
  });
}

TEST_P(Cancel, Request_ReachesTheEndOfAChainOfTasks) {
  run([]() -> task<> {
    event never;
    std::vector<join_handle<>> chain;
    chain.reserve(20);
    chain.push_back(co_await spawn_waiting(wait_on, std::ref(never)));
    for (std::size_t i = 1; i < 20; ++i) {
      chain.push_back(co_await spawn_waiting([&chain, i]() -> task<> { co_await chain[i - 1]; }));
    }

    chain.back().cancel();
    const ending how = co_await ending_of(chain.back());

    EXPECT_EQ(how, ending::cancelled);
    for (auto& each : chain) EXPECT_TRUE(each.cancelled());
  });
}

TEST_P(Cancel, NestedFrames_AreUnwoundFromTheInside) {
  run([]() -> task<> {
    event never;
    std::string log;
    struct noting {
      std::string& log;
      char name;
      ~noting() { log += name; }
    };
    auto child = co_await spawn_waiting([&]() -> task<> {
      const noting outer{log, 'o'};
      const auto nested = [&]() -> task<> {
        const noting inner{log, 'i'};
        co_await never.wait();
      };
      co_await nested();
    });

    child.cancel();
    const ending how = co_await ending_of(child);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_EQ(log, "io");
  });
}

// ---- Every suspension ---------------------------------------------------------------------------

// One task with each kind of await, cancelled at its n-th suspension for every n.
task<> awaits_of_all_kinds(int& reached, const std::function<void()>& at_each) {
  const auto step = [&] {
    ++reached;
    at_each();
  };
  step();
  co_await yield();
  step();
  co_await sleep(1ms);
  step();
  co_await sleep(0ms);
  step();
  {
    event gate;
    call_later(1ms, [&] { gate.set(); });
    co_await try_finally([&]() -> task<> { co_await gate.wait(); },
                         [&]() -> task<> {
                           co_await sleep(2ms);  // the callback is over before the event dies
                         });
  }
  step();
  auto child = spawn(sleep(1ms));
  co_await child;
  step();
  (void)co_await gather(sleep(1ms), sleep(2ms));
  step();
  co_await wait_for(sleep(1ms), 1s);
}
constexpr int suspensions_of_all_kinds = 7;

TEST_P(CancelOrder, RequestAtEachSuspension_EndsTheTaskThere) {
  for (int n = 1; n <= suspensions_of_all_kinds; ++n) {
    run([n]() -> task<> {
      join_handle<> self;
      event assigned;
      int reached = 0;
      const std::function<void()> at_each = [&] {
        if (reached == n) self.cancel();
      };
      self = spawn([&]() -> task<> {
        co_await assigned.wait();
        co_await awaits_of_all_kinds(reached, at_each);
      });

      assigned.set();
      const ending how = co_await ending_of(self);

      EXPECT_EQ(how, ending::cancelled) << "at suspension " << n;
      EXPECT_EQ(reached, n);
    });
    EXPECT_EQ(take_ledger().frames, 0);
    EXPECT_EQ(take_ledger().timers, 0);
  }
}

TEST_P(CancelOrder, RequestForwardedToATaskThatHadCompleted_StaysPending) {
  run([]() -> task<> {
    event gate;
    auto inner = co_await spawn_waiting(wait_on, std::ref(gate));
    bool completed = false;
    auto outer = co_await spawn_waiting([&]() -> task<> {
      co_await inner;
      completed = true;
      co_await yield();
      ADD_FAILURE() << "the request was lost";
    });

    gate.set();
    outer.cancel();
    const ending how = co_await ending_of(outer);

    EXPECT_TRUE(completed);
    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST(CancelAtEachStep, RequestAtEveryMomentOfTime_EndsTheTaskAndLeavesNothing) {
  for (int moment = 0; moment < 240; ++moment) {
    test_runtime rt;
    rt.run([moment]() -> task<> {
      int reached = 0;
      const std::function<void()> nothing = [] {};
      auto child = spawn(awaits_of_all_kinds(reached, nothing));
      for (int i = 0; i < moment % 6; ++i) co_await yield();
      co_await sleep(200us * (moment / 6));

      const bool asked = child.cancel();
      const ending how = co_await ending_of(child);

      if (asked) {
        EXPECT_EQ(how, ending::cancelled) << "at moment " << moment;
      } else {
        EXPECT_EQ(how, ending::value);
      }
    });
    EXPECT_EQ(take_ledger().frames, 0);
    EXPECT_EQ(take_ledger().timers, 0);
  }
}

// The request comes at any moment of the task's life; the task would never end without it.
TEST(CancelStress, RequestOfAnotherThread_IsNeverLostAndDeliveredOnce) {
  std::mt19937_64 random(stress_seed());
  const auto spin = [](std::uint64_t turns) {
    for (std::atomic<std::uint64_t> i{0}; i < turns; ++i) {
    }
  };
  runtime rt({.workers = 4});
  for (int round = 0; round < 500; ++round) {
    event gate;
    event never;
    std::atomic<int> exceptions{0};
    auto child = rt.spawn([&]() -> task<> {
      try {
        co_await yield();
        co_await gate.wait();
        co_await never.wait();
      } catch (const cancelled_error&) {
        ++exceptions;
        throw;
      }
    });
    std::thread canceller([&, turns = random() % 4000] {
      spin(turns);
      EXPECT_TRUE(child.cancel());
    });
    spin(random() % 4000);
    gate.set();
    canceller.join();

    EXPECT_THROW(child.get(), cancelled_error);
    EXPECT_LE(exceptions.load(), 1);  // none when it came before the start
  }
}

// ---- cancel_shield ------------------------------------------------------------------------------

TEST_P(CancelShield, Request_WaitsUntilTheShieldIsGone) {
  run([]() -> task<> {
    event gate;
    bool finished = false;
    auto child = co_await spawn_waiting([&]() -> task<> {
      {
        const cancel_shield shield;
        co_await gate.wait();
        finished = true;
      }
      co_await yield();
      ADD_FAILURE() << "the request was lost";
    });

    EXPECT_TRUE(child.cancel());
    co_await until_waiting(child);
    gate.set();
    const ending how = co_await ending_of(child);

    EXPECT_TRUE(finished);
    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(CancelShield, InnerShield_DoesNotEndTheOuterOne) {
  run([]() -> task<> {
    self_cancelling self;
    bool reached = false;
    self.handle = spawn([&]() -> task<> {
      co_await self.assigned.wait();
      const cancel_shield outer;
      self.handle.cancel();
      {
        const cancel_shield inner;
      }
      co_await yield();
      reached = true;
    });

    self.assigned.set();
    (void)co_await ending_of(self.handle);

    EXPECT_TRUE(reached);
  });
}

TEST_P(CancelShield, TaskThatEndsBehindItsShield_DeliversItsValue) {
  run([]() -> task<> {
    event gate;
    auto child = co_await spawn_waiting([&]() -> task<int> {
      const cancel_shield shield;
      co_await gate.wait();
      co_return 7;
    });

    child.cancel();
    gate.set();
    const int got = co_await child;

    EXPECT_EQ(got, 7);
  });
}

TEST_P(CancelShield, Deadline_WaitsUntilTheShieldIsGone) {
  run([]() -> task<> {
    bool finished = false;
    bool timed_out = false;
    try {
      const deadline limit{1ms};
      {
        const cancel_shield shield;
        co_await sleep(3ms);
        finished = true;
      }
      co_await sleep(1h);
    } catch (const timeout_error&) {
      timed_out = true;
    }

    EXPECT_TRUE(finished);
    EXPECT_TRUE(timed_out);
  });
}

// ---- ... and limits that begin behind it

TEST_P(CancelShield, WaitForBehindIt_TimesOutAndLeavesTheRequestPending) {
  run([]() -> task<> {
    event never;
    event inside;
    bool timed_out = false;
    auto child = spawn([&]() -> task<> {
      {
        const cancel_shield shield;
        inside.set();
        const auto ended = co_await catch_all(wait_for(never.wait(), 2ms));
        timed_out = ended.threw<timeout_error>();
        EXPECT_EQ(this_task::cancelling(), 1);
      }
      co_await yield();
      ADD_FAILURE() << "the request was lost";
    });
    co_await inside.wait();

    child.cancel();
    const ending how = co_await ending_of(child);

    EXPECT_TRUE(timed_out);
    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(CancelShield, TimeoutBehindIt_CancelsItsBodyOnce) {
  run([]() -> task<> {
    const cancel_shield shield;
    event never;
    bool cleaned_up = false;
    const auto body = [&]() -> task<> {
      bool cancelled = false;
      try {
        co_await never.wait();
      } catch (const cancelled_error&) {
        cancelled = true;
      }
      co_await sleep(100us);  // the clean-up may wait
      cleaned_up = cancelled;
      throw cancelled_error();
    };

    const auto ended = co_await catch_all(timeout(200us, body));

    EXPECT_TRUE(ended.threw<timeout_error>());
    EXPECT_TRUE(cleaned_up);
    EXPECT_EQ(this_task::cancelling(), 0);
    co_await yield();
  });
}

TEST_P(CancelShield, DeadlineBehindIt_Raises) {
  run([]() -> task<> {
    const cancel_shield shield;
    bool timed_out = false;
    try {
      const deadline limit{200us};
      co_await sleep(1h);
    } catch (const timeout_error&) {
      timed_out = true;
    }

    EXPECT_TRUE(timed_out);
    co_await yield();
  });
}

TEST_P(CancelShield, InnerOfTwo_PostponesTheLimitBetweenThem) {
  run([]() -> task<> {
    const cancel_shield outer;
    event gate;
    bool finished = false;
    const auto opens_late = [](event& opened) -> task<> {
      co_await sleep(1ms);
      opened.set();
    };
    auto opening = spawn(opens_late(gate));
    const auto body = [&]() -> task<> {
      {
        const cancel_shield inner;
        co_await gate.wait();
        finished = true;
      }
      co_await sleep(1h);
    };

    const auto ended = co_await catch_all(timeout(10us, body));
    co_await opening;

    EXPECT_TRUE(finished);
    EXPECT_TRUE(ended.threw<timeout_error>());
  });
}

TEST_P(CancelShield, CleanUpThatHangs_IsEndedByItsOwnTimeOut) {
  run([]() -> task<> {
    event never;
    auto child = co_await spawn_waiting([&]() -> task<> {
      co_await try_finally([&]() -> task<> { co_await never.wait(); },
                           [&]() -> task<> {
                             const auto ended = co_await catch_all(wait_for(never.wait(), 100us));
                             EXPECT_TRUE(ended.threw<timeout_error>());
                           });
    });

    child.cancel();
    const ending how = co_await ending_of(child);

    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(CancelShield, JoinBehindIt_EndsTheAwaitedTaskWhenItsLimitExpires) {
  run([]() -> task<> {
    const cancel_shield shield;
    event never;
    auto inner = co_await spawn_waiting(wait_on, std::ref(never));

    const auto ended = co_await catch_all(wait_for(inner, 100us));

    EXPECT_TRUE(ended.threw<timeout_error>());
    EXPECT_TRUE(inner.cancelled());
  });
}

TEST_P(CancelShield, AwaitedTask_IsLeftAloneToo) {
  run([]() -> task<> {
    event gate;
    auto inner = co_await spawn_waiting(wait_on, std::ref(gate));
    auto outer = co_await spawn_waiting([&]() -> task<> {
      const cancel_shield shield;
      co_await inner;
    });

    outer.cancel();
    gate.set();
    const ending how = co_await ending_of(outer);

    EXPECT_EQ(how, ending::value);
    EXPECT_FALSE(inner.cancelled());
  });
}

// ---- try_finally --------------------------------------------------------------------------------

TEST_P(TryFinally, CleanUp_RunsAfterAValue) {
  run([]() -> task<> {
    std::string log;
    const auto body = [&]() -> task<int> {
      co_await yield();
      log += "body ";
      co_return 7;
    };
    const auto cleanup = [&]() -> task<> {
      co_await yield();
      log += "cleanup";
    };

    const int got = co_await try_finally(body, cleanup);

    EXPECT_EQ(got, 7);
    EXPECT_EQ(log, "body cleanup");
  });
}

TEST_P(TryFinally, CleanUp_RunsAfterAnException) {
  run([]() -> task<> {
    bool cleaned = false;
    const auto body = []() -> task<> {
      co_await yield();
      throw std::runtime_error("body");
    };
    const auto cleanup = [&]() -> task<> {
      co_await yield();
      cleaned = true;
    };

    const auto ended = co_await catch_all(try_finally(body, cleanup));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
    EXPECT_TRUE(cleaned);
  });
}

TEST_P(TryFinally, CleanUp_OfACancelledBodyIsNotInterruptedAgain) {
  run([]() -> task<> {
    event never;
    event clean_up;
    bool cleaned = false;
    auto child = co_await spawn_waiting([&]() -> task<> {
      const auto body = [&]() -> task<> { co_await never.wait(); };
      const auto cleanup = [&]() -> task<> {
        co_await clean_up.wait();
        cleaned = true;
      };
      co_await try_finally(body, cleanup);
    });

    child.cancel();
    co_await until_waiting(child);
    child.cancel();
    co_await until_waiting(child);
    EXPECT_FALSE(child.done());
    clean_up.set();
    const ending how = co_await ending_of(child);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_TRUE(cleaned);
  });
}

TEST_P(TryFinally, FailureOfTheCleanUp_ReplacesTheOutcome) {
  run([]() -> task<> {
    const auto body = []() -> task<> {
      co_await yield();
      throw std::runtime_error("body");
    };
    const auto cleanup = []() -> task<> {
      co_await yield();
      throw std::logic_error("cleanup");
    };

    const auto ended = co_await catch_all(try_finally(body, cleanup));

    EXPECT_TRUE(ended.threw<std::logic_error>());
  });
}

TEST_P(TryFinally, PlainFunctions_AreBodiesToo) {
  run([]() -> task<> {
    std::string log;

    co_await try_finally([&] { log += "body "; }, [&] { log += "cleanup"; });

    EXPECT_EQ(log, "body cleanup");
  });
}

TEST_P(TryFinally, MoveOnlyValue_ComesThrough) {
  run([]() -> task<> {
    const auto body = []() -> task<std::unique_ptr<int>> {
      co_await yield();
      co_return std::make_unique<int>(7);
    };

    const auto got = co_await try_finally(body, [] {});

    EXPECT_EQ(*got, 7);
  });
}

TEST_P(TryFinally, BodyThatNeverSuspends_IsCleanedUpBehindAPendingRequest) {
  run([]() -> task<> {
    self_cancelling self;
    bool cleaned = false;
    self.handle = spawn([&]() -> task<> {
      co_await self.assigned.wait();
      self.handle.cancel();
      co_await try_finally([] {},
                           [&]() -> task<> {
                             co_await yield();
                             cleaned = true;
                           });
      co_await yield();
      ADD_FAILURE() << "the request was lost";
    });

    self.assigned.set();
    const ending how = co_await ending_of(self.handle);

    EXPECT_TRUE(cleaned);
    EXPECT_EQ(how, ending::cancelled);
  });
}

}  // namespace
}  // namespace weft::testing
