#include "socket_ends.h"
#include <weft/net/detail/race_connect.h>
#include <weft/runtime/cancel.h>
#include <weft/runtime/test_runtime.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

namespace weft::detail {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RaceConnect : public on_loopback {};
INSTANTIATE_TEST_SUITE_P(Workers, RaceConnect, one_and_two_workers(), workers_name);

/// Nobody answers there: the queue of its listener is full, and further attempts are dropped.
class black_hole {
 public:
  black_hole() : listener_(tcp_listener::bind("127.0.0.1:0", {.backlog = 0})) {
    const socket_address at = address();
    for (int i = 0; i < 3; ++i) {
      const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      (void)::connect(fd, at.data(), at.size());
      fillers_.push_back(fd);
    }
  }
  ~black_hole() {
    for (const int fd : fillers_) ::close(fd);
  }
  black_hole(const black_hole&) = delete;
  black_hole& operator=(const black_hole&) = delete;
  [[nodiscard]] socket_address address() const { return listener_.local_address(); }

 private:
  tcp_listener listener_;
  std::vector<int> fillers_;
};

/// A port where a connection is refused: bound, so that nobody else gets it, and not listening.
class refusing_port {
 public:
  refusing_port() : socket_(open_socket("127.0.0.1:0", SOCK_STREAM, "bind")) {
    bind_socket(socket_, "127.0.0.1:0");
  }
  [[nodiscard]] socket_address address() const { return local_address_of(socket_); }

 private:
  descriptor socket_;
};

// ---- Order --------------------------------------------------------------------------------------

TEST(InterleaveFamilies, FirstFamily_BeginsAndBothTakeTurns) {
  const socket_address six_a("[2001:db8::1]:1");
  const socket_address six_b("[2001:db8::2]:1");
  const socket_address six_c("[2001:db8::3]:1");
  const socket_address four_a("192.0.2.1:1");
  const socket_address four_b("192.0.2.2:1");

  EXPECT_THAT(interleave_families({six_a, six_b, six_c, four_a, four_b}),
              ElementsAre(six_a, four_a, six_b, four_b, six_c));
  EXPECT_THAT(interleave_families({four_b, six_c, six_a, four_a}),
              ElementsAre(four_b, six_c, four_a, six_a));
}

TEST(InterleaveFamilies, OneFamily_KeepsItsOrder) {
  const socket_address a("192.0.2.3:1");
  const socket_address b("192.0.2.1:1");

  EXPECT_THAT(interleave_families({a, b}), ElementsAre(a, b));
  EXPECT_THAT(interleave_families({a}), ElementsAre(a));
  EXPECT_THAT(interleave_families({}), IsEmpty());
}

TEST_P(RaceConnect, FirstAddressThatAnswers_IsTheOnlyOneTried) {
  run([]() -> task<> {
    tcp_listener first = tcp_listener::bind("127.0.0.1:0");
    tcp_listener second = tcp_listener::bind("127.0.0.1:0");
    const std::vector<socket_address> addresses{first.local_address(), second.local_address()};
    const counted_calls sockets(sys::call::socket);

    tcp_stream stream = co_await race_connect("host:1", addresses, 1h);

    EXPECT_EQ(stream.peer_address(), first.local_address());
    EXPECT_EQ(sockets.calls(), 1);
  });
}

TEST_P(RaceConnect, RefusedAddress_IsFollowedByTheNextAtOnce) {
  run([]() -> task<> {
    const refusing_port nobody;
    tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
    const std::vector<socket_address> addresses{nobody.address(), nobody.address(),
                                                listener.local_address()};

    tcp_stream stream = co_await race_connect("host:1", addresses, 1h);

    EXPECT_EQ(stream.peer_address(), listener.local_address());
  });
}

TEST(RaceConnectInVirtualTime, SilentAddress_HasTheDelayForItself) {
  test_runtime rt;
  const black_hole nowhere;
  tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
  const std::vector<socket_address> addresses{nowhere.address(), listener.local_address()};

  const auto body = [&addresses]() -> task<> {
    tcp_stream stream = co_await race_connect("host:1", addresses, attempt_delay);
    EXPECT_EQ(stream.peer_address(), addresses.back());
  };
  rt.run(body);

  EXPECT_EQ(rt.clock().elapsed(), 250ms);
}

TEST(RaceConnectInVirtualTime, EachSilentAddress_CostsOneDelay) {
  test_runtime rt;
  const black_hole nowhere;
  tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
  const std::vector<socket_address> addresses{nowhere.address(), nowhere.address(),
                                              nowhere.address(), listener.local_address()};

  const auto body = [&addresses]() -> task<> {
    tcp_stream stream = co_await race_connect("host:1", addresses, 100ms);
    EXPECT_EQ(stream.peer_address(), addresses.back());
  };
  rt.run(body);

  EXPECT_EQ(rt.clock().elapsed(), 300ms);
}

// ---- The others ---------------------------------------------------------------------------------

TEST_P(RaceConnect, Losers_AreGivenUpAndHaveEnded) {
  run([]() -> task<> {
    const black_hole nowhere;
    tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
    const std::vector<socket_address> addresses{nowhere.address(), nowhere.address(),
                                                listener.local_address()};
    const ledger before = take_ledger();

    tcp_stream stream = co_await race_connect("host:1", addresses, 0ms);

    const ledger after = take_ledger();
    EXPECT_EQ(stream.peer_address(), listener.local_address());
    EXPECT_EQ(after.fds, before.fds + 1);
    EXPECT_EQ(after.waiters, before.waiters);
    stream.close();
    EXPECT_EQ(take_ledger().fds, before.fds);
  });
}

TEST_P(RaceConnect, SeveralThatAnswer_LeaveOneConnection) {
  run([]() -> task<> {
    tcp_listener first = tcp_listener::bind("127.0.0.1:0");
    tcp_listener second = tcp_listener::bind("127.0.0.1:0");
    tcp_listener third = tcp_listener::bind("127.0.0.1:0");
    const std::vector<socket_address> addresses{first.local_address(), second.local_address(),
                                                third.local_address()};
    for (int i = 0; i < 100; ++i) {
      const std::int64_t before = take_ledger().fds;
      tcp_stream stream = co_await race_connect("host:1", addresses, 0ms);
      EXPECT_EQ(take_ledger().fds, before + 1);
      EXPECT_THAT(addresses, ::testing::Contains(stream.peer_address()));
    }
  });
}

// ---- Failures -----------------------------------------------------------------------------------

TEST_P(RaceConnect, AllRefused_NamesEachAddressInOrder) {
  run([]() -> task<> {
    const refusing_port first;
    const refusing_port second;
    const std::string a = first.address().to_string();
    const std::string b = second.address().to_string();
    const std::vector<socket_address> addresses{first.address(), second.address()};
    const std::int64_t before = take_ledger().fds;

    try {
      (void)co_await race_connect("example.org:80", addresses, 1h);
      ADD_FAILURE();
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code().value(), ECONNREFUSED);
      EXPECT_EQ(error.what(), "connect example.org:80 (" + a + ": Connection refused; " + b +
                                  ": Connection refused): Connection refused");
    }
    EXPECT_EQ(take_ledger().fds, before);
  });
}

TEST_P(RaceConnect, DifferentFailures_ThrowTheFirst) {
  run([]() -> task<> {
    const refusing_port nobody;
    const std::vector<socket_address> addresses{"unix:/nowhere", nobody.address()};

    try {
      (void)co_await race_connect("host:1", addresses, 1h);
      ADD_FAILURE();
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code().value(), EAFNOSUPPORT);
      const std::string text = error.what();
      EXPECT_NE(text.find("unix:/nowhere: Address family not supported"), std::string::npos)
          << text;
      EXPECT_NE(text.find(nobody.address().to_string() + ": Connection refused"), std::string::npos)
          << text;
    }
  });
}

TEST_P(RaceConnect, NoDescriptorsLeft_IsAFailureOfEachAttempt) {
  run([]() -> task<> {
    const refusing_port nobody;
    const std::vector<socket_address> addresses{nobody.address(), nobody.address()};
    const interposed_calls failing(
        [](sys::call which, int) noexcept { return which == sys::call::socket ? EMFILE : 0; });

    const auto outcome = co_await as_result(race_connect("host:1", addresses, 1h));

    EXPECT_EQ(outcome.error_code().value(), EMFILE);
  });
}

TEST_P(RaceConnect, OneAddressThatFails_IsNamedToo) {
  run([]() -> task<> {
    const refusing_port nobody;
    const std::vector<socket_address> addresses{nobody.address()};

    const auto outcome = co_await as_result(race_connect("host:1", addresses, 1h));

    EXPECT_EQ(outcome.error_code().value(), ECONNREFUSED);
  });
}

// ---- Cancellation -------------------------------------------------------------------------------

TEST_P(RaceConnect, CancelledRace_LeavesNoDescriptorAndNoWaiter) {
  run([]() -> task<> {
    const black_hole nowhere;
    const ledger before = take_ledger();
    auto racing = spawn(
        race_connect("host:1", {nowhere.address(), nowhere.address(), nowhere.address()}, 0ms));
    co_await until([&] { return take_ledger().fds == before.fds + 3; });
    co_await until_waiting(racing);

    racing.cancel();
    const auto outcome = co_await as_result(std::move(racing));

    EXPECT_TRUE(outcome.cancelled());
    EXPECT_EQ(take_ledger().fds, before.fds);
    EXPECT_EQ(take_ledger().waiters, before.waiters);
  });
}

TEST_P(RaceConnect, CancelledAtAnyMoment_LeavesNoDescriptor) {
  run([]() -> task<> {
    tcp_listener first = tcp_listener::bind("127.0.0.1:0");
    tcp_listener second = tcp_listener::bind("127.0.0.1:0");
    const std::vector<socket_address> addresses{first.local_address(), second.local_address()};
    const std::int64_t before = take_ledger().fds;
    for (int turns = 0; turns < 200; ++turns) {
      auto racing = spawn(race_connect("host:1", addresses, 0ms));
      for (int i = 0; i < turns % 20; ++i) co_await yield();
      racing.cancel();
      {
        const auto outcome = co_await as_result(std::move(racing));
        EXPECT_EQ(take_ledger().fds, before + (outcome.has_value() ? 1 : 0));
      }
    }
  });
}

TEST(RaceConnectInVirtualTime, TimeLimit_EndsARaceThatNobodyAnswers) {
  test_runtime rt;
  const black_hole nowhere;
  const std::vector<socket_address> addresses{nowhere.address(), nowhere.address()};
  const std::int64_t before = take_ledger().fds;

  const auto body = [&addresses]() -> task<> {
    const auto outcome =
        co_await as_result(wait_for(race_connect("host:1", addresses, attempt_delay), 600ms));
    EXPECT_FALSE(outcome.has_value());
  };
  rt.run(body);

  EXPECT_EQ(rt.clock().elapsed(), 600ms);
  EXPECT_EQ(take_ledger().fds, before);
}

}  // namespace
}  // namespace weft::detail
