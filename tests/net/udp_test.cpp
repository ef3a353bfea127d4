#include "loopback.h"
#include <weft/net/udp.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace weft {
namespace {

using namespace testing;
using ::testing::HasSubstr;

class Udp : public on_loopback {};
INSTANTIATE_TEST_SUITE_P(Workers, Udp, one_and_two_workers(), workers_name);

udp_socket on_free_port() {
  return udp_socket::bind("127.0.0.1:0");
}

/// The next datagram, as text.
task<std::string> receive_text(udp_socket& at) {
  std::string buffer(2048, '\0');
  const datagram got = co_await at.recv_from(buffer);
  buffer.resize(got.size);
  co_return buffer;
}

TEST_P(Udp, Datagrams_KeepTheirBoundaries) {
  run([]() -> task<> {
    udp_socket from = on_free_port();
    udp_socket to = on_free_port();
    const std::vector<std::string> sent{"one", "", "three", std::string(1400, 'x')};
    for (const std::string& each : sent) co_await from.send_to(each, to.local_address());

    std::vector<std::string> received;
    for (std::size_t i = 0; i < sent.size(); ++i) received.push_back(co_await receive_text(to));

    EXPECT_EQ(received, sent);
  });
}

TEST_P(Udp, Sender_IsTold) {
  run([]() -> task<> {
    udp_socket from = on_free_port();
    udp_socket to = on_free_port();
    std::array<char, 16> buffer{};
    auto receiving = spawn(
        [](udp_socket& at, std::array<char, 16>& into) -> task<datagram> {
          co_return co_await at.recv_from(into);
        },
        std::ref(to), std::ref(buffer));
    co_await until_waiting(receiving);

    co_await from.send_to("hello", to.local_address());
    const datagram got = co_await receiving;

    EXPECT_EQ(got.size, 5u);
    EXPECT_EQ(got.from, from.local_address());
    EXPECT_EQ(std::string(buffer.data(), got.size), "hello");
  });
}

TEST_P(Udp, DatagramThatDoesNotFit_IsAnErrorAndTheNextOneIsFine) {
  run([]() -> task<> {
    udp_socket from = on_free_port();
    udp_socket to = on_free_port();
    co_await from.send_to("too long", to.local_address());
    co_await from.send_to("fine", to.local_address());
    std::array<char, 4> buffer{};

    const auto first = co_await as_result(to.recv_from(buffer));
    const datagram second = co_await to.recv_from(buffer);

    EXPECT_EQ(first.error_code().value(), EMSGSIZE);
    EXPECT_EQ(second.size, 4u);
  });
}

TEST_P(Udp, DatagramThatIsTooLargeToSend_IsNamedAndTheSocketGoesOn) {
  run([]() -> task<> {
    udp_socket from = on_free_port();
    udp_socket to = on_free_port();
    std::string what;
    try {
      co_await from.send_to(std::string(70'000, 'x'), to.local_address());
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code().value(), EMSGSIZE);
      what = error.what();
    }
    co_await from.send_to("small", to.local_address());

    EXPECT_THAT(what, HasSubstr("send_to " + to.local_address().to_string() + ": "));
    EXPECT_EQ(co_await receive_text(to), "small");
  });
}

TEST_P(Udp, ConnectedSocket_HearsItsPeerOnly) {
  run([]() -> task<> {
    udp_socket near = on_free_port();
    udp_socket far = on_free_port();
    udp_socket stranger = on_free_port();
    near.connect(far.local_address());
    co_await stranger.send_to("from a stranger", near.local_address());

    co_await near.send("ping");
    EXPECT_EQ(co_await receive_text(far), "ping");
    co_await far.send_to("pong", near.local_address());

    EXPECT_EQ(co_await receive_text(near), "pong");
  });
}

/// An address at which nobody listens.
socket_address of_nobody() {
  return on_free_port().local_address();
}

// The kernel hears of it by ICMP, which on the loopback comes at once.
TEST_P(Udp, NobodyAtThePeer_IsAnErrorAndTheSocketGoesOn) {
  run([]() -> task<> {
    udp_socket near = on_free_port();
    near.connect(of_nobody());
    co_await near.send("is anybody there?");
    std::array<char, 16> buffer{};

    const auto refused = co_await as_result(near.recv_from(buffer));
    EXPECT_EQ(refused.error_code(), std::errc::connection_refused);

    udp_socket far = on_free_port();
    near.connect(far.local_address());
    co_await near.send("hello");
    EXPECT_EQ(co_await receive_text(far), "hello");
  });
}

TEST_P(Udp, NobodyAtAnyAddress_DisturbsAnUnconnectedSocketNot) {
  run([]() -> task<> {
    udp_socket from = on_free_port();
    udp_socket to = on_free_port();

    co_await from.send_to("lost", of_nobody());
    co_await from.send_to("kept", to.local_address());

    EXPECT_EQ(co_await receive_text(to), "kept");
  });
}

TEST_P(Udp, CancelledReceive_TakesNothing) {
  run([]() -> task<> {
    udp_socket from = on_free_port();
    udp_socket to = on_free_port();
    auto receiving = spawn(receive_text(to));
    co_await until_waiting(receiving);

    receiving.cancel();
    const auto outcome = co_await as_result(std::move(receiving));
    co_await from.send_to("hello", to.local_address());

    EXPECT_TRUE(outcome.cancelled());
    EXPECT_EQ(co_await receive_text(to), "hello");
  });
}

TEST_P(Udp, LimitThatPasses_LeavesTheSocketUsable) {
  run([]() -> task<> {
    udp_socket from = on_free_port();
    udp_socket to = on_free_port();
    std::array<char, 16> buffer{};
    bool late = false;
    try {
      (void)co_await wait_for(to.recv_from(buffer), 1ms);
    } catch (const timeout_error&) {
      late = true;
    }
    co_await from.send_to("hello", to.local_address());
    const datagram got = co_await wait_for(to.recv_from(buffer), 60s);

    EXPECT_TRUE(late);
    EXPECT_EQ(got.size, 5u);
  });
}

TEST_P(Udp, Close_EndsAWaitingReceive) {
  run([]() -> task<> {
    udp_socket to = on_free_port();
    auto receiving = spawn(receive_text(to));
    co_await until_waiting(receiving);

    to.close();

    EXPECT_EQ(co_await error_of(std::move(receiving)), std::errc::operation_canceled);
    EXPECT_EQ(co_await error_of(spawn(receive_text(to))), std::errc::bad_file_descriptor);
    EXPECT_FALSE(to.is_open());
    EXPECT_THROW((void)to.local_address(), std::system_error);
    EXPECT_THROW(to.connect("127.0.0.1:9"), std::system_error);
  });
}

TEST_P(Udp, SecondReceiver_IsRefused) {
  run([]() -> task<> {
    udp_socket from = on_free_port();
    udp_socket to = on_free_port();
    auto first = spawn(receive_text(to));
    co_await until_waiting(first);

    EXPECT_EQ(co_await error_of(spawn(receive_text(to))), std::errc::device_or_resource_busy);

    co_await from.send_to("hello", to.local_address());
    EXPECT_EQ(co_await first, "hello");
  });
}

TEST_P(Udp, PortInUse_IsNamed) {
  run([]() -> task<> {
    const udp_socket first = on_free_port();
    const std::string address = first.local_address().to_string();
    try {
      (void)udp_socket::bind(address);
      ADD_FAILURE();
    } catch (const std::system_error& error) {
      EXPECT_THAT(error.what(), HasSubstr("bind " + address + ": "));
    }
    EXPECT_THROW((void)udp_socket::bind("unix:/nowhere"), std::system_error);
    co_return;
  });
}

TEST_P(Udp, SharedPort_IsBoundTwice) {
  run([]() -> task<> {
    const udp_socket first = udp_socket::bind("127.0.0.1:0", {.reuse_port = true});

    const udp_socket second = udp_socket::bind(first.local_address(), {.reuse_port = true});

    EXPECT_EQ(second.local_address(), first.local_address());
    co_return;
  });
}

// ---- Several at a time --------------------------------------------------------------------------

/// Room for `count` datagrams.
struct mailbox {
  explicit mailbox(std::size_t count) : buffers(count, std::string(64, '\0')) {
    for (std::string& each : buffers) slots.push_back({.into = each});
  }
  [[nodiscard]] std::string text(std::size_t i) const {
    return buffers[i].substr(0, slots[i].size);
  }

  std::vector<std::string> buffers;
  std::vector<incoming_datagram> slots;
};

TEST_P(Udp, Many_AreSentAndReceivedInOrder) {
  run([]() -> task<> {
    constexpr std::size_t count = 100;
    udp_socket from = on_free_port();
    udp_socket to = on_free_port();
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < count; ++i) texts.push_back("datagram " + std::to_string(i));
    std::vector<outgoing_datagram> outgoing;
    for (const std::string& each : texts)
      outgoing.push_back({.bytes = each, .to = to.local_address()});
    mailbox box(count);

    for (std::size_t sent = 0; sent < count;) {
      const std::size_t taken = co_await from.send_many(std::span(outgoing).subspan(sent));
      EXPECT_GE(taken, 1u);
      EXPECT_LE(taken, 64u);
      sent += taken;
    }
    for (std::size_t received = 0; received < count;)
      received += co_await to.recv_many(std::span(box.slots).subspan(received));

    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(box.text(i), texts[i]);
      EXPECT_EQ(box.slots[i].from, from.local_address());
      EXPECT_FALSE(box.slots[i].truncated);
    }
  });
}

TEST_P(Udp, ManyThatDoNotFit_AreMarked) {
  run([]() -> task<> {
    udp_socket from = on_free_port();
    udp_socket to = on_free_port();
    co_await from.send_to(std::string(100, 'x'), to.local_address());
    mailbox box(2);

    const std::size_t count = co_await to.recv_many(box.slots);

    EXPECT_EQ(count, 1u);
    EXPECT_TRUE(box.slots[0].truncated);
    EXPECT_EQ(box.slots[0].size, 64u);
  });
}

TEST_P(Udp, ManyOfAConnectedSocket_NeedNoAddress) {
  run([]() -> task<> {
    udp_socket near = on_free_port();
    udp_socket far = on_free_port();
    near.connect(far.local_address());
    const std::array<outgoing_datagram, 2> outgoing{outgoing_datagram{.bytes = "a"},
                                                    outgoing_datagram{.bytes = "b"}};

    const std::size_t taken = co_await near.send_many(outgoing);

    EXPECT_EQ(taken, 2u);
    EXPECT_EQ(co_await receive_text(far), "a");
    EXPECT_EQ(co_await receive_text(far), "b");
  });
}

TEST_P(Udp, NoneAtAll_AreNoWait) {
  run([]() -> task<> {
    udp_socket socket = on_free_port();
    std::vector<incoming_datagram> no_room;
    const std::vector<outgoing_datagram> nothing;

    EXPECT_EQ(co_await socket.recv_many(no_room), 0u);
    EXPECT_EQ(co_await socket.send_many(nothing), 0u);
  });
}

// ---- IPv6 ---------------------------------------------------------------------------------------

TEST_P(Udp, Ipv6_Works) {
  run([]() -> task<> {
    try {
      udp_socket from = udp_socket::bind("[::1]:0");
      udp_socket to = udp_socket::bind("[::1]:0");
      co_await from.send_to("hello", to.local_address());
      std::array<char, 16> buffer{};
      const datagram got = co_await to.recv_from(buffer);
      EXPECT_EQ(got.from, from.local_address());
    } catch (const std::system_error& error) {  // a machine without IPv6
      EXPECT_EQ(error.code(), std::errc::address_not_available);
    }
  });
}

}  // namespace
}  // namespace weft
