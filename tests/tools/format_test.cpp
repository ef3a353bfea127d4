#include <weft/tools/support/format.h>

#include <gtest/gtest.h>

#include <chrono>
#include <sstream>

namespace weft::tools {

using namespace std::chrono_literals;

TEST(Format, Grouped_SeparatesThousands) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1'000), "1,000");
  EXPECT_EQ(grouped(1'234'567), "1,234,567");
}

TEST(Format, ShortTime_ChoosesTheUnit) {
  EXPECT_EQ(short_time(12ns), "12 ns");
  EXPECT_EQ(short_time(1'234ns), "1.23 us");
  EXPECT_EQ(short_time(85'250us), "85.2 ms");
  EXPECT_EQ(short_time(850ms), "850 ms");
  EXPECT_EQ(short_time(2s), "2.00 s");
}

TEST(Format, JsonString_EscapesWhatItMust) {
  EXPECT_EQ(json_string("a\"b\\c\n"), R"("a\"b\\c\u000a")");
}

TEST(Format, Table_AlignsValuesToTheRight) {
  std::ostringstream out;

  print_table(out, {{"title", ""}, {"a", "1"}, {"long", "1,000"}});

  EXPECT_EQ(out.str(), "title\n  a          1\n  long   1,000\n");
}

}  // namespace weft::tools
