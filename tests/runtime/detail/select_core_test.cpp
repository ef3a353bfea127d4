#include "manual_gate.h"
#include "runtimes.h"
#include <weft/runtime/detail/select_core.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/select.h>
#include <weft/runtime/sleep.h>

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace weft::testing {
namespace {

class SelectCore : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, SelectCore, every_kind(), name_of);

/// A leaf that is ready or not, as it is told; notes what is called.
class probe : public detail::leaf_operation<probe> {
 public:
  enum class readiness : std::uint8_t { at_once, when_published, never };

  probe(char letter, readiness when, std::string& calls)
      : name_(letter), when_(when), log_(&calls) {}
  bool try_now() noexcept {
    note('t');
    return when_ == readiness::at_once;
  }
  bool publish() noexcept {
    note('p');
    unlink = detail::waits<take_out, "a probe">;
    return when_ != readiness::when_published || !claim();
  }
  int take() noexcept {
    note('r');
    return 7;
  }
  static detail::unlink_result take_out(detail::wait_node& self) noexcept {
    static_cast<probe&>(self).note('u');
    return detail::unlink_result::removed;
  }

 private:
  void note(char what) {
    *log_ += name_;
    *log_ += what;
    *log_ += ' ';
  }
  char name_;
  readiness when_;
  std::string* log_;
};

// ---- Leaves ------------------------------------------------------------------------------------

TEST(SelectCoreLeaves, ReadyLeaf_WinsBeforeAnythingBegins) {
  test_runtime rt;
  std::string calls;

  rt.run([&]() -> task<> {
    const auto first = co_await select(probe('a', probe::readiness::never, calls),
                                       probe('b', probe::readiness::at_once, calls),
                                       probe('c', probe::readiness::at_once, calls));
    EXPECT_EQ(first.index(), 1u);
  });

  EXPECT_EQ(calls, "at bt br ");
}

TEST(SelectCoreLeaves, LeafThatIsReadyWhenPublished_EndsTheOthers) {
  test_runtime rt;
  std::string calls;

  rt.run([&]() -> task<> {
    const auto first = co_await select(probe('a', probe::readiness::never, calls),
                                       probe('b', probe::readiness::when_published, calls),
                                       probe('c', probe::readiness::never, calls));
    EXPECT_EQ(first.index(), 1u);
  });

  EXPECT_EQ(calls, "at bt ct ap bp au br ");  // c never began
}

TEST(SelectCoreLeaves, Cancellation_TakesBackEveryLeaf) {
  test_runtime rt;
  std::string calls;

  rt.run([&]() -> task<> {
    auto selecting = co_await spawn_waiting([&]() -> task<> {
      (void)co_await select(probe('a', probe::readiness::never, calls),
                            probe('b', probe::readiness::never, calls));
    });
    calls.clear();
    selecting.cancel();
    const ending how = co_await ending_of(selecting);

    EXPECT_EQ(how, ending::cancelled);
  });

  EXPECT_EQ(calls, "au bu ");
}

TEST_P(SelectCore, Winner_IsNotTakenBackAndLosersAreOnce) {
  run([]() -> task<> {
    manual_gate one;
    manual_gate two;
    manual_gate three;
    auto selecting = co_await spawn_waiting([&]() -> task<std::size_t> {
      const auto first = co_await select(one.wait(), two.wait(), three.wait());
      co_return first.index();
    });

    two.open();
    const std::size_t index = co_await selecting;

    EXPECT_EQ(index, 1u);
    EXPECT_EQ(one.unlinks(), 1);
    EXPECT_EQ(two.unlinks(), 0);
    EXPECT_EQ(three.unlinks(), 1);
    EXPECT_FALSE(one.has_waiter() || two.has_waiter() || three.has_waiter());
  });
}

TEST_P(SelectCore, LeafThatIsLate_IsRefused) {
  run([]() -> task<> {
    manual_gate one;
    manual_gate two;
    auto selecting = co_await spawn_waiting([&]() -> task<std::size_t> {
      const auto first = co_await select(one.wait(), two.wait());
      co_return first.index();
    });
    detail::wait_node* const first = one.take();
    detail::wait_node* const second = two.take();

    EXPECT_TRUE(second->claim());
    EXPECT_FALSE(first->claim());  // so that who completes it hands on what it had to give
    detail::wake(*second->task);
    const std::size_t index = co_await selecting;

    EXPECT_EQ(index, 1u);
  });
}

TEST_P(SelectCore, RequestAfterTheWinner_StaysPending) {
  run([]() -> task<> {
    manual_gate one;
    manual_gate two;
    std::atomic<bool> delivered{false};
    auto selecting = co_await spawn_waiting([&]() -> task<> {
      (void)co_await select(one.wait(), two.wait());
      delivered = true;
      co_await yield();
      ADD_FAILURE() << "the request was lost";
    });
    detail::wait_node* const winner = one.take();
    EXPECT_TRUE(winner->claim());

    selecting.cancel();  // before the wake of the winner
    detail::wake(*winner->task);
    const ending how = co_await ending_of(selecting);

    EXPECT_TRUE(delivered);
    EXPECT_EQ(how, ending::cancelled);
  });
}

// ---- Children ----------------------------------------------------------------------------------

task<int> value_behind(manual_gate& gate, int value) {
  co_await gate.wait();
  co_return value;
}

TEST_P(SelectCore, WinnerWaits_UntilTheLastChildHasEnded) {
  run([]() -> task<> {
    manual_gate leaf;
    manual_gate stubborn;
    stubborn.on_unlink = [](detail::task_state&) { return detail::unlink_result::completed; };
    auto selecting = co_await spawn_waiting([&]() -> task<std::size_t> {
      const auto first = co_await select(leaf.wait(), value_behind(stubborn, 7));
      co_return first.index();
    });
    while (!stubborn.has_waiter()) co_await yield();

    leaf.open();
    while (stubborn.unlinks() == 0) co_await yield();  // the loser was asked to stop
    co_await yield();
    EXPECT_FALSE(selecting.done());
    stubborn.open();
    const std::size_t index = co_await selecting;

    EXPECT_EQ(index, 0u);
  });
}

TEST_P(SelectCore, RequestWhileLosersEnd_StaysPendingAndTheWinnerIsGiven) {
  run([]() -> task<> {
    manual_gate leaf;
    manual_gate stubborn;
    stubborn.on_unlink = [](detail::task_state&) { return detail::unlink_result::completed; };
    std::atomic<bool> delivered{false};
    auto selecting = co_await spawn_waiting([&]() -> task<> {
      (void)co_await select(leaf.wait(), value_behind(stubborn, 7));
      delivered = true;
      co_await yield();
      ADD_FAILURE() << "the request was lost";
    });
    while (!stubborn.has_waiter()) co_await yield();
    leaf.open();
    while (stubborn.unlinks() == 0) co_await yield();

    selecting.cancel();
    stubborn.open();
    const ending how = co_await ending_of(selecting);

    EXPECT_TRUE(delivered);
    EXPECT_EQ(how, ending::cancelled);
  });
}

TEST_P(SelectCore, FailureOfTheWinner_IsRethrownAndOfALoserIsNot) {
  run([]() -> task<> {
    manual_gate never;
    const auto fails_in_its_clean_up = [&]() -> task<int> {
      try {
        co_await never.wait();
      } catch (const cancelled_error&) {
        throw std::logic_error("clean-up");
      }
      co_return 0;
    };
    const auto fail = []() -> task<int> {
      co_await yield();
      throw std::runtime_error("first");
    };

    const auto ended = co_await catch_all(select(fails_in_its_clean_up(), fail()));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
  });
}

TEST_P(SelectCore, ChildThatEndsWhileOthersAreBegun_WinsOnce) {
  run([]() -> task<> {
    for (int round = 0; round < 300; ++round) {
      std::vector<task<int>> children;
      for (int i = 0; i < 5; ++i)
        children.push_back([](int value) -> task<int> { co_return value; }(i));

      const auto first = co_await select(std::move(children));

      EXPECT_LT(first.index, 5u);
      EXPECT_EQ(first.value, static_cast<int>(first.index));
    }
  });
}

// ---- Races -------------------------------------------------------------------------------------

// Two threads complete the two arms while a third cancels: one of the three decides, and who loses
// knows it.
TEST(SelectCoreRace, TwoCompletionsAndACancellation_HaveOneWinner) {
  std::mt19937_64 random(stress_seed());
  constexpr std::size_t rounds = 2000;
  std::vector<manual_gate> ones(rounds);
  std::vector<manual_gate> twos(rounds);
  std::vector<std::atomic<int>> granted(rounds);
  std::vector<int> won(rounds, 0);
  std::atomic<std::size_t> begun{0};
  const auto complete = [&](std::vector<manual_gate>& gates, std::uint64_t seed) {
    std::mt19937_64 pause(seed);
    for (std::size_t round = 0; round < rounds; ++round) {
      while (begun <= round) std::this_thread::yield();
      for (std::atomic<std::uint64_t> i{pause() % 300}; i > 0; --i) {
      }
      if (gates[round].open()) ++granted[round];
    }
  };
  std::thread one(complete, std::ref(ones), random());
  std::thread two(complete, std::ref(twos), random());
  {
    runtime rt({.workers = 2});
    for (std::size_t round = 0; round < rounds; ++round) {
      auto selecting = rt.spawn([&, round]() -> task<> {
        ++begun;
        (void)co_await select(ones[round].wait(), twos[round].wait());
      });
      while (begun <= round) std::this_thread::yield();
      for (std::atomic<std::uint64_t> i{random() % 600}; i > 0; --i) {
      }
      selecting.cancel();
      try {
        selecting.get();
        won[round] = 1;
      } catch (const cancelled_error&) {  // neither arm was first
      }
    }
  }
  one.join();
  two.join();

  for (std::size_t round = 0; round < rounds; ++round)
    ASSERT_EQ(granted[round].load(), won[round]) << "round " << round;
}

}  // namespace
}  // namespace weft::testing
