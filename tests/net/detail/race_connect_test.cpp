#include "../loopback.h"
#include <weft/net/detail/race_connect.h>

#include <optional>
#include <string>
#include <vector>

namespace weft {
namespace {

using namespace testing;
using detail::interleave_families;
using detail::race_connect;

TEST(InterleaveFamilies, Addresses_TakeTurnsFromTheFirstFamily) {
  const std::vector<socket_address> given{"[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1",
                                          "1.1.1.2:1"};
  const std::vector<socket_address> expected{"[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1",
                                             "[::3]:1"};

  EXPECT_EQ(interleave_families(given), expected);
  EXPECT_TRUE(interleave_families({}).empty());
}

TEST(RaceConnect, FirstThatAnswers_Wins) {
  const clock::duration elapsed = in_virtual_time([]() -> task<> {
    const tcp_listener one = tcp_listener::bind("127.0.0.1:0");
    const tcp_listener two = tcp_listener::bind("127.0.0.1:0");

    const tcp_stream stream =
        co_await race_connect("both", {one.local_address(), two.local_address()}, 250ms);

    EXPECT_EQ(stream.peer_address(), one.local_address());
  });
  EXPECT_EQ(elapsed, 0ms);
}

TEST(RaceConnect, RefusedAttempt_BeginsTheNextAtOnce) {
  const clock::duration elapsed = in_virtual_time([]() -> task<> {
    const socket_address nobody = refusing_address();
    const tcp_listener listener = tcp_listener::bind("127.0.0.1:0");

    const tcp_stream stream =
        co_await race_connect("x", {nobody, nobody, listener.local_address()}, 250ms);

    EXPECT_EQ(stream.peer_address(), listener.local_address());
  });
  EXPECT_EQ(elapsed, 0ms);
}

TEST(RaceConnect, SilentAttempt_IsJoinedByTheNextAfterTheDelay) {
  std::int64_t descriptors = 0;
  const clock::duration elapsed = in_virtual_time([&descriptors]() -> task<> {
    const black_hole nowhere;
    const tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
    const std::int64_t before = take_ledger().fds;

    const tcp_stream stream = co_await race_connect(
        "x", {nowhere.address(), nowhere.address(), listener.local_address()}, 250ms);

    EXPECT_EQ(stream.peer_address(), listener.local_address());
    descriptors = take_ledger().fds - before;
  });
  EXPECT_EQ(elapsed, 500ms);
  EXPECT_EQ(descriptors, 1);  // those that lost are closed
}

TEST(RaceConnect, AllFailed_NamesEach) {
  in_virtual_time([]() -> task<> {
    const socket_address one = refusing_address();
    const socket_address two = refusing_address("[::1]:0");
    try {
      (void)co_await race_connect("example:80", {one, two}, 250ms);
      ADD_FAILURE();
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.what(), "connect example:80 (" + one.to_string() + ": Connection refused; " +
                                  two.to_string() + ": Connection refused): Connection refused");
      EXPECT_EQ(error.code().value(), ECONNREFUSED);
    }
  });
}

TEST(RaceConnect, Cancelled_ClosesAllAttempts) {
  const clock::duration elapsed = in_virtual_time([]() -> task<> {
    const black_hole nowhere;
    const std::int64_t before = take_ledger().fds;

    const auto outcome = co_await as_result(
        wait_for(race_connect("x", {nowhere.address(), nowhere.address()}, 250ms), 2s));

    EXPECT_FALSE(outcome.has_value());
    EXPECT_EQ(take_ledger().fds, before);
  });
  EXPECT_EQ(elapsed, 2s);
}

}  // namespace
}  // namespace weft
