#include <weft/tools/support/echo_checker.h>

#include <gtest/gtest.h>

#include <stdexcept>
#include <string_view>

namespace weft::tools {

TEST(EchoNoise, Messages_HaveTheSizeAndDiffer) {
  const echo_noise noise(64);

  const std::string_view first = noise.message(0, 0);

  EXPECT_EQ(first.size(), 64U);
  EXPECT_EQ(noise.message(0, 0), first);
  EXPECT_NE(noise.message(0, 1), first);
  EXPECT_NE(noise.message(1, 0), first);
}

TEST(EchoChecker, TheSameBytes_CompleteTheAnswer) {
  echo_checker checker;
  checker.restart("hello");

  checker.feed("he");
  EXPECT_FALSE(checker.is_complete());
  checker.feed("llo");
  EXPECT_TRUE(checker.is_complete());
}

TEST(EchoChecker, OtherBytes_AreAnError) {
  echo_checker checker;

  checker.restart("hello");
  EXPECT_THROW(checker.feed("hallo"), std::runtime_error);
  checker.restart("hello");
  EXPECT_THROW(checker.feed("hello again"), std::runtime_error);
}

}  // namespace weft::tools
