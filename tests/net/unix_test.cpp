#include "loopback.h"
#include <weft/net/unix.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

namespace weft {
namespace {

using namespace testing;
using ::testing::HasSubstr;

/// Paths in a folder of its own, gone after the test.
class Unix : public on_loopback {
 protected:
  Unix() {
    folder_ = (std::filesystem::temp_directory_path() / "weft-XXXXXX").string();
    EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
  }
  ~Unix() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string path(const std::string& name = "socket") const {
    return folder_ + '/' + name;
  }

 private:
  std::string folder_;
};
INSTANTIATE_TEST_SUITE_P(Workers, Unix, one_and_two_workers(), workers_name);

// ---- Streams ------------------------------------------------------------------------------------

TEST_P(Unix, Stream_CarriesBytesBothWays) {
  run([this]() -> task<> {
    auto listener = unix_listener::bind(path());
    unix_stream near = co_await unix_stream::connect(path());
    unix_stream far = co_await listener.accept();

    co_await near.write_all("ping");
    std::string buffer(16, '\0');
    EXPECT_EQ(co_await far.read_some(buffer), 4u);
    co_await far.write_all("pong");
    far.close();

    EXPECT_EQ(co_await read_to_end(near), "pong");
    EXPECT_EQ(listener.local_address(), socket_address(path()));
  });
}

TEST_P(Unix, AbstractName_NeedsNoFile) {
  run([]() -> task<> {
    const std::string name = "@weft-unix-test-" + std::to_string(::getpid());
    auto listener = unix_listener::bind(name);

    unix_stream near = co_await unix_stream::connect(name);
    unix_stream far = co_await listener.accept();

    near.close();
    EXPECT_EQ(co_await read_to_end(far), "");
  });
}

TEST_P(Unix, Pair_IsConnected) {
  run([]() -> task<> {
    auto [first, second] = unix_stream::pair();

    co_await first.write_all("hello");
    first.close();

    EXPECT_EQ(co_await read_to_end(second), "hello");
  });
}

TEST_P(Unix, Credentials_AreThoseOfThisProcess) {
  run([]() -> task<> {
    auto [first, second] = unix_stream::pair();

    const peer_credentials peer = first.credentials();

    EXPECT_EQ(peer.process, ::getpid());
    EXPECT_EQ(peer.user, ::geteuid());
    EXPECT_EQ(peer.group, ::getegid());
    second.close();
    EXPECT_THROW((void)second.credentials(), std::system_error);
    co_return;
  });
}

TEST_P(Unix, NobodyThere_IsNamed) {
  run([this]() -> task<> {
    std::string what;
    try {
      (void)co_await unix_stream::connect(path("nobody"));
    } catch (const std::system_error& error) {
      what = error.what();
    }
    EXPECT_THAT(what, HasSubstr("connect unix:" + path("nobody") + ": "));
  });
}

TEST_P(Unix, ImpossiblePath_IsRefused) {
  run([]() -> task<> {
    const std::string too_long(200, 'x');
    EXPECT_THROW((void)unix_listener::bind(too_long), std::invalid_argument);
    EXPECT_THROW((void)unix_listener::bind(""), std::invalid_argument);
    EXPECT_THROW((void)unix_stream::connect(too_long), std::invalid_argument);
    co_return;
  });
}

TEST_P(Unix, FullQueue_IsWaitedFor) {
  run([this]() -> task<> {
    auto listener = unix_listener::bind(path(), {.backlog = 0});
    unix_stream first = co_await unix_stream::connect(path());
    auto second = spawn(unix_stream::connect(path()));
    co_await until_waiting(second);

    unix_stream accepted = co_await listener.accept();

    unix_stream connected = co_await std::move(second);
    EXPECT_TRUE(connected.is_open());
  });
}

TEST_P(Unix, Close_RemovesTheFileAndEndsAWaitingAccept) {
  run([this]() -> task<> {
    auto listener = unix_listener::bind(path());
    auto accepting = spawn(
        [](unix_listener& at) -> task<> { const unix_stream accepted = co_await at.accept(); },
        std::ref(listener));
    co_await until_waiting(accepting);

    listener.close();

    EXPECT_EQ(co_await error_of(std::move(accepting)), std::errc::operation_canceled);
    EXPECT_FALSE(std::filesystem::exists(path()));
    EXPECT_FALSE(listener.is_open());
  });
}

TEST_P(Unix, MovedListener_KeepsItsFile) {
  run([this]() -> task<> {
    auto first = unix_listener::bind(path());
    auto second = std::move(first);
    EXPECT_TRUE(std::filesystem::exists(path()));

    second = unix_listener::bind(path("other"));

    EXPECT_FALSE(std::filesystem::exists(path()) && !std::filesystem::exists(path("other")));
    EXPECT_TRUE(std::filesystem::exists(path("other")));
    co_return;
  });
}

// ---- Descriptors --------------------------------------------------------------------------------

/// Both ends of a pipe, as plain numbers that are closed at the end.
struct plain_pipe {
  plain_pipe() { EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0); }
  plain_pipe(const plain_pipe&) = delete;
  plain_pipe& operator=(const plain_pipe&) = delete;
  ~plain_pipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  int ends[2];
};

TEST_P(Unix, Descriptor_IsPassedWithItsBytes) {
  run([]() -> task<> {
    auto [near, far] = unix_stream::pair();
    const plain_pipe sent;
    std::array<file_descriptor, 2> received;
    std::string buffer(16, '\0');

    EXPECT_EQ(co_await near.send_descriptors("take it", sent.ends), 7u);
    EXPECT_EQ(co_await far.receive_descriptors(buffer, received), 7u);

    EXPECT_TRUE(received[0] && received[1]);
    EXPECT_EQ(::fcntl(received[0].get(), F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(::write(received[1].get(), "x", 1), 1);
    char byte = 0;
    EXPECT_EQ(::read(sent.ends[0], &byte, 1), 1);
    EXPECT_EQ(byte, 'x');
  });
}

TEST_P(Unix, DescriptorWithoutRoom_IsClosed) {
  run([]() -> task<> {
    auto [near, far] = unix_stream::pair();
    const plain_pipe sent;
    std::array<file_descriptor, 1> received;
    std::string buffer(16, '\0');
    EXPECT_EQ(co_await near.send_descriptors("x", sent.ends), 1u);

    EXPECT_EQ(co_await far.receive_descriptors(buffer, received), 1u);

    EXPECT_TRUE(received[0]);
    EXPECT_EQ(detail::sys::open_descriptors() > 0, true);  // the ledger says the rest at the end
  });
}

TEST_P(Unix, ReleasedDescriptor_IsTheCallers) {
  run([]() -> task<> {
    auto [near, far] = unix_stream::pair();
    const plain_pipe sent;
    std::array<file_descriptor, 2> received;
    std::string buffer(16, '\0');
    EXPECT_EQ(co_await near.send_descriptors("x", sent.ends), 1u);
    EXPECT_EQ(co_await far.receive_descriptors(buffer, received), 1u);

    const int mine = received[0].release();
    received[0].close();

    EXPECT_EQ(::fcntl(mine, F_GETFD), FD_CLOEXEC);
    ::close(mine);
  });
}

TEST_P(Unix, DescriptorsWithoutAByte_AreRefused) {
  run([]() -> task<> {
    auto [near, far] = unix_stream::pair();
    const plain_pipe sent;

    const auto outcome = co_await as_result(near.send_descriptors("", sent.ends));

    EXPECT_EQ(outcome.error_code().value(), EINVAL);
    far.close();
  });
}

// ---- Datagrams ----------------------------------------------------------------------------------

TEST_P(Unix, Datagrams_KeepTheirBoundariesAndNameTheirSender) {
  run([this]() -> task<> {
    auto from = unix_datagram::bind(path("from"));
    auto to = unix_datagram::bind(path("to"));
    co_await from.send_to("one", path("to"));
    co_await from.send_to("", path("to"));
    std::string buffer(16, '\0');

    const datagram first = co_await to.recv_from(buffer);
    const datagram second = co_await to.recv_from(buffer);

    EXPECT_EQ(first.size, 3u);
    EXPECT_EQ(first.from, socket_address(path("from")));
    EXPECT_EQ(second.size, 0u);
  });
}

TEST_P(Unix, UnboundDatagramSocket_CanSend) {
  run([this]() -> task<> {
    auto from = unix_datagram::unbound();
    auto to = unix_datagram::bind(path());
    std::string buffer(16, '\0');

    co_await from.send_to("hello", path());

    EXPECT_EQ((co_await to.recv_from(buffer)).size, 5u);
    to.close();
    EXPECT_FALSE(std::filesystem::exists(path()));
  });
}

TEST_P(Unix, DatagramToAFullReceiver_WaitsForRoom) {
  run([this]() -> task<> {
    auto from = unix_datagram::unbound();
    auto to = unix_datagram::bind(path());
    std::size_t sent = 0;
    auto flood = spawn(
        [](unix_datagram& out, std::string at, std::size_t& count) -> task<> {
          for (;;) {
            co_await out.send_to("x", at);
            ++count;
          }
        },
        std::ref(from), path(), std::ref(sent));
    co_await until_waiting(flood);
    const std::size_t before = sent;

    std::string buffer(16, '\0');
    for (std::size_t i = 0; i < before; ++i) {
      const datagram got = co_await to.recv_from(buffer);
      EXPECT_EQ(got.size, 1u);
    }
    co_await until([&] { return sent > before; });

    flood.cancel();
    const auto ended = co_await as_result(std::move(flood));
    EXPECT_TRUE(ended.cancelled());
  });
}

TEST_P(Unix, DatagramToNobody_IsNamed) {
  run([this]() -> task<> {
    auto from = unix_datagram::unbound();
    std::string what;
    try {
      co_await from.send_to("x", path("nobody"));
    } catch (const std::system_error& error) {
      what = error.what();
    }
    EXPECT_THAT(what, HasSubstr("send_to unix:" + path("nobody") + ": "));
  });
}

}  // namespace
}  // namespace weft
