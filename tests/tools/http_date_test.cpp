#include <weft/tools/support/http_date.h>

#include <gtest/gtest.h>

namespace weft::tools {

TEST(HttpDate, Moment_IsWrittenAsHttpDoes) {
  http_date date;

  EXPECT_EQ(date.at(784'111'777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(date.at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(HttpDate, Now_HasTheFixedLength) {
  http_date date;

  EXPECT_EQ(date.now().size(), 29U);
  EXPECT_TRUE(date.now().ends_with(" GMT"));
}

}  // namespace weft::tools
