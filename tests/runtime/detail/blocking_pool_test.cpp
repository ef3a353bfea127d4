#include <weft/runtime/detail/blocking_pool.h>
#include <weft/runtime/detail/sys.h>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <latch>
#include <thread>
#include <vector>

namespace weft::detail {
namespace {

using namespace std::chrono_literals;

// What a job uses outlives the pool: a thread may be at its last steps when the test is not waiting
// for it any more.
struct job : blocking_job {
  explicit job(std::function<void()> call, bool on_its_own = false) : work(std::move(call)) {
    run = [](blocking_job& self) noexcept { static_cast<job&>(self).work(); };
    self_contained = on_its_own;
  }
  std::function<void()> work;
};

auto now() {
  return std::chrono::steady_clock::now();
}

TEST(BlockingPool, Job_RunsOnceOnAnotherThread) {
  blocking_pool pool(2, 1s);
  std::atomic<int> runs{0};
  std::thread::id where;
  std::latch done(1);
  job one([&] {
    where = std::this_thread::get_id();
    ++runs;
    done.count_down();
  });

  ASSERT_TRUE(pool.submit(one));
  done.wait();
  pool.stop(now());

  EXPECT_EQ(runs, 1);
  EXPECT_NE(where, std::this_thread::get_id());
}

// They wait for each other: each needs a thread of its own.
TEST(BlockingPool, JobsThatBlock_GetAThreadEach) {
  constexpr int count = 20;
  std::latch all_run(count + 1);
  std::deque<job> jobs;
  blocking_pool pool(count, 1s);
  for (int i = 0; i < count; ++i) {
    jobs.emplace_back([&] { all_run.arrive_and_wait(); });
    ASSERT_TRUE(pool.submit(jobs.back()));
  }

  all_run.arrive_and_wait();

  EXPECT_EQ(pool.threads(), count);
}

// As above, by threads that sleep already.
TEST(BlockingPool, JobsThatBlock_WakeIdleThreadsOneAfterTheOther) {
  constexpr int count = 20;
  blocking_pool pool(count, 10s);
  for (int round = 0; round < 20; ++round) {
    std::latch all_run(count + 1);
    std::deque<job> jobs;
    for (int i = 0; i < count; ++i) {
      jobs.emplace_back([&] { all_run.arrive_and_wait(); });
      ASSERT_TRUE(pool.submit(jobs.back()));
    }

    all_run.arrive_and_wait();

    while (pool.pending() > 0) std::this_thread::yield();
  }
}

TEST(BlockingPool, JobsBeyondTheBound_WaitInLine) {
  blocking_pool pool(1, 1s);
  std::latch begun(1), go_on(1);
  job first([&] {
    begun.count_down();
    go_on.wait();
  });
  std::vector<int> order;
  std::deque<job> rest;
  ASSERT_TRUE(pool.submit(first));
  begun.wait();
  for (int i = 0; i < 5; ++i) {
    rest.emplace_back([&order, i] { order.push_back(i); });
    ASSERT_TRUE(pool.submit(rest.back()));
  }

  const std::size_t threads = pool.threads();
  go_on.count_down();
  pool.stop(now());

  EXPECT_EQ(threads, 1u);
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
}

TEST(BlockingPool, JobThatIsWithdrawnInTime_NeverRuns) {
  blocking_pool pool(1, 1s);
  std::latch begun(1), go_on(1);
  job first([&] {
    begun.count_down();
    go_on.wait();
  });
  bool ran = false;
  job second([&] { ran = true; });
  ASSERT_TRUE(pool.submit(first));
  begun.wait();
  ASSERT_TRUE(pool.submit(second));

  EXPECT_TRUE(pool.withdraw(second));
  EXPECT_FALSE(pool.withdraw(first));
  EXPECT_EQ(pool.pending(), 1u);
  go_on.count_down();
  pool.stop(now());

  EXPECT_FALSE(ran);
}

TEST(BlockingPool, ThreadIdleForTheKeepAlive_Ends) {
  std::latch done(1), again(1);
  job one([&] { done.count_down(); });
  job two([&] { again.count_down(); });
  blocking_pool pool(4, 1ms);
  ASSERT_TRUE(pool.submit(one));
  done.wait();

  while (pool.threads() > 0) std::this_thread::yield();

  EXPECT_TRUE(pool.submit(two));
  again.wait();
}

// The keep-alive is over all the time, so jobs meet threads that are about to leave.
TEST(BlockingPoolStress, JobsThatMeetLeavingThreads_RunOnce) {
  constexpr int count = 3'000;
  std::atomic<int> runs{0};
  std::deque<job> jobs;
  blocking_pool pool(3, 0ms);
  for (int i = 0; i < count; ++i) {
    jobs.emplace_back([&] { runs.fetch_add(1, std::memory_order_relaxed); });
    ASSERT_TRUE(pool.submit(jobs.back()));
    if (i % 3 == 0) {
      while (pool.pending() > 0) std::this_thread::yield();
    }
  }

  pool.stop(now());

  EXPECT_EQ(runs, count);
  EXPECT_EQ(pool.threads(), 0u);
}

TEST(BlockingPool, Stop_RunsWhatIsQueuedAndRefusesTheRest) {
  blocking_pool pool(1, 1s);
  std::atomic<int> runs{0};
  std::deque<job> jobs;
  for (int i = 0; i < 10; ++i) {
    jobs.emplace_back([&] { ++runs; });
    ASSERT_TRUE(pool.submit(jobs.back()));
  }

  const std::size_t left = pool.stop(now());
  job late([&] { ++runs; });

  EXPECT_EQ(left, 0u);
  EXPECT_EQ(runs, 10);
  EXPECT_FALSE(pool.submit(late));
}

TEST(BlockingPool, CallThatSomebodyWaitsFor_IsAwaitedBeyondTheTimeLimit) {
  blocking_pool pool(2, 1s);
  bool ended = false;
  std::size_t left = 0;
  std::atomic<bool> stopped{false};
  std::latch begun(1), go_on(1);
  job slow([&] {
    begun.count_down();
    go_on.wait();
    ended = true;
  });
  ASSERT_TRUE(pool.submit(slow));
  begun.wait();

  std::thread stopping([&] {
    left = pool.stop(now());
    stopped = true;
  });
  std::deque<job> until_it_stops;
  do {
    until_it_stops.emplace_back([] {});
  } while (pool.submit(until_it_stops.back()));
  EXPECT_FALSE(stopped);
  go_on.count_down();
  stopping.join();

  EXPECT_EQ(left, 0u);
  EXPECT_TRUE(ended);
}

TEST(BlockingPool, SelfContainedCall_IsLeftAloneAfterTheTimeLimit) {
  std::atomic<bool> ended{false};
  std::latch begun(1), go_on(1);
  job slow(
      [&] {
        begun.count_down();
        go_on.wait();
        ended = true;
      },
      true);
  std::size_t left = 0;
  {
    blocking_pool pool(2, 1s);
    ASSERT_TRUE(pool.submit(slow));
    begun.wait();

    left = pool.stop(now() + 1ms);
  }

  EXPECT_EQ(left, 1u);
  EXPECT_FALSE(ended);
  go_on.count_down();
  while (!ended) std::this_thread::yield();
}

/// Fails every start of a thread while it lives.
struct no_threads {
  no_threads() noexcept {
    sys::interposer = [](sys::call which, int) noexcept {
      return which == sys::call::thread_start ? EAGAIN : 0;
    };
  }
  ~no_threads() { sys::interposer = nullptr; }
};

TEST(BlockingPool, NoThreadToBeHad_IsRefused) {
  blocking_pool pool(2, 1s);
  const no_threads fault;
  job one([] {});

  EXPECT_FALSE(pool.submit(one));
  EXPECT_EQ(pool.pending(), 0u);
}

TEST(BlockingPool, OneThreadAndNoOtherToBeHad_RunsAll) {
  std::latch begun(1), go_on(1), done(2);
  job first([&] {
    begun.count_down();
    go_on.wait();
    done.count_down();
  });
  job second([&] { done.count_down(); });
  blocking_pool pool(2, 1s);
  ASSERT_TRUE(pool.submit(first));
  begun.wait();
  const no_threads fault;

  EXPECT_TRUE(pool.submit(second));
  go_on.count_down();

  done.wait();
  EXPECT_EQ(pool.threads(), 1u);
}

}  // namespace
}  // namespace weft::detail
