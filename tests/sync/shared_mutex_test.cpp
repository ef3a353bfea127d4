#include "every_runtime.h"
#include <weft/runtime/select.h>
#include <weft/sync/event.h>
#include <weft/sync/shared_mutex.h>

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

class SharedMutex : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, SharedMutex, every_kind(), name_of);

constinit shared_mutex made_before_main;

task<> read_until(shared_mutex& shared, event& leave, std::atomic<int>& inside) {
  const shared_lock_guard guard = co_await shared.lock_shared();
  ++inside;
  co_await leave.wait();
}
task<> write_until(shared_mutex& shared, event& leave, std::atomic<int>& inside) {
  const lock_guard guard = co_await shared.lock();
  ++inside;
  co_await leave.wait();
}

TEST_P(SharedMutex, Readers_EnterTogether) {
  run([]() -> task<> {
    shared_mutex shared;
    event leave;
    std::atomic<int> inside = 0;
    auto a =
        co_await spawn_waiting(read_until, std::ref(shared), std::ref(leave), std::ref(inside));
    auto b =
        co_await spawn_waiting(read_until, std::ref(shared), std::ref(leave), std::ref(inside));

    EXPECT_EQ(inside, 2);
    EXPECT_EQ(shared.readers(), 2u);
    EXPECT_FALSE(shared.try_lock());
    EXPECT_TRUE(shared.try_lock_shared());
    leave.set();
    co_await a;
    co_await b;
    EXPECT_EQ(shared.readers(), 0u);
    EXPECT_TRUE(shared.try_lock());
  });
}

TEST_P(SharedMutex, Writer_IsAlone) {
  run([]() -> task<> {
    shared_mutex shared;
    event leave;
    std::atomic<int> inside = 0;
    lock_guard guard = co_await shared.lock();
    EXPECT_TRUE(shared.locked());
    EXPECT_FALSE(shared.try_lock());
    EXPECT_FALSE(shared.try_lock_shared());
    auto reader =
        co_await spawn_waiting(read_until, std::ref(shared), std::ref(leave), std::ref(inside));
    EXPECT_EQ(inside, 0);

    leave.set();
    guard.unlock();
    co_await reader;

    EXPECT_EQ(inside, 1);
    EXPECT_FALSE(shared.locked());
  });
}

task<> append_alone(shared_mutex& shared, std::string& order, char name) {
  const lock_guard guard = co_await shared.lock();
  order += name;
  co_await yield();
}
task<> append_among_readers(shared_mutex& shared, std::string& order, char name) {
  const shared_lock_guard guard = co_await shared.lock_shared();
  order += name;
  co_await yield();
}

TEST_P(SharedMutex, WaitingWriters_AreServedInTheOrderInWhichTheyCame) {
  run([]() -> task<> {
    shared_mutex shared;
    std::string order;
    shared_lock_guard first = co_await shared.lock_shared();
    std::vector<join_handle<>> waiters;
    for (const char name : {'a', 'b', 'r', 'c'}) {
      const auto enter = name == 'r' ? append_among_readers : append_alone;
      waiters.push_back(co_await spawn_waiting(enter, std::ref(shared), std::ref(order), name));
    }

    first.unlock();
    for (auto& each : waiters) co_await each;

    EXPECT_EQ(order, "abrc");
  });
}

TEST_P(SharedMutex, ReaderBehindAWaitingWriter_Waits) {
  run([]() -> task<> {
    shared_mutex shared;
    event leave;
    std::atomic<int> readers = 0;
    std::atomic<int> writers = 0;
    shared_lock_guard first = co_await shared.lock_shared();
    auto writer =
        co_await spawn_waiting(write_until, std::ref(shared), std::ref(leave), std::ref(writers));
    auto reader =
        co_await spawn_waiting(read_until, std::ref(shared), std::ref(leave), std::ref(readers));

    EXPECT_FALSE(shared.try_lock_shared());
    EXPECT_EQ(readers, 0);
    first.unlock();
    co_await until_waiting(writer);
    while (writers == 0) co_await yield();
    EXPECT_EQ(readers, 0);
    leave.set();
    co_await writer;
    co_await reader;
    EXPECT_EQ(readers, 1);
  });
}

TEST_P(SharedMutex, CancelledWriter_LetsTheReadersBehindItPass) {
  run([]() -> task<> {
    shared_mutex shared;
    event leave;
    std::atomic<int> readers = 0;
    std::atomic<int> writers = 0;
    const shared_lock_guard first = co_await shared.lock_shared();
    auto writer =
        co_await spawn_waiting(write_until, std::ref(shared), std::ref(leave), std::ref(writers));
    auto reader =
        co_await spawn_waiting(read_until, std::ref(shared), std::ref(leave), std::ref(readers));

    writer.cancel();
    leave.set();
    co_await reader;

    EXPECT_EQ(co_await end_of(writer), ending::cancelled);
    EXPECT_EQ(writers, 0);
    EXPECT_EQ(shared.readers(), 1u);
  });
}

TEST_P(SharedMutex, LosingLocksOfASelect_TakeNothing) {
  run([]() -> task<> {
    shared_mutex shared;
    event ready;
    lock_guard guard = co_await shared.lock();
    auto selecting = co_await spawn_waiting([&]() -> task<std::size_t> {
      auto first = co_await select(shared.lock(), shared.lock_shared(), ready.wait());
      co_return first.index();
    });

    ready.set();
    const std::size_t winner = co_await selecting;
    guard.unlock();

    EXPECT_EQ(winner, 2u);
    EXPECT_FALSE(shared.locked());
    EXPECT_EQ(shared.readers(), 0u);
  });
}

TEST_P(SharedMutex, GuardOfEitherKind_CanBeMoved) {
  run([]() -> task<> {
    shared_mutex shared;
    lock_guard writer = co_await shared.lock();
    lock_guard moved = std::move(writer);
    EXPECT_TRUE(moved);
    moved = lock_guard();
    EXPECT_FALSE(shared.locked());

    shared_lock_guard reader = co_await shared.lock_shared();
    shared_lock_guard other = co_await shared.lock_shared();
    reader = std::move(other);
    EXPECT_EQ(shared.readers(), 1u);
  });
}

TEST_P(SharedMutex, MadeBeforeAnyRuntime_Works) {
  run([]() -> task<> {
    const lock_guard guard = co_await made_before_main.lock();
    EXPECT_TRUE(made_before_main.locked());
  });
  EXPECT_FALSE(made_before_main.locked());
}

TEST(SharedMutexStress, Cancellations_KeepReadersAndWritersApart) {
  const std::uint64_t seed = stress_seed();

  run(
      [seed]() -> task<> {
        shared_mutex shared;
        std::atomic<int> readers = 0;
        std::atomic<int> writers = 0;
        struct presence {
          explicit presence(std::atomic<int>& kind) : kind_(kind) { ++kind_; }
          ~presence() { --kind_; }
          std::atomic<int>& kind_;
        };
        std::mt19937_64 random(seed);
        for (int round = 0; round < 200; ++round) {
          std::vector<join_handle<>> tasks;
          for (int i = 0; i < 16; ++i) {
            tasks.push_back(spawn(
                [&](std::uint64_t choice) -> task<> {
                  for (int turn = 0; turn < 4; ++turn, choice >>= 2) {
                    if ((choice & 3) == 0) {
                      const lock_guard guard = co_await shared.lock();
                      const presence here(writers);
                      EXPECT_EQ(writers, 1);
                      EXPECT_EQ(readers, 0);
                      co_await yield();
                    } else {
                      const shared_lock_guard guard = co_await shared.lock_shared();
                      const presence here(readers);
                      EXPECT_EQ(writers, 0);
                      if ((choice & 1) != 0) co_await yield();
                    }
                  }
                },
                random()));
          }
          for (auto& each : tasks) {
            if (random() % 3 == 0) each.cancel();
            if (random() % 4 == 0) co_await yield();
          }
          for (auto& each : tasks) (void)co_await end_of(each);
          EXPECT_FALSE(shared.locked());
          EXPECT_EQ(shared.readers(), 0u);
        }
      },
      {.workers = 4});
}

}  // namespace
}  // namespace weft::testing
