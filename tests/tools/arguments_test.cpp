#include <weft/tools/support/arguments.h>

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace weft::tools {

using namespace std::chrono_literals;

namespace {

/// A command line with one option of each kind, and what came of it.
struct ArgumentsTest : testing::Test {
  std::optional<int> parse(std::vector<const char*> words) {
    words.insert(words.begin(), "prog");
    arguments line("prog", "Does things.");
    line.flag("--json", json, "print JSON");
    line.text("--name", "NAME", name, "a name");
    line.number("--count", "N", count, {1, 64}, "how many");
    line.workers(workers, "threads");
    line.seconds("--drain", "SECONDS", drain, "how long");
    line.custom("--even", "N", read_even, "an even digit");
    return line.parse(static_cast<int>(words.size()), words.data(), out, errors);
  }

  static void read_even(std::string_view text) {
    if (text != "2") throw std::invalid_argument("not even");
  }

  bool json = false;
  std::string name = "none";
  std::size_t count = 7;
  std::size_t workers = 1;
  std::chrono::milliseconds drain{10'000};
  std::ostringstream out;
  std::ostringstream errors;
};

}  // namespace

TEST_F(ArgumentsTest, NothingGiven_KeepsTheDefaults) {
  EXPECT_EQ(parse({}), std::nullopt);

  EXPECT_FALSE(json);
  EXPECT_EQ(name, "none");
  EXPECT_EQ(count, 7U);
}

TEST_F(ArgumentsTest, Values_MayFollowOrBeJoined) {
  EXPECT_EQ(parse({"--count", "3", "--drain=0.5", "--json", "--name=a=b"}), std::nullopt);

  EXPECT_TRUE(json);
  EXPECT_EQ(name, "a=b");
  EXPECT_EQ(count, 3U);
  EXPECT_EQ(drain, 500ms);
}

TEST_F(ArgumentsTest, Help_ListsTheOptionsAndSucceeds) {
  EXPECT_EQ(parse({"--count", "nonsense", "--help"}), 0);

  EXPECT_NE(out.str().find("--workers N      threads, default 1; 0: one for each usable CPU"),
            std::string::npos)
      << out.str();
  EXPECT_NE(out.str().find("--drain SECONDS  how long"), std::string::npos) << out.str();
  EXPECT_EQ(errors.str(), "");
}

TEST_F(ArgumentsTest, BadArguments_AreNamed) {
  const std::vector<std::pair<std::vector<const char*>, const char*>> cases{
      {{"--wrong"}, "unknown option \"--wrong\""},
      {{"--wrong=3"}, "unknown option \"--wrong\""},
      {{"stray"}, "unexpected argument \"stray\""},
      {{"--count"}, "--count needs a value: N"},
      {{"--count", "3x"}, "--count: \"3x\" is not a whole number from 1 to 64"},
      {{"--count", ""}, "--count: \"\" is not a whole number"},
      {{"--count", "65"}, "--count: \"65\" is not a whole number"},
      {{"--count", "-1"}, "--count: \"-1\" is not a whole number"},
      {{"--workers", "65"}, "--workers: \"65\" is not a whole number from 0 to 64"},
      {{"--name", ""}, "--name: is empty"},
      {{"--drain", "-1"}, "--drain: \"-1\" is not a number of seconds"},
      {{"--drain", "nan"}, "--drain: \"nan\" is not a number of seconds"},
      {{"--even", "3"}, "--even: not even"},
      {{"--json=yes"}, "--json takes no value"},
  };

  for (const auto& [words, message] : cases) {
    errors.str("");
    EXPECT_EQ(parse(words), arguments::bad_usage);
    EXPECT_NE(errors.str().find(message), std::string::npos) << errors.str();
    EXPECT_TRUE(errors.str().starts_with("prog: "));
  }
}

/// A command line with an operand, and what came of it.
struct OperandTest : testing::Test {
  std::optional<int> parse(std::vector<const char*> words) {
    words.insert(words.begin(), "prog");
    arguments line("prog", "Does things.");
    line.flag("--tree", tree, "draw a tree");
    line.operand("PID", process, {1, 100}, "the process");
    return line.parse(static_cast<int>(words.size()), words.data(), out, errors);
  }

  bool tree = false;
  std::size_t process = 0;
  std::ostringstream out;
  std::ostringstream errors;
};

TEST_F(OperandTest, Operand_MayStandAnywhere) {
  EXPECT_EQ(parse({"42"}), std::nullopt);
  EXPECT_EQ(process, 42U);
  EXPECT_EQ(parse({"--tree", "43"}), std::nullopt);
  EXPECT_EQ(process, 43U);
  EXPECT_EQ(parse({"44", "--tree"}), std::nullopt);
  EXPECT_EQ(process, 44U);
}

TEST_F(OperandTest, OperandThatIsMissingOrBad_IsNamed) {
  EXPECT_EQ(parse({"--tree"}), arguments::bad_usage);
  EXPECT_NE(errors.str().find("PID is missing"), std::string::npos);
  EXPECT_EQ(parse({"101"}), arguments::bad_usage);
  EXPECT_NE(errors.str().find("PID: "), std::string::npos);
  EXPECT_EQ(parse({"1", "2"}), arguments::bad_usage);
  EXPECT_NE(errors.str().find("unexpected argument \"2\""), std::string::npos);
}

TEST_F(OperandTest, Help_ShowsItFirst) {
  EXPECT_EQ(parse({"--help"}), 0);
  EXPECT_EQ(out.str().find("usage: prog [options] PID\n"), 0U);
  EXPECT_LT(out.str().find("the process"), out.str().find("draw a tree"));
}

}  // namespace weft::tools
