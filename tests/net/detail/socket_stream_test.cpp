#include "../loopback.h"
#include <weft/net/detail/socket_stream.h>

#include <utility>

namespace weft {
namespace {

using namespace testing;
using detail::shared_stream;
using detail::socket_stream;
using detail::stream_half;

TEST(SocketStream, Default_IsClosed) {
  socket_stream none;

  EXPECT_FALSE(none.is_open());
  EXPECT_EQ(none.native_handle(), -1);
  EXPECT_THROW(none.shutdown_write(), std::system_error);
  EXPECT_THROW((void)none.peer_address(), std::system_error);
  static_assert(sizeof(socket_stream) == 32);
}

TEST(StreamHalf, LastOneGone_ClosesTheStream) {
  const auto body = []() -> task<> {
    auto [near, far] = co_await connected_pair();
    const std::int64_t before = take_ledger().fds;
    auto* const shared = new shared_stream(std::move(near));
    stream_half first(shared);
    stream_half second(shared);
    EXPECT_FALSE(first.alone());

    stream_half moved(std::move(first));
    EXPECT_EQ(first.stream(), nullptr);
    moved.release();
    EXPECT_TRUE(second.alone());
    EXPECT_EQ(take_ledger().fds, before);
    second.release();
    second.release();

    EXPECT_EQ(take_ledger().fds, before - 1);
  };
  weft::run(body, {.workers = 1});
}

TEST(SocketStream, ShutdownOfALostConnection_IsNoError) {
  const auto body = []() -> task<> {
    auto [near, far] = co_await connected_pair();
    abort_connection(far);
    std::string buffer(1, '\0');
    (void)co_await as_result(near.read_some(buffer));

    EXPECT_NO_THROW(near.shutdown_write());
  };
  weft::run(body, {.workers = 1});
}

}  // namespace
}  // namespace weft
