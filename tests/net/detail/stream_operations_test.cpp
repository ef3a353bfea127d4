#include "../loopback.h"
#include <weft/net/detail/stream_operations.h>

#include <array>
#include <atomic>
#include <span>
#include <string>
#include <vector>

namespace weft {
namespace {

using namespace testing;
using detail::peer_name;

TEST(PeerName, Address_ComesBack) {
  for (const char* const text : {"1.2.3.4:5", "[2001:db8::1]:80", "[fe80::1%3]:9"}) {
    EXPECT_EQ(peer_name(socket_address(text)).to_string(), text);
  }
  EXPECT_EQ(peer_name(socket_address("unix:/x")).to_string(), "unix socket");
  EXPECT_EQ(peer_name().to_string(), "stream");
  static_assert(sizeof(peer_name) == 24);
}

std::atomic<int> receives;
std::atomic<int> sends;

int count_calls(detail::sys::call which, int) noexcept {
  if (which == detail::sys::call::receive) ++receives;
  if (which == detail::sys::call::send) ++sends;
  return 0;
}

/// One worker: the counts are exact.
class StreamOperations : public ::testing::Test {
 protected:
  template <class F>
  void run(F body) {
    weft::run(std::move(body), {.workers = 1});
    expect_clean_ledger();
  }
  void SetUp() override { receives = sends = 0; }
};

task<std::size_t> read_once(tcp_stream& stream, std::size_t at_most = 4096) {
  std::string buffer(at_most, '\0');
  co_return co_await stream.read_some(buffer);
}

TEST_F(StreamOperations, PingPong_CostsOneCallForEachMessage) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    auto echoing = spawn(
        [](tcp_stream stream) -> task<> {
          std::string buffer(4096, '\0');
          for (;;) {
            const std::size_t count = co_await stream.read_some(buffer);
            if (count == 0) co_return;
            co_await stream.write_all(std::string_view(buffer).substr(0, count));
          }
        },
        std::move(far));
    co_await until_waiting(echoing);
    const interposed_calls counting(count_calls);

    for (int i = 0; i < 100; ++i) {
      co_await near.write_all("ping");
      EXPECT_EQ(co_await read_once(near), 4u);
    }

    EXPECT_EQ(sends, 200);
    EXPECT_EQ(receives, 200);
    near.close();
    co_await echoing;
  });
}

TEST_F(StreamOperations, ShortRead_IsTheLastUntilThereIsAnEvent) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    co_await far.write_all("abc");
    EXPECT_EQ(co_await read_once(near), 3u);
    const interposed_calls counting(count_calls);

    auto reading = spawn(read_once(near, 4096));
    co_await until_waiting(reading);
    EXPECT_EQ(receives, 0);

    reading.cancel();
  });
}

TEST_F(StreamOperations, FullRead_IsTriedAgainAtOnce) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    co_await far.write_all("abcdef");
    EXPECT_EQ(co_await read_once(near, 4), 4u);
    const interposed_calls counting(count_calls);

    EXPECT_EQ(co_await read_once(near, 4), 2u);

    EXPECT_EQ(receives, 1);
  });
}

TEST_F(StreamOperations, ShortReadAfterTheEnd_ProvesNothing) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    auto reading = spawn(read_once(near));
    co_await until_waiting(reading);
    co_await far.write_all("abc");
    far.shutdown_write();  // data and end are one event

    EXPECT_EQ(co_await reading, 3u);
    EXPECT_EQ(co_await wait_for(read_once(near), 10s), 0u);
  });
}

TEST_F(StreamOperations, UrgentByte_DoesNotStopTheStream) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    auto reading = spawn(read_once(near));
    co_await until_waiting(reading);
    co_await far.write_all("abc");
    EXPECT_EQ(::send(far.native_handle(), "!", 1, MSG_OOB), 1);
    co_await far.write_all("def");
    far.shutdown_write();

    std::size_t got = co_await reading;  // up to the mark: a short read, though more is there
    for (;;) {
      const std::size_t count = co_await wait_for(read_once(near), 10s);
      if (count == 0) break;
      got += count;
    }

    EXPECT_EQ(got, 6u);
  });
}

TEST_F(StreamOperations, Parts_AreOneCall) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    const std::array<byte_view, 4> parts{"head", "", "body", "end"};
    const interposed_calls counting(count_calls);

    co_await near.write_all(parts);

    EXPECT_EQ(sends, 1);
    std::string buffer(64, '\0');
    const std::size_t count = co_await far.read_some(buffer);
    EXPECT_EQ(buffer.substr(0, count), "headbodyend");
  });
}

int again_at_random(detail::sys::call which, int) noexcept {
  static std::atomic<unsigned> state{1};
  const bool data = which == detail::sys::call::receive || which == detail::sys::call::send;
  if (!data) return 0;
  const unsigned random = state = state * 1664525u + 1013904223u;
  return random >> 30 == 0 ? ECONNRESET : 0;
}

TEST_F(StreamOperations, InjectedError_EndsTheOperationAndNotTheStream) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    std::size_t sent = 0;
    {
      const interposed_calls faults(again_at_random);
      for (int i = 0; i < 100; ++i) {
        const auto outcome = co_await as_result(near.write_all("x"));
        if (outcome.has_value()) {
          ++sent;
        } else {
          EXPECT_EQ(outcome.error_code().value(), ECONNRESET);
        }
      }
    }
    near.shutdown_write();
    const std::string received = co_await read_to_end(far);
    EXPECT_EQ(received.size(), sent);
    EXPECT_LT(sent, 100u);
  });
}

}  // namespace
}  // namespace weft
