#include <weft/tools/support/load_statistics.h>

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace weft::tools {

using namespace std::chrono_literals;

TEST(LoadStatistics, Answers_AreCountedFromAnyThread) {
  load_statistics seen;
  const auto record = [&seen] {
    for (int i = 0; i < 10'000; ++i) seen.answered(1ms);
  };

  {
    const std::jthread first(record);
    const std::jthread second(record);
  }
  seen.answered(3ms);

  EXPECT_EQ(seen.messages(), 20'001U);
  EXPECT_EQ(seen.latency().count(), 20'001U);
  EXPECT_EQ(seen.latency().max(), 3ms);
  EXPECT_EQ(seen.errors(), 0U);
}

TEST(LoadStatistics, MessagesHeldUp_CountAsLatenciesOnly) {
  load_statistics seen;

  seen.answered(1ms);
  seen.held_up(10ms, 2ms, 2ms);

  EXPECT_EQ(seen.messages(), 1U);
  EXPECT_EQ(seen.latency().count(), 6U);
  EXPECT_EQ(seen.latency().max(), 10ms);
}

TEST(LoadStatistics, MeanInterval_IsThatOfOneConnection) {
  load_statistics seen;
  EXPECT_EQ(seen.mean_interval(1s, 4), 0ns);

  for (int i = 0; i < 100; ++i) seen.answered(1ms);

  EXPECT_EQ(seen.mean_interval(1s, 4), 40ms);
}

TEST(LoadStatistics, TheFirstError_IsKept) {
  load_statistics seen;

  seen.failed("reset");
  seen.failed("late", 4);

  EXPECT_EQ(seen.errors(), 5U);
  EXPECT_EQ(seen.first_error(), "reset");
}

}  // namespace weft::tools
