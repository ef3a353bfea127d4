// The checker proves itself, second part: programs with a bug that has been made in real runtimes. It
// must find each of them, and the replay string that it prints must show the same failure alone.

#include "checker/explore.h"
#include "checker/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

namespace weft::model {
namespace {

using detail::atomic;
using detail::os_condition;
using detail::os_mutex;
using ::testing::HasSubstr;
using enum std::memory_order;

void expect_found(const std::string& failure, const std::function<void()>& body,
                  unsigned preemptions = 2) {
  options bounds;
  bounds.preemptions = preemptions;
  bounds.steps_max = 300;
  for (const strategy how : {strategy::depth_first, strategy::random, strategy::pct}) {
    bounds.how = how;
    bounds.executions_max = 2'000'000;
    const result found = explore(bounds, body, on_failure::stop);
    ASSERT_FALSE(found.passed()) << found.executions << " executions";
    ASSERT_THAT(found.failure, HasSubstr(failure)) << found.executions << " executions";
    const result again = replay(bounds, body, found.replay);
    ASSERT_FALSE(again.passed()) << "replay of " << found.replay;
    EXPECT_THAT(again.failure, HasSubstr(failure)) << "replay of " << found.replay;
  }
}

void expect_none(const std::function<void()>& body, unsigned preemptions = 2) {
  options bounds;
  bounds.preemptions = preemptions;
  const result found = explore(bounds, body);
  EXPECT_TRUE(found.passed()) << found.report();
  EXPECT_TRUE(found.complete);
}

// ---- Sleeping against waking

// A thread that blocks until it is notified, as a worker in its poller.
class sleeper {
 public:
  void sleep() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return notified_; });
    notified_ = false;
  }
  void notify() {
    const std::lock_guard lock(mutex_);
    notified_ = true;
    changed_.notify_one();
  }

 private:
  os_mutex mutex_;
  os_condition changed_;
  bool notified_ = false;
};

void sleep_against_push(std::memory_order order_of_store, std::memory_order order_of_load) {
  atomic<int> items{0}, asleep{0};
  sleeper worker;
  run_threads(
      [&] {
        items.store(1, order_of_store);
        if (asleep.load(order_of_load) == 1) worker.notify();
      },
      [&] {
        for (;;) {
          if (items.load(order_of_load) == 1) return;
          asleep.store(1, order_of_store);
          if (items.load(order_of_load) == 1) return;
          worker.sleep();
        }
      });
}

TEST(PlantedBug, SleepWithReleaseAcquire_LosesAWakeUp) {
  expect_found("deadlock", [] { sleep_against_push(release, acquire); });
  expect_none([] { sleep_against_push(seq_cst, seq_cst); });
}

void sleep_without_second_look(bool looks_again) {
  atomic<int> items{0}, asleep{0};
  sleeper worker;
  run_threads(
      [&] {
        items.store(1, seq_cst);
        if (asleep.load(seq_cst) == 1) worker.notify();
      },
      [&] {
        while (items.load(seq_cst) == 0) {
          asleep.store(1, seq_cst);
          if (looks_again && items.load(seq_cst) == 1) return;
          worker.sleep();
        }
      });
}

TEST(PlantedBug, SleepWithoutASecondLook_LosesAWakeUp) {
  expect_found("deadlock", [] { sleep_without_second_look(false); });
  expect_none([] { sleep_without_second_look(true); });
}

// The searcher finds one of two tasks and does not pass the search on: the second task waits while a
// worker sleeps. No deadlock, a loss of parallelism.
void search_for_two(bool passes_on) {
  atomic<int> tasks{2}, searchers{1}, woken{0};
  run_threads([&] {
    tasks.fetch_sub(1, seq_cst);
    searchers.fetch_sub(1, seq_cst);
    if (passes_on && tasks.load(seq_cst) > 0) woken.fetch_add(1, seq_cst);
  });
  const bool conserved = tasks.load(relaxed) == 0 || woken.load(relaxed) > 0;
  check(conserved, "a task waits, a worker sleeps, nobody searches");
}

TEST(PlantedBug, SearcherThatTellsNobody_WastesAWorker) {
  expect_found("nobody searches", [] { search_for_two(false); });
  expect_none([] { search_for_two(true); });
}

// ---- The deque of Chase and Lev

struct deque_bugs {
  bool pop_without_total_order = false;
  bool push_relaxed = false;
  bool steal_without_exchange = false;
};

class planted_deque {
 public:
  explicit planted_deque(const deque_bugs& bugs) : bugs_(bugs) {}

  void push(int item) {
    payload_[item] = item * 10;
    const int bottom = bottom_.load(relaxed);
    slots_[bottom & 3].store(item, relaxed);
    bottom_.store(bottom + 1, bugs_.push_relaxed ? relaxed : release);
  }
  bool pop() {
    const auto total = bugs_.pop_without_total_order ? acq_rel : seq_cst;
    const auto total_load = bugs_.pop_without_total_order ? acquire : seq_cst;
    const int bottom = bottom_.load(relaxed) - 1;
    bottom_.exchange(bottom, total);
    int top = top_.load(total_load);
    if (top < bottom) {
      take(slots_[bottom & 3].load(relaxed));
      return true;
    }
    const int last = slots_[bottom & 3].load(relaxed);
    const bool won = top == bottom && top_.compare_exchange_strong(top, top + 1, seq_cst, relaxed);
    bottom_.store(bottom + 1, release);
    if (won) take(last);
    return won;
  }
  void steal() {
    int top = top_.load(seq_cst);
    const int bottom = bottom_.load(seq_cst);
    if (top >= bottom) return;
    const int oldest = slots_[top & 3].load(relaxed);
    if (bugs_.steal_without_exchange) {
      top_.store(top + 1, seq_cst);
      take(oldest);
    } else if (top_.compare_exchange_strong(top, top + 1, seq_cst, relaxed)) {
      take(oldest);
    }
  }

 private:
  void take(int item) {
    check(payload_[item] == item * 10, "what was pushed is not what is taken");
    check(taken_[item].add(1) == 1, "an item is taken twice");
  }

  const deque_bugs bugs_;
  atomic<int> top_{0}, bottom_{0};
  atomic<int> slots_[4];
  int payload_[4] = {};
  tally taken_[4];
};

std::function<void()> with_deque(const deque_bugs& bugs) {
  return [bugs] {
    planted_deque deque(bugs);
    run_threads(
        [&] {
          deque.push(1);
          deque.push(2);
          deque.pop();
          deque.push(3);
          while (deque.pop()) {
          }
        },
        [&] {
          deque.steal();
          deque.steal();
        });
  };
}

TEST(PlantedBug, DequeAsPublished_HasNone) {
  expect_none(with_deque({}), 3);
}

TEST(PlantedBug, DequePopWithoutTotalOrder_TakesTwice) {
  expect_found("taken twice", with_deque({.pop_without_total_order = true}));
}

TEST(PlantedBug, DequePushRelaxed_ShowsOldSlots) {
  expect_found("", with_deque({.push_relaxed = true}));
}

TEST(PlantedBug, DequeStealWithoutExchange_TakesTwice) {
  expect_found("taken twice", with_deque({.steal_without_exchange = true}));
}

// ---- A stack whose pop meets a node that has gone and come back

void stack_with_reused_node() {
  struct node {
    atomic<node*> next{nullptr};
  };
  node a, b;
  atomic<node*> head{&a};
  a.next.store(&b, relaxed);
  tally taken_a, taken_b;
  const auto pop = [&]() -> node* {
    node* top = head.load(acquire);
    while (top != nullptr) {
      if (head.compare_exchange_weak(top, top->next.load(relaxed), acq_rel, acquire)) break;
    }
    if (top != nullptr) (top == &a ? taken_a : taken_b).add(1);
    return top;
  };
  run_threads([&] { pop(); },
              [&] {
                node* first = pop();
                pop();
                if (first != &a) return;
                taken_a.add(-1);
                node* top = head.load(relaxed);
                do {
                  a.next.store(top, relaxed);
                } while (!head.compare_exchange_weak(top, &a, release, relaxed));
              });
  while (pop() != nullptr) {
  }
  check(taken_a.get() == 1 && taken_b.get() == 1, "a node is lost or taken twice");
}

TEST(PlantedBug, StackWithReusedNode_TakesTwice) {
  expect_found("lost or taken twice", stack_with_reused_node);
}

// ---- Granting against cancelling

void grant_against_cancel(bool with_exchange) {
  enum : int { waiting, granted, cancelled };
  atomic<int> state{waiting}, free_permits{0};
  run_threads(
      [&] {
        int expected = waiting;
        if (with_exchange) {
          if (!state.compare_exchange_strong(expected, granted, acq_rel, acquire))
            free_permits.fetch_add(1, relaxed);
        } else if (state.load(acquire) == waiting) {
          state.store(granted, release);
        } else {
          free_permits.fetch_add(1, relaxed);
        }
      },
      [&] {
        int expected = waiting;
        if (with_exchange) {
          state.compare_exchange_strong(expected, cancelled, acq_rel, acquire);
        } else if (state.load(acquire) == waiting) {
          state.store(cancelled, release);
        }
      });
  check((state.load(relaxed) == granted) + free_permits.load(relaxed) == 1, "a permit is lost");
}

TEST(PlantedBug, GrantWithLoadAndStore_LosesAPermit) {
  expect_found("a permit is lost", [] { grant_against_cancel(false); });
  expect_none([] { grant_against_cancel(true); });
}

// A task is woken while it runs; the runner forgets the note at its end.
void wake_while_running(bool keeps_note) {
  constexpr int running = 1, notified = 2;
  atomic<int> state{running};
  atomic<int> data{0};
  int seen = -1;
  bool queued = false;
  run_threads(
      [&] {
        seen = data.load(acquire);
        if (keeps_note) {
          queued = (state.exchange(0, acq_rel) & notified) != 0;
        } else {
          state.store(0, release);
        }
      },
      [&] {
        data.store(1, release);
        if ((state.fetch_or(notified, acq_rel) & running) == 0) state.store(running, relaxed);
      });
  const bool runs_again = queued || state.load(relaxed) != 0;
  check(seen == 1 || runs_again, "a task sleeps with news that it has not seen");
}

TEST(PlantedBug, PlainStoreAtTheEndOfAStep_DropsAWake) {
  expect_found("has not seen", [] { wake_while_running(false); });
  expect_none([] { wake_while_running(true); });
}

// ---- Lives of objects

void set_then_unlock(bool touches_after) {
  struct event {
    atomic<int> lock{0};
    atomic<int> set{0};
  };
  auto owned = std::make_unique<event>();
  event& shared = *owned;
  run_threads(
      [&] {
        shared.lock.store(1, relaxed);
        shared.set.store(1, release);
        if (touches_after) shared.lock.store(0, release);
      },
      [&] {
        while (shared.set.load(acquire) == 0) detail::cpu_relax();
        owned.reset();
      });
}

TEST(PlantedBug, TouchAfterTheLastNotice_IsUseAfterDestruction) {
  expect_found("", [] { set_then_unlock(true); });
  expect_none([] { set_then_unlock(false); });
}

void lazy_initialisation(std::memory_order publish) {
  atomic<int> made{0};
  int value = 0;
  os_mutex mutex;
  const auto get = [&] {
    if (made.load(publish == relaxed ? relaxed : acquire) == 0) {
      const std::lock_guard lock(mutex);
      if (made.load(relaxed) == 0) {
        value = 7;
        made.store(1, publish);
      }
    }
    check(value == 7, "not initialised");
  };
  run_threads(get, get);
}

TEST(PlantedBug, DoubleCheckWithRelaxedFlag_IsADataRace) {
  expect_found("data race", [] { lazy_initialisation(relaxed); });
  expect_none([] { lazy_initialisation(release); });
}

void reference_count(std::memory_order order_of_drop) {
  struct counted {
    atomic<int> references{2};
    int value = 0;
  };
  auto* object = new counted;
  const auto drop = [&](int write) {
    if (write != 0) object->value = write;
    if (object->references.fetch_sub(1, order_of_drop) == 1) delete object;
  };
  run_threads([&] { drop(1); }, [&] { drop(0); });
}

TEST(PlantedBug, ReferenceCountWithoutAcquire_IsADataRace) {
  expect_found("", [] { reference_count(release); });
  expect_none([] { reference_count(acq_rel); });
}

TEST(PlantedBug, UseAfterFree_IsFound) {
  expect_found("freed memory", [] {
    auto* value = new int(1);
    run_threads([&] { delete value; });
    check(*value == 1, "changed");
  });
}

TEST(PlantedBug, Leak_IsFound) {
  expect_found("leak", [] {
    atomic<int*> kept{nullptr};
    kept.store(new int(1), relaxed);
  });
}

TEST(PlantedBug, PlainCounter_IsADataRace) {
  expect_found("data race", [] {
    int counter = 0;
    run_threads([&] { ++counter; }, [&] { ++counter; });
  });
}

TEST(PlantedBug, UnpublishedAtomic_IsFound) {
  expect_found("race with its construction", [] {
    atomic<atomic<int>*> shared{nullptr};
    atomic<int>* made = nullptr;
    run_threads(
        [&] {
          made = new atomic<int>(1);
          shared.store(made, relaxed);
        },
        [&] {
          if (atomic<int>* seen = shared.load(relaxed)) seen->load(relaxed);
        });
    delete made;
  });
}

TEST(PlantedBug, WildPointer_IsASegmentationFault) {
  expect_found("segmentation fault", [] {
    atomic<int*> pointer{nullptr};
    run_threads([&] { check(*pointer.load(relaxed) == 0, "not zero"); });
  });
}

// ---- Locks and conditions

TEST(PlantedBug, TwoLocksInBothOrders_Deadlock) {
  expect_found("deadlock", [] {
    os_mutex a, b;
    run_threads(
        [&] {
          const std::lock_guard first(a);
          const std::lock_guard second(b);
        },
        [&] {
          const std::lock_guard first(b);
          const std::lock_guard second(a);
        });
  });
}

TEST(PlantedBug, NotificationBeforeTheWait_IsLost) {
  expect_found("deadlock", [] {
    os_mutex mutex;
    os_condition changed;
    run_threads(
        [&] {
          std::unique_lock lock(mutex);
          changed.wait(lock);
        },
        [&] { changed.notify_one(); });
  });
}

// Two idle threads of a pool share one condition; the one whose time is over takes the notification
// of a job with it.
void pool_with_one_condition(bool rechecks) {
  os_mutex mutex;
  os_condition job_there;
  int jobs = 0;
  const auto serve = [&](bool may_leave) {
    return [&, may_leave] {
      std::unique_lock lock(mutex);
      while (jobs == 0) {
        if (!may_leave) {
          job_there.wait(lock);
        } else if (job_there.wait_until(lock, std::chrono::steady_clock::now()) ==
                   std::cv_status::timeout) {
          if (rechecks) job_there.notify_one();
          return;
        } else if (jobs > 0) {
          break;
        }
      }
      if (may_leave && !rechecks) return;  // leaves with the notification
      --jobs;
    };
  };
  const auto submit = [&] {
    const std::lock_guard lock(mutex);
    ++jobs;
    job_there.notify_one();
  };
  if (rechecks) {
    run_threads(serve(false), submit);
  } else {
    run_threads(serve(false), serve(true), submit);
  }
}

TEST(PlantedBug, TimedOutThreadThatTakesANotification_LosesAJob) {
  expect_found("deadlock", [] { pool_with_one_condition(false); });
  expect_none([] { pool_with_one_condition(true); });
}

TEST(PlantedBug, LoopsThatWaitForEachOther_AreFound) {
  expect_found("", [] {
    atomic<int> a{0}, b{0};
    run_threads(
        [&] {
          while (b.load(relaxed) == 0) detail::cpu_relax();
          a.store(1, relaxed);
        },
        [&] {
          while (a.load(relaxed) == 0) detail::cpu_relax();
          b.store(1, relaxed);
        });
  });
}

TEST(PlantedBug, LoopWithoutEnd_IsALivelock) {
  expect_found("livelock", [] {
    atomic<int> a{0};
    run_threads([&] {
      while (a.fetch_add(1, relaxed) >= 0) {
      }
    });
  });
}

TEST(PlantedBug, HiddenState_IsFound) {
  static int executions = 0;
  executions = 0;
  options bounds;
  const result found = explore(
      bounds,
      [] {
        const auto alternatives = static_cast<unsigned>(2 + ++executions % 2);
        check(choose(alternatives) < alternatives, "no such alternative");
      },
      on_failure::stop);

  EXPECT_THAT(found.failure, HasSubstr("depends on more than its decisions"));
}

// What a failing execution has left in static storage does not reach the next one.
struct listed {
  listed* next = nullptr;
};
constinit listed* list = nullptr;

void list_and_fail(bool fails) {
  check(list == nullptr, "somebody is left");
  const auto node = std::make_unique<listed>();
  list = node.get();
  check(!fails, "expected");
  list = nullptr;
}

TEST(PlantedBug, FailureHalfWay_LeavesGlobalsAsTheyWere) {
  expect_found("expected", [] { list_and_fail(true); });
  expect_none([] { list_and_fail(false); });
}

}  // namespace
}  // namespace weft::model
