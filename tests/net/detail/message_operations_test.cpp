#include "../loopback.h"
#include <weft/net/detail/descriptor.h>
#include <weft/net/detail/message_operations.h>
#include <weft/runtime/detail/sys.h>

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <string>
#include <system_error>

#include <sys/socket.h>

namespace weft::detail {
namespace {

using namespace weft::testing;

class MessageOperations : public on_loopback {};
INSTANTIATE_TEST_SUITE_P(Workers, MessageOperations, one_and_two_workers(), workers_name);

/// Both ends of a connection that keeps the boundaries of messages.
struct socket_ends {
  socket_ends() {
    int fds[2] = {-1, -1};
    EXPECT_EQ(sys::socket_pair(SOCK_DGRAM, fds), 0);
    near = descriptor(fds[0], false);
    far = descriptor(fds[1], false);
  }
  descriptor near;
  descriptor far;
};

task<> send_one(const descriptor& from, std::string text) {
  co_await send_to_operation(from.source(), text, socket_address());
}
task<std::size_t> receive_one(const descriptor& at) {
  std::array<char, 1000> buffer{};
  const datagram got = co_await receive_from_operation(at.source(), buffer);
  co_return got.size;
}

TEST_P(MessageOperations, FullReceiver_MakesTheSenderWait) {
  run([]() -> task<> {
    socket_ends ends;
    const std::string message(1000, 'x');
    std::size_t sent = 0;
    auto flood = spawn(
        [](descriptor& from, const std::string& text, std::size_t& count) -> task<> {
          for (;;) {
            co_await send_to_operation(from.source(), text, socket_address());
            ++count;
          }
        },
        std::ref(ends.near), std::cref(message), std::ref(sent));
    co_await until_waiting(flood);
    const std::size_t before = sent;

    // Unix datagrams count messages: room for one is room enough once half of them are gone.
    for (std::size_t i = 0; i < before; ++i) EXPECT_EQ(co_await receive_one(ends.far), 1000u);
    co_await until([&] { return sent > before; });

    flood.cancel();
    EXPECT_TRUE((co_await as_result(std::move(flood))).cancelled());
  });
}

// Each message is received with one call, and only then with a failed one.
TEST_P(MessageOperations, ReceivedMessage_LeavesTheSlotReady) {
  run([]() -> task<> {
    socket_ends ends;
    co_await send_one(ends.near, "one");
    co_await send_one(ends.near, "two!");

    EXPECT_EQ(co_await receive_one(ends.far), 3u);
    EXPECT_EQ(co_await receive_one(ends.far), 4u);
    auto third = spawn(receive_one(ends.far));
    co_await until_waiting(third);
    co_await send_one(ends.near, "three");
    EXPECT_EQ(co_await third, 5u);
  });
}

TEST_P(MessageOperations, Errors_NameOperationAndPeer) {
  run([]() -> task<> {
    const interposed_calls faults([](sys::call which, int) noexcept {
      return which == sys::call::send ? EPERM : which == sys::call::receive ? ENOMEM : 0;
    });
    socket_ends ends;
    EXPECT_EQ(::send(ends.near.fd(), "here", 4, 0), 4);  // something to be received
    std::array<char, 4> buffer{};
    std::array<incoming_datagram, 1> slots{incoming_datagram{.into = buffer}};
    const std::array<outgoing_datagram, 1> outgoing{outgoing_datagram{.bytes = "a"}};
    const socket_address peer("127.0.0.1:9");

    const auto sent = co_await as_result(send_to_operation(ends.near.source(), "a", peer));
    const auto received = co_await as_result(receive_from_operation(ends.far.source(), buffer));
    const auto many = co_await as_result(send_many_operation(ends.near.source(), outgoing));
    const auto some = co_await as_result(receive_many_operation(ends.far.source(), slots));

    EXPECT_EQ(sent.error_code().value(), EPERM);
    EXPECT_EQ(received.error_code().value(), ENOMEM);
    EXPECT_EQ(many.error_code().value(), EPERM);
    EXPECT_EQ(some.error_code().value(), ENOMEM);
    std::string what;
    try {
      co_await send_to_operation(ends.near.source(), "a", peer);
    } catch (const std::system_error& error) {
      what = error.what();
    }
    EXPECT_EQ(what.find("send_to 127.0.0.1:9: "), 0u) << what;
  });
}

}  // namespace
}  // namespace weft::detail
