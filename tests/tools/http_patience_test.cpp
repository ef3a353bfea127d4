#include <weft/tools/support/http_patience.h>

#include <gtest/gtest.h>

namespace weft::tools {

using namespace std::chrono_literals;

namespace {

constexpr http_time_limits limits{.idle = 60s, .request = 10s, .write = 30s};

}  // namespace

TEST(HttpPatience, NewPhase_HasItsOwnTime) {
  http_patience patience;

  EXPECT_EQ(patience.enter(http_phase::request, false, 1, limits), 11s);
  EXPECT_EQ(patience.enter(http_phase::write, false, 1, limits), 31s);
  EXPECT_EQ(patience.enter(http_phase::idle, false, 1, limits), 61s);
}

TEST(HttpPatience, SamePhase_GoesOn) {
  http_patience patience;
  (void)patience.enter(http_phase::request, false, 1, limits);

  EXPECT_EQ(patience.enter(http_phase::request, false, 2, limits), std::nullopt);
  EXPECT_EQ(patience.phase(), http_phase::request);
}

TEST(HttpPatience, AnsweredRequest_BeginsAnewOnceASecond) {
  http_patience patience;
  (void)patience.enter(http_phase::idle, true, 1, limits);

  EXPECT_EQ(patience.enter(http_phase::idle, true, 1, limits), std::nullopt);
  EXPECT_EQ(patience.enter(http_phase::idle, true, 2, limits), 61s);
  EXPECT_EQ(patience.enter(http_phase::idle, true, 2, limits), std::nullopt);
}

TEST(HttpPatience, ClientThatIsAlwaysInsideARequest_IsNotCutOffWhileItIsAnswered) {
  http_patience patience;
  (void)patience.enter(http_phase::request, true, 1, limits);

  EXPECT_EQ(patience.enter(http_phase::request, true, 5, limits), 11s);
  EXPECT_EQ(patience.enter(http_phase::request, false, 9, limits), std::nullopt);
}

TEST(HttpPatience, EachPause_HasItsOwnTime) {
  http_patience patience;

  EXPECT_EQ(patience.enter(http_phase::pause, false, 1, limits), 61s);
  EXPECT_EQ(patience.enter(http_phase::pause, true, 1, limits), 61s);
}

}  // namespace weft::tools
