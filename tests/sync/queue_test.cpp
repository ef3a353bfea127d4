#include "every_runtime.h"
#include <weft/runtime/select.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/event.h>
#include <weft/sync/queue.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

class Queue : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Queue, every_kind(), name_of);

constinit queue<int> made_before_main;

task<int> get_one(queue<int>& from) {
  const int item = co_await from.get();
  co_return item;
}
task<> put_one(queue<int>& into, int item) {
  co_await into.put(item);
}
task<> join_all(queue<int>& all) {
  co_await all.join();
}

// What is left, without waiting.
template <class Queue>
auto drain(Queue& from) {
  std::vector<int> items;
  while (const std::optional<int> item = from.try_get()) items.push_back(*item);
  return items;
}

// ---- Order --------------------------------------------------------------------------------------

TEST_P(Queue, Items_LeaveInTheOrderOfTheirClass) {
  run([]() -> task<> {
    queue<int> fifo;
    lifo_queue<int> lifo;
    priority_queue<int> smallest;
    priority_queue<int, std::greater<>> largest;
    for (const int item : {2, 3, 1}) {
      co_await fifo.put(item);
      co_await lifo.put(item);
      co_await smallest.put(item);
      co_await largest.put(item);
    }

    EXPECT_THAT(drain(fifo), ElementsAre(2, 3, 1));
    EXPECT_THAT(drain(lifo), ElementsAre(1, 3, 2));
    EXPECT_THAT(drain(smallest), ElementsAre(1, 2, 3));
    EXPECT_THAT(drain(largest), ElementsAre(3, 2, 1));
  });
}

TEST_P(Queue, EqualPriorities_KeepTheirOrder) {
  run([]() -> task<> {
    struct by_rank {
      bool operator()(const std::pair<int, int>& a, const std::pair<int, int>& b) const noexcept {
        return a.first < b.first;
      }
    };
    priority_queue<std::pair<int, int>, by_rank> ranked;
    for (int i = 0; i < 100; ++i) ranked.put_nowait({i % 3, i});

    std::pair<int, int> last{-1, -1};
    while (const auto item = ranked.try_get()) {
      EXPECT_LT(last, *item);
      last = *item;
    }
    EXPECT_EQ(last, (std::pair<int, int>{2, 98}));
    co_return;
  });
}

TEST_P(Queue, ManyItems_StayInOrderWhileTheMemoryGrows) {
  run([]() -> task<> {
    queue<int> numbers;
    int expected = 0;
    int next = 0;
    for (int round = 0; round < 100; ++round) {
      for (int i = 0; i < 13; ++i) co_await numbers.put(next++);
      for (int i = 0; i < 7; ++i) {
        const int item = co_await numbers.get();
        EXPECT_EQ(item, expected++);
      }
    }
    EXPECT_EQ(numbers.size(), 600u);
    while (const auto item = numbers.try_get()) EXPECT_EQ(*item, expected++);
    EXPECT_EQ(expected, next);
  });
}

TEST_P(Queue, MoveOnlyItems_Pass) {
  run([]() -> task<> {
    queue<std::unique_ptr<int>> boxes(1);
    auto box = std::make_unique<int>(1);
    co_await boxes.put(std::move(box));
    auto refused = std::make_unique<int>(2);
    EXPECT_FALSE(boxes.try_put(std::move(refused)));
    EXPECT_TRUE(refused);  // NOLINT(bugprone-use-after-move): try_put moves only on success
    EXPECT_THROW(boxes.put_nowait(std::move(refused)), queue_full);
    EXPECT_TRUE(refused);  // NOLINT(bugprone-use-after-move): so does put_nowait
    const std::unique_ptr<int> taken = co_await boxes.get();
    EXPECT_EQ(*taken, 1);
  });
}

// ---- Bounds and waiting -------------------------------------------------------------------------

TEST_P(Queue, FullAndEmpty_BlockOrThrow) {
  run([]() -> task<> {
    queue<int> two(2);
    EXPECT_TRUE(two.empty());
    EXPECT_THROW((void)two.get_nowait(), queue_empty);
    EXPECT_EQ(two.try_get(), std::nullopt);

    two.put_nowait(1);
    EXPECT_TRUE(two.try_put(2));
    EXPECT_TRUE(two.full());
    EXPECT_FALSE(two.try_put(3));
    EXPECT_THROW(two.put_nowait(3), queue_full);
    auto putter = co_await spawn_waiting(put_one, std::ref(two), 3);
    EXPECT_FALSE(putter.done());

    EXPECT_EQ(two.get_nowait(), 1);
    co_await putter;
    EXPECT_THAT(drain(two), ElementsAre(2, 3));
  });
}

TEST_P(Queue, WithoutBound_IsNeverFull) {
  run([]() -> task<> {
    queue<int> endless;
    for (int i = 0; i < 1000; ++i) endless.put_nowait(i);
    EXPECT_FALSE(endless.full());
    EXPECT_EQ(endless.size(), 1000u);
    co_return;
  });
}

TEST_P(Queue, Getters_AreServedInTheOrderInWhichTheyCame) {
  run([]() -> task<> {
    queue<int> numbers;
    std::vector<join_handle<int>> getters;
    for (int i = 0; i < 3; ++i) {
      getters.push_back(co_await spawn_waiting(get_one, std::ref(numbers)));
    }

    for (const int item : {10, 11, 12}) numbers.put_nowait(item);

    for (int i = 0; i < 3; ++i) EXPECT_EQ(co_await getters[static_cast<std::size_t>(i)], 10 + i);
  });
}

TEST_P(Queue, Putters_AreServedInTheOrderInWhichTheyCame) {
  run([]() -> task<> {
    queue<int> one(1);
    one.put_nowait(0);
    std::vector<join_handle<>> putters;
    for (const int item : {1, 2, 3}) {
      putters.push_back(co_await spawn_waiting(put_one, std::ref(one), item));
    }

    for (int expected = 0; expected < 4; ++expected) {
      const int item = co_await one.get();
      EXPECT_EQ(item, expected);
    }
    for (auto& each : putters) co_await each;
    EXPECT_TRUE(one.empty());
  });
}

TEST_P(Queue, WokenGetter_IsNotOvertaken) {
  run([]() -> task<> {
    queue<int> numbers;
    auto getter = co_await spawn_waiting(get_one, std::ref(numbers));

    numbers.put_nowait(1);

    EXPECT_EQ(numbers.try_get(), std::nullopt);
    EXPECT_TRUE(numbers.empty());
    EXPECT_EQ(co_await getter, 1);
  });
}

TEST_P(Queue, WokenPutter_IsNotOvertaken) {
  run([]() -> task<> {
    queue<int> one(1);
    one.put_nowait(1);
    auto putter = co_await spawn_waiting(put_one, std::ref(one), 2);

    EXPECT_EQ(one.get_nowait(), 1);

    EXPECT_FALSE(one.try_put(3));
    co_await putter;
    EXPECT_THAT(drain(one), ElementsAre(2));
  });
}

TEST_P(Queue, SeveralItemsAtOnce_ServeSeveralGetters) {
  run([]() -> task<> {
    queue<int> numbers;
    std::vector<join_handle<int>> getters;
    for (int i = 0; i < 4; ++i) {
      getters.push_back(co_await spawn_waiting(get_one, std::ref(numbers)));
    }
    int sum = 0;
    for (int i = 0; i < 4; ++i) numbers.put_nowait(i);
    for (auto& each : getters) {
      const int item = co_await each;
      sum += item;
    }
    EXPECT_EQ(sum, 6);
  });
}

// ---- Cancellation -------------------------------------------------------------------------------

TEST_P(Queue, CancelledGetter_LosesNoItem) {
  run([]() -> task<> {
    queue<int> numbers;
    auto first = co_await spawn_waiting(get_one, std::ref(numbers));
    auto second = co_await spawn_waiting(get_one, std::ref(numbers));

    first.cancel();
    numbers.put_nowait(1);

    EXPECT_EQ(co_await end_of(first), ending::cancelled);
    EXPECT_EQ(co_await second, 1);
  });
}

TEST_P(Queue, GetterCancelledAfterItsGrant_HasItsItem) {
  run([]() -> task<> {
    queue<int> numbers;
    auto getter = co_await spawn_waiting(get_one, std::ref(numbers));

    numbers.put_nowait(1);
    getter.cancel();

    EXPECT_EQ(co_await getter, 1);
    EXPECT_FALSE(getter.cancelled());
  });
}

TEST_P(Queue, CancelledPutter_InsertsNothingAndPassesThePlaceOn) {
  run([]() -> task<> {
    queue<int> one(1);
    one.put_nowait(0);
    auto first = co_await spawn_waiting(put_one, std::ref(one), 1);
    auto second = co_await spawn_waiting(put_one, std::ref(one), 2);

    first.cancel();
    EXPECT_EQ(co_await end_of(first), ending::cancelled);
    EXPECT_EQ(one.get_nowait(), 0);
    co_await second;

    EXPECT_THAT(drain(one), ElementsAre(2));
  });
}

TEST_P(Queue, PutterCancelledAfterItsGrant_HasPutItsItem) {
  run([]() -> task<> {
    queue<int> one(1);
    one.put_nowait(0);
    auto putter = co_await spawn_waiting(put_one, std::ref(one), 1);

    EXPECT_EQ(one.get_nowait(), 0);
    putter.cancel();

    EXPECT_EQ(co_await end_of(putter), ending::value);
    EXPECT_THAT(drain(one), ElementsAre(1));
  });
}

TEST_P(Queue, CancelledWaiters_AreNotKept) {
  run([]() -> task<> {
    queue<int> numbers;
    for (int i = 0; i < 100; ++i) {
      auto getter = co_await spawn_waiting(get_one, std::ref(numbers));
      getter.cancel();
      (void)co_await end_of(getter);
    }
    numbers.put_nowait(1);
    EXPECT_THAT(drain(numbers), ElementsAre(1));
  });
}

TEST_P(Queue, LosingGetOfASelect_TakesNoItem) {
  run([]() -> task<> {
    queue<int> numbers;
    event ready;
    auto selecting = co_await spawn_waiting([&]() -> task<std::size_t> {
      auto first = co_await select(numbers.get(), ready.wait());
      co_return first.index();
    });

    ready.set();
    numbers.put_nowait(1);
    const std::size_t winner = co_await selecting;

    EXPECT_EQ(winner, 1u);
    EXPECT_THAT(drain(numbers), ElementsAre(1));
  });
}

TEST_P(Queue, SelectOverTwoQueues_TakesOneItem) {
  run([]() -> task<> {
    queue<int> left;
    queue<int> right;
    auto selecting = co_await spawn_waiting([&]() -> task<int> {
      auto first = co_await select(left.get(), right.get());
      const int item = first.index() == 0 ? std::get<0>(first) : std::get<1>(first);
      co_return item;
    });

    right.put_nowait(2);
    left.put_nowait(1);

    EXPECT_EQ(co_await selecting, 2);
    EXPECT_THAT(drain(left), ElementsAre(1));
    EXPECT_TRUE(right.empty());
  });
}

// ---- join, task_done, shutdown ------------------------------------------------------------------

TEST_P(Queue, Join_WaitsUntilEveryItemIsDone) {
  run([]() -> task<> {
    queue<int> jobs;
    co_await jobs.join();  // nothing was put

    jobs.put_nowait(1);
    jobs.put_nowait(2);
    auto joiner = co_await spawn_waiting(join_all, std::ref(jobs));
    (void)drain(jobs);
    jobs.task_done();
    co_await until_waiting(joiner);
    EXPECT_FALSE(joiner.done());

    jobs.task_done();
    co_await joiner;
    EXPECT_THROW(jobs.task_done(), std::logic_error);
  });
}

TEST_P(Queue, ItemThatWasHandedOver_CountsForJoin) {
  run([]() -> task<> {
    queue<int> jobs;
    auto getter = co_await spawn_waiting(get_one, std::ref(jobs));
    jobs.put_nowait(1);
    (void)co_await getter;
    auto joiner = co_await spawn_waiting(join_all, std::ref(jobs));

    EXPECT_FALSE(joiner.done());
    jobs.task_done();
    co_await joiner;
  });
}

TEST_P(Queue, Shutdown_RefusesPutsAndLetsGettersDrain) {
  run([]() -> task<> {
    queue<int> one(1);
    one.put_nowait(1);
    auto putter = co_await spawn_waiting(put_one, std::ref(one), 2);

    one.shutdown();

    EXPECT_EQ(co_await end_of(putter), ending::error);
    EXPECT_THROW(putter.result(), queue_shut_down);
    EXPECT_THROW(one.put_nowait(3), queue_shut_down);
    EXPECT_FALSE(one.try_put(3));
    const int item = co_await one.get();
    EXPECT_EQ(item, 1);
    EXPECT_THROW((void)one.get_nowait(), queue_shut_down);
    auto late = spawn(get_one(one));
    EXPECT_EQ(co_await end_of(late), ending::error);
    EXPECT_THROW(late.result(), queue_shut_down);
  });
}

TEST_P(Queue, Shutdown_FailsGettersThatWait) {
  run([]() -> task<> {
    queue<int> numbers;
    auto first = co_await spawn_waiting(get_one, std::ref(numbers));
    auto second = co_await spawn_waiting(get_one, std::ref(numbers));

    numbers.shutdown();

    EXPECT_EQ(co_await end_of(first), ending::error);
    EXPECT_EQ(co_await end_of(second), ending::error);
    EXPECT_THROW(first.result(), queue_shut_down);
    EXPECT_THROW(second.result(), queue_shut_down);
  });
}

TEST_P(Queue, ImmediateShutdown_DropsItemsAndCountsThemAsDone) {
  run([]() -> task<> {
    queue<int> jobs;
    for (int i = 0; i < 3; ++i) jobs.put_nowait(i);
    EXPECT_EQ(jobs.get_nowait(), 0);  // being processed
    auto joiner = co_await spawn_waiting(join_all, std::ref(jobs));

    jobs.shutdown(true);

    EXPECT_TRUE(jobs.empty());
    EXPECT_THROW((void)jobs.get_nowait(), queue_shut_down);
    EXPECT_FALSE(joiner.done());
    jobs.task_done();
    co_await joiner;
  });
}

TEST_P(Queue, MadeBeforeAnyRuntime_Works) {
  run([]() -> task<> {
    auto getter = co_await spawn_waiting(get_one, std::ref(made_before_main));
    made_before_main.put_nowait(1);
    EXPECT_EQ(co_await getter, 1);
  });
}

TEST(QueueInTime, TimedOutGet_LosesNoItem) {
  test_runtime rt;

  rt.run([]() -> task<> {
    queue<int> numbers;
    bool timed_out = false;
    try {
      (void)co_await wait_for(numbers.get(), 50ms);
    } catch (const timeout_error&) {
      timed_out = true;
    }
    EXPECT_TRUE(timed_out);
    numbers.put_nowait(1);
    EXPECT_EQ(numbers.size(), 1u);
  });

  EXPECT_EQ(rt.clock().elapsed(), 50ms);
}

// Producers and consumers of a small queue, cancelled at random: what was put is got once or still
// there.
TEST(QueueStress, Cancellations_NeitherLoseNorDoubleItems) {
  const std::uint64_t seed = stress_seed();

  run(
      [seed]() -> task<> {
        std::mt19937_64 random(seed);
        for (int round = 0; round < 200; ++round) {
          queue<int> few(random() % 3 + 1);
          std::vector<std::atomic<int>> seen(64);
          std::atomic<int> put_count = 0;
          std::atomic<int> got_count = 0;
          std::vector<join_handle<>> tasks;
          for (int producer = 0; producer < 8; ++producer) {
            tasks.push_back(spawn([&, producer]() -> task<> {
              for (int i = 0; i < 8; ++i) {
                co_await few.put(producer * 8 + i);
                ++put_count;
              }
            }));
            tasks.push_back(spawn([&]() -> task<> {
              for (int i = 0; i < 8; ++i) {
                const int item = co_await few.get();
                ++seen[static_cast<std::size_t>(item)];
                ++got_count;
              }
            }));
          }
          for (auto& each : tasks) {
            if (random() % 3 == 0) each.cancel();
            if (random() % 4 == 0) co_await yield();
          }
          co_await yield();
          for (auto& each : tasks) each.cancel();
          for (auto& each : tasks) (void)co_await end_of(each);
          for (const int item : drain(few)) {
            ++seen[static_cast<std::size_t>(item)];
            ++got_count;
          }
          EXPECT_EQ(got_count, put_count);
          for (const auto& times : seen) EXPECT_LE(times, 1);
        }
      },
      {.workers = 4});
}

}  // namespace
}  // namespace weft::testing
