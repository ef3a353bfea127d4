// Promises 6 and 11 for sockets: reading, writing, accepting, cancelling and closing take no memory.

#include "../support/allocations.h"
#include "loopback.h"
#include <weft/net/udp.h>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace weft::testing {
namespace {

/// Counts while body() runs, the second time, when pools and caches are warm. One worker: nobody
/// else allocates.
template <class F>
std::size_t allocations_of(F body) {
  std::size_t made = 0;
  weft::run(
      [&]() -> task<> {
        stream_pair ends = co_await connected_pair();
        co_await body(ends);
        const std::size_t before = allocations();
        co_await body(ends);
        made = allocations() - before;
      },
      {.workers = 1});
  return made;
}

TEST(NoAllocation, ReadAndWrite_ThatAreReady) {
  const std::size_t made = allocations_of([](stream_pair& ends) -> task<> {
    std::array<char, 64> buffer{};
    for (int i = 0; i < 100; ++i) {
      co_await ends.near.write_all("twelve bytes");
      const std::size_t count = co_await ends.far.read_some(buffer);
      EXPECT_EQ(count, 12u);
    }
  });

  EXPECT_EQ(made, 0u);
}

TEST(NoAllocation, Read_ThatWaits) {
  const std::size_t made = allocations_of([](stream_pair& ends) -> task<> {
    auto echo = spawn([](tcp_stream& stream) -> task<> {
      std::array<char, 64> buffer{};
      for (int i = 0; i < 100; ++i) {
        const std::size_t count = co_await stream.read_some(buffer);
        co_await stream.write_all(byte_view(buffer.data(), count));
      }
    }(ends.far));
    std::array<char, 64> buffer{};
    for (int i = 0; i < 100; ++i) {
      co_await ends.near.write_all("ping");
      (void)co_await ends.near.read_some(buffer);
    }
    co_await echo;
  });

  EXPECT_EQ(made, 0u);
}

TEST(NoAllocation, Write_ThatWaits) {
  const std::string much = pattern(std::size_t{4} << 20);  // more than the buffers of both sockets
  std::string room(65536, '\0');

  const std::size_t made = allocations_of([&](stream_pair& ends) -> task<> {
    auto writing = spawn([](tcp_stream& stream, const std::string& bytes) -> task<> {
      co_await stream.write_all(bytes);
    }(ends.near, much));
    for (std::size_t left = much.size(); left > 0;) left -= co_await ends.far.read_some(room);
    co_await writing;
  });

  EXPECT_EQ(made, 0u);
}

TEST(NoAllocation, WriteOfParts_InOneCall) {
  const std::size_t made = allocations_of([](stream_pair& ends) -> task<> {
    std::array<char, 64> buffer{};
    const std::array<byte_view, 3> parts{"one", "two", "three"};
    for (int i = 0; i < 100; ++i) {
      co_await ends.near.write_all(parts);
      (void)co_await ends.far.read_some(buffer);
    }
  });

  EXPECT_EQ(made, 0u);
}

TEST(NoAllocation, Datagrams_OneOrMany) {
  udp_socket from = udp_socket::bind("127.0.0.1:0");
  udp_socket to = udp_socket::bind("127.0.0.1:0");
  const socket_address at = to.local_address();

  const std::size_t made = allocations_of([&](stream_pair&) -> task<> {
    std::array<char, 64> buffer{};
    std::array<incoming_datagram, 1> slots{incoming_datagram{.into = buffer}};
    const std::array<outgoing_datagram, 1> outgoing{outgoing_datagram{.bytes = "one", .to = at}};
    for (int i = 0; i < 20; ++i) {
      co_await from.send_to("twelve bytes", at);
      const datagram got = co_await to.recv_from(buffer);
      EXPECT_EQ(got.size, 12u);
      (void)co_await from.send_many(outgoing);
      (void)co_await to.recv_many(slots);
    }
  });

  EXPECT_EQ(made, 0u);
}

TEST(NoAllocation, Readiness_ThatIsWaitedFor) {
  const std::size_t made = allocations_of([](stream_pair& ends) -> task<> {
    std::array<char, 64> buffer{};
    for (int i = 0; i < 20; ++i) {
      auto waiting =
          spawn([](tcp_stream& stream) -> task<> { co_await stream.readable(); }(ends.far));
      co_await yield();
      co_await ends.near.write_all("now");
      co_await waiting;
      (void)co_await ends.far.read_some(buffer);
      co_await ends.far.writable();
    }
  });

  EXPECT_EQ(made, 0u);
}

TEST(NoAllocation, CancelledRead_IsTakenBack) {
  const std::size_t made = allocations_of([](stream_pair& ends) -> task<> {
    for (int i = 0; i < 20; ++i) {
      auto reading = spawn([](tcp_stream& stream) -> task<> {
        std::array<char, 64> buffer{};
        (void)co_await stream.read_some(buffer);
      }(ends.far));
      co_await yield();
      reading.cancel();
      while (!reading.done()) co_await yield();
    }
  });

  EXPECT_EQ(made, 0u);
}

TEST(NoAllocation, CancelledAccept_IsTakenBack) {
  std::optional<tcp_listener> listener;
  const std::size_t made = allocations_of([&](stream_pair&) -> task<> {
    if (!listener) listener = tcp_listener::bind("127.0.0.1:0");
    auto accepting =
        spawn([](tcp_listener& on) -> task<> { (void)co_await on.accept(); }(*listener));
    co_await yield();
    accepting.cancel();
    while (!accepting.done()) co_await yield();
  });

  EXPECT_EQ(made, 0u);
}

TEST(NoAllocation, ConnectAndAccept_OfAConnection) {
  std::optional<tcp_listener> listener;
  const std::size_t made = allocations_of([&](stream_pair&) -> task<> {
    if (!listener) listener = tcp_listener::bind("127.0.0.1:0");
    tcp_stream near = co_await tcp_stream::connect(listener->local_address());
    const tcp_stream far = co_await listener->accept();
    near.shutdown_write();
  });

  EXPECT_EQ(made, 0u);
}

TEST(NoAllocation, Close_UnderAWaitingReader) {
  weft::run(
      []() -> task<> {
        stream_pair ends = co_await connected_pair();
        auto reading = spawn([](tcp_stream& stream) -> task<> {
          std::array<char, 64> buffer{};
          (void)co_await stream.read_some(buffer);
        }(ends.far));
        co_await until_waiting(reading);

        EXPECT_EQ(allocations_in([&] { ends.far.close(); }), 0u);
        EXPECT_EQ(allocations_in([&] { const tcp_stream dies = std::move(ends.near); }), 0u);

        (void)co_await error_of(std::move(reading));
      },
      {.workers = 1});
}

}  // namespace
}  // namespace weft::testing
