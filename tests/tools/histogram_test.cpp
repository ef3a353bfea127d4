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

TEST(Histogram, RecordSeries_RecordsEachOfThem) {
  for (const auto interval : {1ns, 7ns, 100ns, 3'000ns}) {
    for (const auto shortest : {0ns, 1ns, 500ns, 20'000ns, 30'000ns}) {
      histogram series;
      histogram one_by_one;

      series.record_series(20'000ns, shortest, interval, 3);
      for (auto value = 20'000ns; value >= shortest; value -= interval) {
        for (int i = 0; i < 3; ++i) one_by_one.record(value);
      }

      ASSERT_EQ(series.count(), one_by_one.count());
      EXPECT_EQ(series.max(), one_by_one.max());
      for (const double fraction : {0.0, 0.01, 0.3, 0.5, 0.77, 0.99}) {
        EXPECT_EQ(series.percentile(fraction), one_by_one.percentile(fraction));
      }
    }
  }
}

TEST(Histogram, RecordSeriesOfMany_IsNotSlow) {
  histogram series;

  series.record_series(10min, 0ns, 1ns);

  EXPECT_EQ(series.count(), 600'000'000'001U);
}

TEST(Histogram, Correct_AddsWhatAStallHasHeldUp) {
  // A message each millisecond for a second; then a stall, which lets one wait for a second.
  histogram values;
  for (int i = 0; i < 1'000; ++i) values.record(100us);
  values.record(1s);

  values.correct(1ms);

  EXPECT_EQ(values.count(), 2'000U);  // 999 ms, 998 ms, ... 1 ms were missed
  EXPECT_EQ(values.max(), 1s);
  EXPECT_LT(values.percentile(0.5), 110us);
  EXPECT_NEAR(static_cast<double>(values.percentile(0.75).count()), 0.5e9, 0.01e9);
}

TEST(Histogram, CorrectWithoutALongWait_ChangesNothing) {
  histogram values;
  for (int i = 1; i <= 1'000; ++i) values.record(std::chrono::microseconds(i));

  values.correct(1ms);
  values.correct(0ns);

  EXPECT_EQ(values.count(), 1'000U);
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
