// The wait word and the life word, state by state, and their races on real threads.

#include "manual_gate.h"
#include "running_task.h"
#include "runtimes.h"
#include <weft/runtime/cancel.h>
#include <weft/runtime/detail/frame_pool.h>
#include <weft/runtime/detail/interrupt_scope.h>
#include <weft/runtime/detail/task_state.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/sleep.h>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using detail::unlink_result;

/// Spins for a random while, so that two threads meet at all possible moments.
void spin(std::uint64_t turns) {
  for (std::atomic<std::uint64_t> i{0}; i < turns; ++i) {
  }
}

// ---- The wait word: suspending and waking ------------------------------------------------------

/// A deadline of the running task whose time is over: interrupt() makes it felt.
class expired_scope {
 public:
  expired_scope() {
    scope_.expired.store(true);
    detail::enter_scope(scope_);
  }
  ~expired_scope() { detail::leave_scope(scope_); }
  expired_scope(const expired_scope&) = delete;
  expired_scope& operator=(const expired_scope&) = delete;

 private:
  detail::interrupt_scope scope_;
};

TEST(WaitWord, RunningTask_IsNotSuspendedAndOwesNothing) {
  run_task([]() -> task<> {
    EXPECT_FALSE(detail::is_suspended(current()));
    EXPECT_FALSE(detail::interrupted(current()));
    EXPECT_FALSE(detail::request_pending(current()));
    EXPECT_EQ(detail::cancelling(current()), 0);
    co_return;
  });
}

TEST(WaitWord, WakeOfAnArmedTask_ResumesItOnce) {
  run_task([]() -> task<> {
    manual_gate gate;
    int resumed = 0;
    auto waiting = co_await spawn_waiting([&]() -> task<> {
      co_await gate.wait();
      ++resumed;
    });
    EXPECT_TRUE(detail::is_suspended(*waiting.state()));

    EXPECT_TRUE(gate.open());
    EXPECT_FALSE(detail::is_suspended(*waiting.state()));
    EXPECT_EQ(resumed, 0);  // never on the waker's stack
    co_await waiting;

    EXPECT_EQ(resumed, 1);
  });
}

TEST(WaitWord, WakeBeforeTheTaskIsArmed_KeepsItRunning) {
  run_task([]() -> task<> {
    manual_gate gate;
    gate.after_publish = [&] { gate.open(); };
    bool others_ran = false;
    auto other = spawn([&]() -> task<> {
      others_ran = true;
      co_return;
    });

    co_await gate.wait();

    EXPECT_FALSE(others_ran);  // it did not suspend
    EXPECT_FALSE(detail::is_suspended(current()));
    co_await other;
  });
}

// ---- ... cancelling ----------------------------------------------------------------------------

TEST(WaitWord, CancelOfAnArmedTask_TakesItsNodeBackOnce) {
  run_task([]() -> task<> {
    manual_gate gate;
    auto waiting = co_await spawn_waiting([&]() -> task<> { co_await gate.wait(); });

    EXPECT_TRUE(detail::cancel(*waiting.state()));

    EXPECT_EQ(gate.unlinks(), 1);
    EXPECT_FALSE(gate.has_waiter());
    EXPECT_FALSE(detail::request_pending(*waiting.state()));  // on its way to the task
    EXPECT_EQ(detail::cancelling(*waiting.state()), 1);
    const ending how = co_await ending_of(waiting);
    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST(WaitWord, CancelOfACompletedWait_LeavesTheRequestPending) {
  run_task([]() -> task<> {
    manual_gate gate;
    bool completed = false;
    auto waiting = co_await spawn_waiting([&]() -> task<> {
      co_await gate.wait();
      completed = true;
      EXPECT_TRUE(detail::request_pending(current()));
      co_await yield();
    });
    detail::wait_node* const claimed = gate.take();  // its wake is on the way

    EXPECT_TRUE(detail::cancel(*waiting.state()));
    EXPECT_TRUE(detail::cancel(*waiting.state()));  // HELD: does not touch the node
    EXPECT_EQ(gate.unlinks(), 1);
    EXPECT_TRUE(detail::is_suspended(*waiting.state()));
    detail::wake(*claimed->task);

    const ending how = co_await ending_of(waiting);
    EXPECT_EQ(how, ending::cancelled);
    EXPECT_TRUE(completed);
  });
}

TEST(WaitWord, CancelThatIsPassedOn_IsSpentAndTheWaitGoesOn) {
  run_task([]() -> task<> {
    manual_gate gate;
    gate.on_unlink = [](detail::task_state&) { return unlink_result::forwarded; };
    auto waiting = co_await spawn_waiting([&]() -> task<> {
      auto wait = gate.wait();
      co_await wait;
      EXPECT_EQ(wait.passed_on, detail::wait_outcome::cancelled);
      co_await yield();  // nothing is pending
    });

    detail::cancel(*waiting.state());
    detail::cancel(*waiting.state());
    EXPECT_EQ(gate.unlinks(), 2);
    EXPECT_EQ(detail::cancelling(*waiting.state()), 2);
    EXPECT_FALSE(detail::request_pending(*waiting.state()));
    gate.open();

    const ending how = co_await ending_of(waiting);
    EXPECT_EQ(how, ending::value);
  });
}

TEST(WaitWord, WakeWhileACancellerIsAtWork_IsNotLost) {
  run_task([]() -> task<> {
    manual_gate gate;
    gate.on_unlink = [&](detail::task_state& task) {
      EXPECT_TRUE(detail::is_suspended(task));
      EXPECT_TRUE(gate.open());  // somebody completes it this moment
      return unlink_result::completed;
    };
    int resumed = 0;
    auto waiting = co_await spawn_waiting([&]() -> task<> {
      co_await gate.wait();
      ++resumed;
      EXPECT_TRUE(detail::request_pending(current()));
    });

    detail::cancel(*waiting.state());

    const ending how = co_await ending_of(waiting);
    EXPECT_EQ(how, ending::value);
    EXPECT_EQ(resumed, 1);
  });
}

TEST(WaitWord, WakeWhileACancellationIsPassedOn_IsNotLost) {
  run_task([]() -> task<> {
    manual_gate gate;
    gate.on_unlink = [&](detail::task_state&) {
      EXPECT_TRUE(gate.open());
      return unlink_result::forwarded;
    };
    auto waiting = co_await spawn_waiting([&]() -> task<> {
      co_await gate.wait();
      co_await yield();
    });

    detail::cancel(*waiting.state());

    const ending how = co_await ending_of(waiting);
    EXPECT_EQ(how, ending::value);
  });
}

TEST(WaitWord, SecondCancellerDuringTheFirst_IsDeliveredWithIt) {
  run_task([]() -> task<> {
    manual_gate gate;
    gate.on_unlink = [&](detail::task_state& task) {
      EXPECT_TRUE(detail::cancel(task));
      (void)gate.take();
      return unlink_result::removed;
    };
    int exceptions = 0;
    auto waiting = co_await spawn_waiting([&]() -> task<> {
      try {
        co_await gate.wait();
      } catch (const cancelled_error&) {
        ++exceptions;
      }
      EXPECT_EQ(detail::cancelling(current()), 2);
      co_await yield();
    });

    detail::cancel(*waiting.state());

    const ending how = co_await ending_of(waiting);
    EXPECT_EQ(how, ending::value);
    EXPECT_EQ(exceptions, 1);
    EXPECT_EQ(gate.unlinks(), 1);
  });
}

TEST(WaitWord, SecondCancellerWhileTheFirstIsPassedOn_IsSpentWithIt) {
  run_task([]() -> task<> {
    manual_gate gate;
    gate.on_unlink = [&](detail::task_state& task) {
      if (gate.unlinks() == 1) detail::cancel(task);
      return unlink_result::forwarded;
    };
    auto waiting = co_await spawn_waiting([&]() -> task<> {
      co_await gate.wait();
      co_await yield();
    });

    detail::cancel(*waiting.state());
    EXPECT_EQ(detail::cancelling(*waiting.state()), 2);
    EXPECT_EQ(gate.unlinks(), 1);
    gate.open();

    const ending how = co_await ending_of(waiting);
    EXPECT_EQ(how, ending::value);
  });
}

TEST(WaitWord, CancelOfADoneTask_IsRefused) {
  run_task([]() -> task<> {
    auto child = spawn([]() -> task<> { co_return; });
    co_await child;

    EXPECT_FALSE(detail::cancel(*child.state()));

    EXPECT_EQ(detail::cancelling(*child.state()), 0);
  });
}

// ---- ... arming with a pending request ---------------------------------------------------------

TEST(WaitWord, ArmWithARequest_TakesTheNodeBackAndDoesNotSuspend) {
  run_task([]() -> task<> {
    manual_gate gate;
    detail::cancel(current());

    const auto ended = co_await catch_all(gate.wait());

    EXPECT_TRUE(ended.threw<cancelled_error>());
    EXPECT_EQ(gate.unlinks(), 1);
    EXPECT_FALSE(gate.has_waiter());
    EXPECT_FALSE(detail::request_pending(current()));
  });
}

TEST(WaitWord, ArmWithARequestOfACompletedWait_WaitsForItsWake) {
  run_task([]() -> task<> {
    manual_gate gate;
    detail::wait_node* claimed = nullptr;
    gate.after_publish = [&] { claimed = gate.take(); };
    auto waiting = spawn([&]() -> task<> {
      detail::cancel(current());
      co_await gate.wait();
      EXPECT_TRUE(detail::request_pending(current()));
    });
    co_await until_waiting(waiting);

    detail::wake(*claimed->task);

    const ending how = co_await ending_of(waiting);
    EXPECT_EQ(how, ending::value);
  });
}

TEST(WaitWord, ArmWithARequestOfAWaitThatIsAlreadyWoken_GoesOn) {
  run_task([]() -> task<> {
    manual_gate gate;
    gate.after_publish = [&] { gate.open(); };
    detail::cancel(current());

    co_await gate.wait();

    EXPECT_EQ(gate.unlinks(), 0);  // nobody tried to take it back
    EXPECT_TRUE(detail::consume_request(current()));
  });
}

TEST(WaitWord, ArmWithARequestThatIsPassedOn_Suspends) {
  run_task([]() -> task<> {
    manual_gate gate;
    gate.on_unlink = [](detail::task_state&) { return unlink_result::forwarded; };
    auto waiting = spawn([&]() -> task<> {
      detail::cancel(current());
      auto wait = gate.wait();
      co_await wait;
      EXPECT_EQ(wait.passed_on, detail::wait_outcome::cancelled);
      co_await yield();
    });
    co_await until_waiting(waiting);
    EXPECT_FALSE(detail::request_pending(*waiting.state()));

    gate.open();

    const ending how = co_await ending_of(waiting);
    EXPECT_EQ(how, ending::value);
    EXPECT_EQ(gate.unlinks(), 1);
  });
}

// ---- ... expired scopes and shields ------------------------------------------------------------

TEST(WaitWord, Interrupt_RaisesAtEachSuspensionUntilItIsCleared) {
  run_task([]() -> task<> {
    manual_gate gate;
    auto waiting = co_await spawn_waiting([&]() -> task<> {
      const expired_scope over;
      const auto first = co_await catch_all(gate.wait());
      const auto second = co_await catch_all(gate.wait());
      EXPECT_TRUE(first.threw<timeout_error>());
      EXPECT_TRUE(second.threw<timeout_error>());
      EXPECT_TRUE(detail::level_raised(current()));
      detail::clear_level(current());
      EXPECT_EQ(detail::cancelling(current()), 0);
      co_await yield();
    });

    detail::interrupt(*waiting.state());

    const ending how = co_await ending_of(waiting);
    EXPECT_EQ(how, ending::value);
    EXPECT_EQ(gate.unlinks(), 2);
  });
}

TEST(WaitWord, InterruptAndRequestTogether_DeliverTheRequestFirst) {
  run_task([]() -> task<> {
    manual_gate gate;
    const expired_scope over;
    detail::interrupt(current());
    detail::cancel(current());

    const auto first = co_await catch_all(gate.wait());
    const auto second = co_await catch_all(gate.wait());
    detail::clear_level(current());

    EXPECT_TRUE(first.threw<cancelled_error>());
    EXPECT_TRUE(second.threw<timeout_error>());
  });
}

TEST(WaitWord, InterruptAndRequestThatArePassedOn_CountAsARequest) {
  run_task([]() -> task<> {
    for (const bool request_first : {false, true}) {
      manual_gate gate;
      gate.on_unlink = [](detail::task_state&) { return unlink_result::forwarded; };
      auto waiting = co_await spawn_waiting([&]() -> task<> {
        const expired_scope over;
        auto wait = gate.wait();
        co_await wait;
        EXPECT_EQ(wait.passed_on, detail::wait_outcome::cancelled);
        detail::clear_level(current());
      });

      if (request_first) detail::cancel(*waiting.state());
      detail::interrupt(*waiting.state());
      if (!request_first) detail::cancel(*waiting.state());
      gate.open();

      const ending how = co_await ending_of(waiting);
      EXPECT_EQ(how, ending::value);
    }
  });
}

TEST(WaitWord, InterruptThatIsPassedOn_IsNoRequest) {
  run_task([]() -> task<> {
    manual_gate gate;
    gate.on_unlink = [](detail::task_state&) { return unlink_result::forwarded; };
    auto waiting = co_await spawn_waiting([&]() -> task<> {
      const expired_scope over;
      auto wait = gate.wait();
      co_await wait;
      EXPECT_EQ(wait.passed_on, detail::wait_outcome::interrupted);
      detail::clear_level(current());
    });

    detail::interrupt(*waiting.state());
    gate.open();

    const ending how = co_await ending_of(waiting);
    EXPECT_EQ(how, ending::value);
  });
}

TEST(WaitWord, TaskBehindAShield_IsNotCancelledWhereItWaits) {
  run_task([]() -> task<> {
    manual_gate gate;
    auto waiting = co_await spawn_waiting([&]() -> task<> {
      const expired_scope over;
      {
        const cancel_shield shield;
        co_await gate.wait();
        EXPECT_FALSE(detail::interrupted(current()));
      }
      EXPECT_TRUE(detail::interrupted(current()));
      co_await yield();
    });
    EXPECT_TRUE(detail::requests_masked(*waiting.state()));

    detail::cancel(*waiting.state());
    detail::interrupt(*waiting.state());
    EXPECT_EQ(gate.unlinks(), 0);
    EXPECT_TRUE(detail::is_suspended(*waiting.state()));
    gate.open();

    const ending how = co_await ending_of(waiting);
    EXPECT_EQ(how, ending::cancelled);
  });
}

// ---- ... counting ------------------------------------------------------------------------------

TEST(WaitWord, Count_SaturatesAt255) {
  run_task([]() -> task<> {
    for (int i = 0; i < 300; ++i) detail::cancel(current());

    EXPECT_EQ(detail::cancelling(current()), 255);

    for (int left = 254; left > 0; --left) {
      EXPECT_EQ(detail::uncancel(current()), left);
      EXPECT_TRUE(detail::request_pending(current()));
    }
    EXPECT_EQ(detail::uncancel(current()), 0);
    EXPECT_FALSE(detail::request_pending(current()));
    EXPECT_EQ(detail::uncancel(current()), 0);
    co_return;
  });
}

TEST(WaitWord, RetractedRequest_IsWithdrawnWhenItWasTheOnlyOne) {
  run_task([]() -> task<> {
    const int before = detail::requests_before(current());
    detail::cancel(current());

    EXPECT_TRUE(detail::retract(current(), before));

    EXPECT_FALSE(detail::request_pending(current()));
    EXPECT_EQ(detail::cancelling(current()), 0);
    co_return;
  });
}

TEST(WaitWord, RetractedRequestBehindADeliveredOne_IsOnesOwn) {
  run_task([]() -> task<> {
    detail::cancel(current());  // somebody else's
    (void)detail::consume_request(current());
    const int before = detail::requests_before(current());
    detail::cancel(current());

    EXPECT_TRUE(detail::retract(current(), before));

    EXPECT_EQ(before, 1);
    EXPECT_FALSE(detail::request_pending(current()));
    EXPECT_EQ(detail::cancelling(current()), 1);
    (void)detail::uncancel(current());
    co_return;
  });
}

TEST(WaitWord, RetractedRequestBesideALaterOne_LeavesThatOne) {
  run_task([]() -> task<> {
    const int before = detail::requests_before(current());
    detail::cancel(current());
    detail::cancel(current());  // somebody else's

    EXPECT_FALSE(detail::retract(current(), before));

    EXPECT_TRUE(detail::request_pending(current()));
    EXPECT_EQ(detail::cancelling(current()), 1);
    (void)detail::uncancel(current());
    co_return;
  });
}

TEST(WaitWord, RetractedRequestBesideAPendingOne_LeavesThatOne) {
  run_task([]() -> task<> {
    detail::cancel(current());  // somebody else's
    const int before = detail::requests_before(current());
    detail::cancel(current());

    EXPECT_FALSE(detail::retract(current(), before));

    EXPECT_EQ(before, 0);
    EXPECT_TRUE(detail::request_pending(current()));
    EXPECT_EQ(detail::cancelling(current()), 1);
    (void)detail::uncancel(current());
    co_return;
  });
}

// Whether one exception stands for both, or the other one's is on its way out when ours comes.
TEST(WaitWord, RetractedRequestAndOneDeliveredInTheScope_IsNotOnesOwn) {
  run_task([]() -> task<> {
    for (const bool together : {true, false}) {
      detail::cancel(current());  // somebody else's
      const int before = detail::requests_before(current());
      if (!together) (void)detail::consume_request(current());
      detail::cancel(current());
      if (together) (void)detail::consume_request(current());

      EXPECT_FALSE(detail::retract(current(), before));

      EXPECT_EQ(detail::cancelling(current()), 1);
      (void)detail::uncancel(current());
    }
    co_return;
  });
}

TEST(WaitWord, RepostedRequest_IsPendingAgainAndNotCountedAgain) {
  run_task([]() -> task<> {
    detail::cancel(current());
    EXPECT_TRUE(detail::consume_request(current()));
    EXPECT_FALSE(detail::consume_request(current()));

    detail::repost_request(current());

    EXPECT_EQ(detail::cancelling(current()), 1);
    EXPECT_TRUE(detail::consume_request(current()));
    co_return;
  });
}

// ---- Races on the wait word --------------------------------------------------------------------

constexpr int race_rounds = 3000;

TEST(WaitWordRace, WakeAgainstArm_ResumesEachTimeOnce) {
  std::mt19937_64 random(stress_seed());
  manual_gate gate;
  std::atomic<int> resumed{0};
  std::atomic<bool> over{false};
  std::thread waker([&] {
    while (!over) {
      if (gate.open()) spin(random() % 64);
    }
  });

  weft::run(
      [&]() -> task<> {
        for (int i = 0; i < race_rounds; ++i) {
          co_await gate.wait();
          ++resumed;
          EXPECT_FALSE(gate.has_waiter());
        }
      },
      {.workers = 1});
  over = true;
  waker.join();

  EXPECT_EQ(resumed.load(), race_rounds);
}

/// A thread that attacks a task once a round, at a random moment after the round has begun.
class attacker {
 public:
  template <class F>
  attacker(std::uint64_t seed, F attack)
      : thread_([this, seed, attack] {
          std::mt19937_64 random(seed);
          for (int round = 1; round <= race_rounds; ++round) {
            while (begun_.load() < round) std::this_thread::yield();
            spin(random() % 300);
            attack(round);
            ended_ = round;
          }
        }) {}
  ~attacker() { thread_.join(); }
  attacker(const attacker&) = delete;
  attacker& operator=(const attacker&) = delete;

  void begin(int round) { begun_ = round; }
  void wait_for(int round) const {
    while (ended_.load() < round) std::this_thread::yield();
  }

 private:
  std::atomic<int> begun_{0};
  std::atomic<int> ended_{0};
  std::thread thread_;
};

/// Runs `body(round)` for each round in a task of another thread's runtime; `victim` is its handle,
/// for the attackers.
template <class F>
void run_victim(join_handle<>& victim, F body) {
  runtime rt({.workers = 2});
  std::atomic<bool> assigned{false};
  victim = rt.spawn([&]() -> task<> {
    while (!assigned) std::this_thread::yield();
    for (int round = 1; round <= race_rounds; ++round) co_await body(round);
  });
  assigned = true;
  victim.get();
  victim.detach();
}

struct caught {
  int cancellations = 0;
  int time_outs = 0;
};
/// Awaits once and counts what it threw.
template <class A>
task<bool> completes(A awaited, caught& thrown) {
  try {
    co_await std::move(awaited);
    co_return true;
  } catch (const cancelled_error&) {
    ++thrown.cancellations;
  } catch (const timeout_error&) {
    ++thrown.time_outs;
  }
  co_return false;
}

TEST(WaitWordRace, CancelAgainstWake_LosesNeither) {
  std::mt19937_64 random(stress_seed());
  manual_gate gate;
  join_handle<> victim;
  std::atomic<int> over{0};
  attacker waker(random(), [&](int round) {
    while (!gate.open() && over < round) {
    }
  });
  attacker canceller(random(), [&](int) { EXPECT_TRUE(victim.cancel()); });

  run_victim(victim, [&](int round) -> task<> {
    caught thrown;
    waker.begin(round);
    canceller.begin(round);
    (void)co_await completes(gate.wait(), thrown);
    over = round;
    waker.wait_for(round);
    canceller.wait_for(round);
    EXPECT_FALSE(gate.has_waiter());
    (void)co_await completes(yield(), thrown);  // raises what is pending
    EXPECT_EQ(thrown.cancellations, 1) << "round " << round;
    EXPECT_EQ(detail::uncancel(current()), 0);
  });
}

TEST(WaitWordRace, CancelAgainstCancel_CountsBothAndInterruptsOnceOrTwice) {
  std::mt19937_64 random(stress_seed());
  manual_gate gate;
  join_handle<> victim;
  const auto cancel = [&](int) { EXPECT_TRUE(victim.cancel()); };
  attacker one(random(), cancel);
  attacker two(random(), cancel);

  run_victim(victim, [&](int round) -> task<> {
    caught thrown;
    const int unlinks = gate.unlinks();
    one.begin(round);
    two.begin(round);
    const bool completed = co_await completes(gate.wait(), thrown);
    EXPECT_FALSE(completed);
    one.wait_for(round);
    two.wait_for(round);
    (void)co_await completes(yield(), thrown);
    EXPECT_GE(thrown.cancellations, 1) << "round " << round;
    EXPECT_EQ(gate.unlinks() - unlinks, 1);
    EXPECT_FALSE(detail::request_pending(current()));
    EXPECT_EQ(detail::uncancel(current()), 1);
    EXPECT_EQ(detail::uncancel(current()), 0);
  });
}

TEST(WaitWordRace, CancelAgainstInterrupt_DeliversBoth) {
  std::mt19937_64 random(stress_seed());
  manual_gate gate;
  join_handle<> victim;
  attacker canceller(random(), [&](int) { EXPECT_TRUE(victim.cancel()); });
  attacker interrupter(random(), [&](int) { detail::interrupt(*victim.state()); });

  run_victim(victim, [&](int round) -> task<> {
    const expired_scope over;
    caught thrown;
    canceller.begin(round);
    interrupter.begin(round);
    const bool completed = co_await completes(gate.wait(), thrown);
    EXPECT_FALSE(completed);
    canceller.wait_for(round);
    interrupter.wait_for(round);
    for (int i = 0; i < 2; ++i) (void)co_await completes(yield(), thrown);
    EXPECT_EQ(thrown.cancellations, 1) << "round " << round;
    EXPECT_GE(thrown.time_outs, 1);
    detail::clear_level(current());
    EXPECT_EQ(detail::uncancel(current()), 0);
    co_await yield();
  });
}

TEST(WaitWordRace, CancelThatIsPassedOnAgainstWake_NeitherStopsNorInterruptsTheTask) {
  std::mt19937_64 random(stress_seed());
  manual_gate gate;
  gate.on_unlink = [&](detail::task_state&) {
    return gate.has_waiter() ? unlink_result::forwarded : unlink_result::completed;
  };
  join_handle<> victim;
  attacker waker(random(), [&](int) {
    while (!gate.open()) {
    }
  });
  attacker canceller(random(), [&](int) { EXPECT_TRUE(victim.cancel()); });

  run_victim(victim, [&](int round) -> task<> {
    caught thrown;
    waker.begin(round);
    canceller.begin(round);
    auto wait = gate.wait();
    co_await wait;
    const bool passed_on = wait.passed_on == detail::wait_outcome::cancelled;
    waker.wait_for(round);
    canceller.wait_for(round);
    (void)co_await completes(yield(), thrown);
    EXPECT_EQ(thrown.cancellations + (passed_on ? 1 : 0), 1) << "round " << round;
    EXPECT_EQ(detail::uncancel(current()), 0);
  });
}

// ---- The life word -----------------------------------------------------------------------------

/// Logs the end of the task that it waits for.
struct logging_waiter : detail::completion_waiter {
  logging_waiter(std::string& target, char letter) : log(target), name(letter) {
    on_done = [](detail::completion_waiter& self, detail::task_state& ended) noexcept {
      EXPECT_TRUE(detail::done(ended));
      auto& waiter = static_cast<logging_waiter&>(self);
      waiter.log += waiter.name;
    };
  }
  std::string& log;
  char name;
};

TEST(LifeWord, Waiters_AreToldOnceInTheOrderOfTheirRegistration) {
  run_task([]() -> task<> {
    std::string log;
    logging_waiter a(log, 'a');
    logging_waiter b(log, 'b');
    logging_waiter c(log, 'c');
    manual_gate gate;
    auto child = co_await spawn_waiting([&]() -> task<> { co_await gate.wait(); });

    EXPECT_TRUE(detail::add_waiter(*child.state(), a));
    EXPECT_TRUE(detail::add_waiter(*child.state(), b));
    EXPECT_TRUE(detail::add_waiter(*child.state(), c));
    gate.open();
    co_await child;

    EXPECT_EQ(log, "abc");
  });
}

TEST(LifeWord, WaiterThatWasTakenBack_IsNotTold) {
  run_task([]() -> task<> {
    std::string log;
    logging_waiter a(log, 'a');
    logging_waiter b(log, 'b');
    logging_waiter c(log, 'c');
    manual_gate gate;
    auto child = co_await spawn_waiting([&]() -> task<> { co_await gate.wait(); });
    for (logging_waiter* each : {&a, &b, &c}) detail::add_waiter(*child.state(), *each);

    EXPECT_TRUE(detail::remove_waiter(*child.state(), b));
    EXPECT_FALSE(detail::remove_waiter(*child.state(), b));
    gate.open();
    co_await child;

    EXPECT_EQ(log, "ac");
    EXPECT_FALSE(detail::remove_waiter(*child.state(), a));
  });
}

TEST(LifeWord, DoneTask_TakesNoWaiter) {
  run_task([]() -> task<> {
    std::string log;
    logging_waiter late(log, 'x');
    auto child = spawn([]() -> task<> { co_return; });
    co_await child;

    EXPECT_FALSE(detail::add_waiter(*child.state(), late));

    EXPECT_EQ(log, "");
  });
}

TEST(LifeWord, Endings_AreToldApart) {
  run_task([]() -> task<> {
    auto value = spawn([]() -> task<> { co_return; });
    auto failure = spawn([]() -> task<> {
      throw std::runtime_error("failed");
      co_return;
    });
    auto cancelled = spawn([]() -> task<> {
      throw cancelled_error();
      co_return;
    });
    while (!cancelled.done()) co_await yield();
    const auto life = [](join_handle<>& of) { return of.state()->life.load(); };
    namespace bits = detail::task_life;

    EXPECT_EQ(life(value) & (bits::done | bits::failed | bits::cancelled), bits::done);
    EXPECT_EQ(life(failure) & (bits::done | bits::failed | bits::cancelled),
              bits::done | bits::failed);
    EXPECT_EQ(life(cancelled) & (bits::done | bits::failed | bits::cancelled),
              bits::done | bits::cancelled);
    EXPECT_FALSE(detail::is_retrieved(*failure.state()));
    EXPECT_NE(failure.exception(), nullptr);
    EXPECT_TRUE(detail::is_retrieved(*failure.state()));
  });
}

TEST(LifeWord, Pin_IsForLiveTasksOfThatRuntimeOnly) {
  run_task([]() -> task<> {
    manual_gate gate;
    auto child = co_await spawn_waiting([&]() -> task<> { co_await gate.wait(); });
    const std::uint8_t here = child.state()->runtime;
    const auto elsewhere = static_cast<std::uint8_t>(here + 1);

    EXPECT_FALSE(detail::try_pin(*child.state(), elsewhere));
    EXPECT_TRUE(detail::try_pin(*child.state(), here));
    detail::drop_handle(*child.state());
    gate.open();
    co_await child;

    EXPECT_FALSE(detail::try_pin(*child.state(), here));  // its frame is gone
  });
}

TEST(LifeWord, PinnedTask_KeepsItsResultWithoutAHandle) {
  run_task([]() -> task<> {
    const auto token = std::make_shared<int>(7);
    manual_gate gate;
    auto child = co_await spawn_waiting([&]() -> task<std::shared_ptr<int>> {
      co_await gate.wait();
      co_return token;
    });
    detail::task_state& state = *child.state();
    EXPECT_TRUE(detail::try_pin(state, state.runtime));
    child.detach();
    gate.open();
    while (!detail::done(state)) co_await yield();
    EXPECT_EQ(token.use_count(), 2);

    detail::drop_handle(state);

    EXPECT_EQ(token.use_count(), 1);
  });
}

TEST(LifeWord, Block_IsFreeAfterTheLastHandle) {
  run_task([]() -> task<> {
    const std::int64_t frames = detail::frame_pool::take_usage().blocks;
    auto child = spawn([]() -> task<> { co_return; });
    detail::task_state& state = *child.state();
    detail::add_handle(state);
    co_await child;
    child.detach();
    EXPECT_GT(detail::frame_pool::take_usage().blocks, frames);

    detail::drop_handle(state);

    EXPECT_EQ(detail::frame_pool::take_usage().blocks, frames);
    EXPECT_EQ(state.life.load(), 0u);  // walkers see that no task is there
  });
}

TEST(LifeWord, Id_IsUniqueAndStays) {
  run_task([]() -> task<> {
    std::set<std::uint64_t> ids;
    std::vector<join_handle<>> children;
    for (int i = 0; i < 100; ++i) children.push_back(spawn([]() -> task<> { co_return; }));

    for (auto& each : children) ids.insert(detail::id_of(*each.state()));

    EXPECT_EQ(ids.size(), children.size());
    EXPECT_FALSE(ids.contains(0));
    EXPECT_EQ(detail::id_of(*children[0].state()), children[0].id());
    EXPECT_EQ(detail::name_of(*children[0].state()), "task-" + std::to_string(children[0].id()));
    for (auto& each : children) co_await each;
  });
}

TEST(LifeWord, Extra_IsMadeForNamesOnly) {
  EXPECT_EQ(detail::make_extra(""), 0u);

  const std::uintptr_t extra = detail::make_extra("name");

  EXPECT_NE(extra, 0u);
  detail::drop_extra(extra);
}

TEST(LifeWord, Cancellation_IsRecognisedWithoutAThrow) {
  EXPECT_FALSE(detail::is_cancellation(nullptr));
  EXPECT_FALSE(detail::is_cancellation(std::make_exception_ptr(std::runtime_error("other"))));
  EXPECT_TRUE(detail::is_cancellation(std::make_exception_ptr(cancelled_error())));
}

TEST(LifeWord, StopHook_LivesUntilItsLastUser) {
  struct hook : detail::stop_hook {
    explicit hook(int& count) : alive(count) { ++alive; }
    ~hook() override { --alive; }
    void request_stop() noexcept override { ++requests; }
    int& alive;
    int requests = 0;
  };
  int alive = 0;
  auto* const shared = new hook(alive);  // owns itself

  shared->add_reference();
  shared->request_stop();
  shared->drop_reference();
  EXPECT_EQ(alive, 1);
  EXPECT_EQ(shared->requests, 1);
  shared->drop_reference();

  EXPECT_EQ(alive, 0);
}

// ---- Races on the life word --------------------------------------------------------------------

/// A result that counts itself.
class counted_result {
 public:
  explicit counted_result(std::atomic<int>& alive) : alive_(&alive) { ++*alive_; }
  counted_result(counted_result&& other) noexcept : alive_(other.alive_) { ++*alive_; }
  counted_result(const counted_result& other) noexcept : alive_(other.alive_) { ++*alive_; }
  counted_result& operator=(const counted_result&) = delete;
  ~counted_result() { --*alive_; }

 private:
  std::atomic<int>* alive_;
};

TEST(LifeWordRace, DropAgainstComplete_FreesTheBlockOnce) {
  std::mt19937_64 random(stress_seed());
  std::atomic<int> results{0};
  const std::int64_t frames = detail::frame_pool::take_usage().blocks;
  {
    runtime rt({.workers = 2});
    for (int round = 0; round < race_rounds; ++round) {
      auto child = rt.spawn([](std::atomic<int>& alive) -> task<counted_result> {
        co_return counted_result(alive);
      }(results));
      spin(random() % 3000);
      child.detach();
    }
  }

  EXPECT_EQ(results.load(), 0);
  EXPECT_EQ(detail::frame_pool::take_usage().blocks, frames);
}

TEST(LifeWordRace, DropAgainstFailure_ReportsItOnce) {
  std::mt19937_64 random(stress_seed());
  std::atomic<int> reports{0};
  constexpr int failures = 500;
  {
    runtime rt({.workers = 2});
    rt.set_exception_handler([&](const exception_context&) { ++reports; });
    for (int round = 0; round < failures; ++round) {
      auto child = rt.spawn([]() -> task<> {
        throw std::runtime_error("nobody looks");
        co_return;
      });
      spin(random() % 20'000);
      child.detach();
    }
    while (rt.metrics().tasks_alive > 0)
      std::this_thread::yield();  // not cancelled before they run
  }

  EXPECT_EQ(reports.load(), failures);
}

TEST(LifeWordRace, RegistrationAgainstComplete_TellsOrRefuses) {
  std::mt19937_64 random(stress_seed());
  struct counting_waiter : detail::completion_waiter {
    std::atomic<int> told{0};
    counting_waiter() {
      on_done = [](detail::completion_waiter& self, detail::task_state&) noexcept {
        ++static_cast<counting_waiter&>(self).told;
      };
    }
  };
  runtime rt({.workers = 2});
  for (int round = 0; round < race_rounds; ++round) {
    counting_waiter kept;
    counting_waiter taken_back;
    auto child = rt.spawn([]() -> task<> { co_return; });
    spin(random() % 3000);

    const bool added = detail::add_waiter(*child.state(), kept);
    const bool added_too = detail::add_waiter(*child.state(), taken_back);
    const bool removed = added_too && detail::remove_waiter(*child.state(), taken_back);
    child.get();

    while (kept.told < (added ? 1 : 0)) std::this_thread::yield();
    while (taken_back.told < (added_too && !removed ? 1 : 0)) std::this_thread::yield();
    ASSERT_EQ(kept.told.load(), added ? 1 : 0);
    ASSERT_EQ(taken_back.told.load(), added_too && !removed ? 1 : 0);
  }
}

TEST(LifeWordRace, PinOfAWalkerAgainstComplete_PinsLiveTasksOnly) {
  runtime rt({.workers = 2});
  std::atomic<bool> over{false};
  std::thread spawner([&] {
    for (int i = 0; i < race_rounds; ++i) {
      rt.spawn([]() -> task<> { co_await yield(); }).detach();
    }
    over = true;
  });
  const std::uint8_t index = [&] {
    auto probe = rt.spawn([]() -> task<> { co_return; });
    return probe.state()->runtime;
  }();

  std::int64_t pinned = 0;
  while (!over) {
    struct walk {
      std::uint8_t runtime;
      std::vector<detail::task_state*> tasks;
    } found{index, {}};
    detail::frame_pool::for_each_block(
        [](void* context, detail::task_state& header) {
          auto& into = *static_cast<walk*>(context);
          if (detail::try_pin(header, into.runtime)) into.tasks.push_back(&header);
        },
        &found);
    for (detail::task_state* each : found.tasks) {
      EXPECT_EQ(each->runtime, index);
      ++pinned;
      detail::drop_handle(*each);
    }
  }
  spawner.join();

  EXPECT_TRUE(rt.shutdown(10s));
  EXPECT_EQ(take_ledger().tasks, 0);
  EXPECT_GE(pinned, 0);
}

TEST(LifeWordRace, IdAskedByManyThreads_IsOne) {
  runtime rt({.workers = 2});
  for (int round = 0; round < 200; ++round) {
    auto child = rt.spawn([]() -> task<> { co_await sleep(1h); });
    std::atomic<int> ready{0};
    std::vector<std::uint64_t> ids(3);
    std::vector<std::thread> threads;
    for (std::uint64_t& id : ids) {
      threads.emplace_back([&] {
        ++ready;
        while (ready < 3) {
        }
        id = detail::id_of(*child.state());
      });
    }
    for (std::thread& each : threads) each.join();
    child.cancel();

    EXPECT_EQ(ids[0], ids[1]);
    EXPECT_EQ(ids[1], ids[2]);
  }
}

}  // namespace
}  // namespace weft::testing
