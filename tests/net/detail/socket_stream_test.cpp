#include "socket_ends.h"
#include <weft/net/detail/socket_stream.h>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include <sys/socket.h>

namespace weft::detail {
namespace {

using namespace testing;

static_assert(sizeof(socket_stream) == 32);

class SocketStream : public on_loopback {};
INSTANTIATE_TEST_SUITE_P(Workers, SocketStream, one_and_two_workers(), workers_name);

TEST_P(SocketStream, HalfClose_EndsOneDirectionOnly) {
  run([]() -> task<> {
    auto [near, far] = make_streams();

    co_await near.write_all("question");
    near.shutdown_write();

    EXPECT_EQ(co_await read_to_end(far), "question");
    co_await far.write_all("answer");
    far.close();
    EXPECT_EQ(co_await read_to_end(near), "answer");
  });
}

TEST_P(SocketStream, WriteAfterHalfClose_IsABrokenPipeAndNoSignal) {
  run([]() -> task<> {
    auto [near, far] = make_streams();
    near.shutdown_write();
    near.shutdown_write();  // again: no error

    EXPECT_EQ(co_await failure_of(near.write_all("x")), "write 192.0.2.1:80: Broken pipe");
    EXPECT_THROW((void)near.try_write_some("x"), std::system_error);
  });
}

TEST(SocketStreamAlone, ShutdownThatTheKernelRefuses_IsAnErrorUnlessTheConnectionIsGone) {
  static std::atomic<int> answer;
  auto [near, far] = make_streams();
  const interposed_calls failing([](sys::call which, int) noexcept {
    return which == sys::call::shutdown ? answer.load() : 0;
  });

  answer = ENOTCONN;
  near.shutdown_write();

  answer = ENOBUFS;
  try {
    near.shutdown_write();
    ADD_FAILURE();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code().value(), ENOBUFS);
    EXPECT_TRUE(std::string(error.what()).starts_with("shutdown 192.0.2.1:80: ")) << error.what();
  }
}

TEST(SocketStreamAlone, Closed_RefusesEverything) {
  socket_stream closed;
  std::string buffer(1, '\0');

  EXPECT_FALSE(closed.is_open());
  EXPECT_EQ(closed.native_handle(), -1);
  EXPECT_THROW(closed.shutdown_write(), std::system_error);
  EXPECT_THROW((void)closed.local_address(), std::system_error);
  EXPECT_THROW((void)closed.peer_address(), std::system_error);
  EXPECT_THROW((void)closed.try_read_some(buffer), std::system_error);
  EXPECT_THROW((void)closed.try_write_some("x"), std::system_error);
  closed.close();
}

TEST(SocketStreamAlone, Trying_IsEmptyWhereItWouldWait) {
  auto [near, far] = make_streams();
  std::string buffer(16, '\0');

  EXPECT_EQ(near.try_read_some(buffer), std::nullopt);
  EXPECT_EQ(far.try_write_some("abc"), 3u);
  EXPECT_EQ(near.try_read_some(buffer), 3u);
  far.close();
  EXPECT_EQ(near.try_read_some(buffer), 0u);
}

TEST(SocketStreamAlone, FailedTry_NamesOperationAndPeer) {
  auto [near, far] = make_streams();
  far.close();
  try {
    (void)near.try_write_some("x");
    ADD_FAILURE();
  } catch (const std::system_error& error) {
    EXPECT_STREQ(error.what(), "write 192.0.2.1:80: Broken pipe");
  }
}

TEST(SocketStreamAlone, PeerAddress_IsWhatTheStreamWasMadeWith) {
  auto [near, far] = make_streams();

  EXPECT_EQ(near.peer_address(), socket_address("192.0.2.1:80"));
  far.close();
  EXPECT_EQ(near.peer_address(), socket_address("192.0.2.1:80"));
}

TEST(SocketStreamAlone, UnnamedPeer_IsAskedOfTheKernel) {
  auto [near, far] = make_ends();
  const socket_stream unnamed(std::move(near), peer_name());

  EXPECT_EQ(unnamed.peer_address().family(), address_family::local);
  EXPECT_EQ(unnamed.local_address().family(), address_family::local);
}

TEST_P(SocketStream, Operations_ReferToTheirDirection) {
  run([]() -> task<> {
    auto [near, far] = make_streams();
    const std::array<byte_view, 2> parts{"c", "d"};

    EXPECT_EQ(co_await near.write_some("a"), 1u);
    co_await near.write_all("b");
    co_await near.write_all(parts);
    co_await near.writable();
    co_await far.readable();

    std::string buffer(16, '\0');
    EXPECT_EQ(co_await far.read_some(buffer), 4u);
    EXPECT_EQ(buffer.substr(0, 4), "abcd");
  });
}

// ---- Halves -------------------------------------------------------------------------------------

TEST(StreamHalf, LastOne_ClosesTheStream) {
  const std::int64_t before = take_ledger().fds;
  auto [near, far] = make_streams();
  far.close();
  auto* const shared = new shared_stream(std::move(near));  // owned by the halves
  stream_half first(shared);
  stream_half second(shared);

  EXPECT_EQ(first.stream(), second.stream());
  EXPECT_FALSE(first.alone());
  second.release();
  EXPECT_TRUE(first.alone());
  EXPECT_EQ(second.stream(), nullptr);
  EXPECT_FALSE(second.alone());
  EXPECT_EQ(take_ledger().fds, before + 1);
  second.release();  // again: no effect
  EXPECT_EQ(take_ledger().fds, before + 1);
  first.release();

  EXPECT_EQ(take_ledger().fds, before);
}

TEST(StreamHalf, Moved_CountsOnce) {
  const std::int64_t before = take_ledger().fds;
  {
    auto [near, far] = make_streams();
    auto* const shared = new shared_stream(std::move(near));  // owned by the halves
    stream_half first(shared);
    stream_half second(shared);

    const stream_half elsewhere(std::move(first));
    EXPECT_EQ(first.stream(), nullptr);  // NOLINT(bugprone-use-after-move): what it is about
    EXPECT_FALSE(elsewhere.alone());
    second.release();
    EXPECT_TRUE(elsewhere.alone());
    EXPECT_TRUE(elsewhere.stream()->is_open());
  }
  EXPECT_EQ(take_ledger().fds, before);
}

TEST(StreamHalf, MoveAssignment_ReleasesWhatWasThere) {
  const std::int64_t before = take_ledger().fds;
  auto [near, far] = make_streams();
  auto* const first = new shared_stream(std::move(near));  // owned by the halves
  auto* const second = new shared_stream(std::move(far));  // owned by the halves
  stream_half half(first);
  stream_half other_half(first);
  stream_half target(second);
  const stream_half rest(second);

  target = std::move(half);
  EXPECT_TRUE(rest.alone());
  EXPECT_FALSE(target.alone());
  stream_half& same = target;
  target = std::move(same);
  EXPECT_EQ(target.stream(), other_half.stream());

  other_half.release();
  target.release();
  EXPECT_EQ(take_ledger().fds, before + 1);
}

}  // namespace
}  // namespace weft::detail
