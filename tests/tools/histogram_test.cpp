#include <weft/tools/support/histogram.h>

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace weft::tools {

using namespace std::chrono_literals;

TEST(Histogram, Empty_HasZeroEverywhere) {
  const histogram empty;

  EXPECT_EQ(empty.count(), 0U);
  EXPECT_EQ(empty.max(), 0ns);
  EXPECT_EQ(empty.percentile(0.99), 0ns);
}

TEST(Histogram, SmallValues_AreExact) {
  histogram values;

  for (int i = 1; i <= 200; ++i) values.record(std::chrono::nanoseconds(i));

  EXPECT_EQ(values.percentile(0.5), 100ns);
  EXPECT_EQ(values.percentile(0.99), 198ns);
  EXPECT_EQ(values.percentile(0), 1ns);
  EXPECT_EQ(values.percentile(1), 200ns);
}

TEST(Histogram, Percentiles_AreRightToOnePercent) {
  histogram values;

  for (int i = 1; i <= 100'000; ++i) values.record(std::chrono::microseconds(i));

  for (const double fraction : {0.5, 0.9, 0.99, 0.999}) {
    const double exact = fraction * 1e8;
    const auto found = static_cast<double>(values.percentile(fraction).count());
    EXPECT_GE(found, exact);
    EXPECT_LE(found, exact * 1.01);
  }
}

TEST(Histogram, Percentile_NeverExceedsTheMaximum) {
  histogram values;

  values.record(1'000'003ns);

  EXPECT_EQ(values.percentile(0.5), 1'000'003ns);
  EXPECT_EQ(values.max(), 1'000'003ns);
}

TEST(Histogram, ValuesOutOfRange_AreKeptAtTheEnds) {
  histogram values;

  values.record(-5ns);
  values.record(48h);

  EXPECT_EQ(values.count(), 2U);
  EXPECT_EQ(values.percentile(0.5), 0ns);
  EXPECT_GT(values.max(), 18min);
}

TEST(Histogram, Add_CountsBoth) {
  histogram one;
  histogram two;
  one.record(1ms);
  two.record(2ms);
  two.record(3ms);

  one.add(two);

  EXPECT_EQ(one.count(), 3U);
  EXPECT_EQ(one.max(), 3ms);
}

TEST(Histogram, RecordFromThreads_LosesNothing) {
  histogram values;
  const auto record_many = [&] {
    for (int i = 0; i < 50'000; ++i) values.record(std::chrono::nanoseconds(i));
  };

  {
    const std::jthread first(record_many);
    const std::jthread second(record_many);
  }

  EXPECT_EQ(values.count(), 100'000U);
  EXPECT_EQ(values.max(), 49'999ns);
}

}  // namespace weft::tools
