#include "socket_ends.h"
#include <weft/net/detail/stream_operations.h>

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/socket.h>
#include <sys/time.h>

namespace weft::detail {
namespace {

using namespace testing;

constexpr io_direction reading = io_direction::read;
constexpr io_direction writing = io_direction::write;

const peer_name peer{socket_address("192.0.2.1:80")};

class ReadOperation : public on_loopback {};
class WriteOperation : public on_loopback {};
class WriteParts : public on_loopback {};
class ReadyOperation : public on_loopback {};
INSTANTIATE_TEST_SUITE_P(Workers, ReadOperation, one_and_two_workers(), workers_name);
INSTANTIATE_TEST_SUITE_P(Workers, WriteOperation, one_and_two_workers(), workers_name);
INSTANTIATE_TEST_SUITE_P(Workers, WriteParts, one_and_two_workers(), workers_name);
INSTANTIATE_TEST_SUITE_P(Workers, ReadyOperation, one_and_two_workers(), workers_name);

task<std::string> read_text(descriptor& from, std::size_t at_most = 16) {
  std::string buffer(at_most, '\0');
  const std::size_t count = co_await read_operation(from.source(), buffer, &peer);
  buffer.resize(count);
  co_return buffer;
}

task<std::string> read_all_from(descriptor& from) {
  std::string all;
  for (;;) {
    const std::string piece = co_await read_text(from, 997);
    if (piece.empty()) co_return all;
    all += piece;
  }
}

task<> write_text(descriptor& to, std::string text) {
  co_await write_all_operation(to.source(), text, &peer);
}

void put(const descriptor& to, std::string_view text) {
  EXPECT_EQ(sys::send(to.fd(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

void set_send_buffer(const descriptor& of, int bytes) {
  EXPECT_EQ(sys::set_option(of.fd(), SOL_SOCKET, SO_SNDBUF, bytes), 0);
}

/// So that it has a poller, and readiness is known.
task<> register_with_poller(descriptor& of) {
  auto waiting =
      spawn([](descriptor& from) -> task<> { (void)co_await read_text(from); }, std::ref(of));
  co_await until_waiting(waiting);
  waiting.cancel();
  (void)co_await as_result(std::move(waiting));
}

// ---- The name of the peer -----------------------------------------------------------------------

static_assert(sizeof(peer_name) == 24);

TEST(PeerName, Addresses_ComeBack) {
  for (const char* const text : {"127.0.0.1:80", "[2001:db8::1]:65535", "[fe80::1%7]:1"}) {
    const socket_address address(text);
    EXPECT_EQ(peer_name(address).address(), address);
    EXPECT_EQ(peer_name(address).to_string(), text);
  }
}

TEST(PeerName, WithoutAnAddress_SaysWhatItIs) {
  EXPECT_EQ(peer_name().to_string(), "stream");
  EXPECT_EQ(peer_name().address().family(), address_family::none);
  const peer_name local{socket_address("unix:/run/my.sock")};
  EXPECT_EQ(local.to_string(), "unix socket");
  EXPECT_EQ(local.address().family(), address_family::none);
}

// ---- Reading ------------------------------------------------------------------------------------

TEST_P(ReadOperation, FullRead_LeavesTheDirectionReady) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    put(far, "abcdef");

    EXPECT_EQ(co_await read_text(near, 4), "abcd");
    EXPECT_TRUE(near.source()->is_ready(reading));
    EXPECT_EQ(co_await read_text(near, 4), "ef");
  });
}

TEST_P(ReadOperation, ShortRead_LetsTheNextOneWaitWithoutASystemCall) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    put(far, "abc");
    EXPECT_EQ(co_await read_text(near, 4), "abc");
    EXPECT_FALSE(near.source()->is_ready(reading));

    const counted_calls receives(sys::call::receive);
    auto waiting = spawn(read_text(near, 4));
    co_await until_waiting(waiting);
    EXPECT_EQ(receives.calls(), 0);
    put(far, "de");

    EXPECT_EQ(co_await waiting, "de");
    EXPECT_EQ(receives.calls(), 1);
  });
}

TEST_P(ReadOperation, ShortReadAfterAHangUp_ProvesNothing) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    put(far, "abc");
    near.source()->on_event(true, false, true);

    EXPECT_EQ(co_await read_text(near, 4), "abc");

    EXPECT_TRUE(near.source()->is_ready(reading));  // no further event would come
  });
}

TEST_P(ReadOperation, ShortReadOfAPipe_ProvesNothing) {
  run([]() -> task<> {
    int ends[2] = {-1, -1};
    EXPECT_EQ(sys::pipe(ends), 0);
    descriptor from(ends[0], false);
    const descriptor to(ends[1], false);
    EXPECT_EQ(sys::write(to.fd(), "abc", 3), 3);
    std::string buffer(16, '\0');

    const std::size_t count =
        co_await read_operation(from.source(), buffer, nullptr, read_operation::read);

    EXPECT_EQ(count, 3u);
    EXPECT_TRUE(from.source()->is_ready(reading));
  });
}

TEST_P(ReadOperation, End_IsZeroAgainAndAgain) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    put(far, "abc");
    far.close();

    EXPECT_EQ(co_await read_text(near), "abc");
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(co_await read_text(near), "");
      EXPECT_TRUE(near.source()->is_ready(reading));
    }
  });
}

TEST_P(ReadOperation, NothingAskedFor_MakesNoSystemCall) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    near.source()->put_ready(reading);
    const counted_calls receives(sys::call::receive);

    EXPECT_EQ(co_await read_text(near, 0), "");

    EXPECT_EQ(receives.calls(), 0);
    EXPECT_TRUE(near.source()->is_ready(reading));
  });
}

TEST_P(ReadOperation, Failure_LeavesTheDirectionReadyAndNamesThePeer) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    near.source()->put_ready(reading);
    {
      const interposed_calls failing([](sys::call which, int) noexcept {
        return which == sys::call::receive ? ECONNRESET : 0;
      });
      EXPECT_EQ(co_await failure_of(read_text(near)),
                "read 192.0.2.1:80: Connection reset by peer");
      EXPECT_TRUE(near.source()->is_ready(reading));
    }
    put(far, "still there");
    EXPECT_EQ(co_await read_text(near), "still there");
  });
}

TEST_P(ReadOperation, Reset_IsAnError) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    std::string buffer(1, '\0');
    auto waiting = spawn(
        [](tcp_stream& from, std::string& into) -> task<> { (void)co_await from.read_some(into); },
        std::ref(near), std::ref(buffer));
    co_await until_waiting(waiting);

    abort_connection(far);

    EXPECT_EQ((co_await error_of(std::move(waiting))).value(), ECONNRESET);
  });
}

TEST_P(ReadOperation, OwnErrors_AreExplained) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    auto first = spawn(failure_of(read_text(near)));
    co_await until_waiting(first);

    EXPECT_EQ(co_await failure_of(read_text(near)),
              "read 192.0.2.1:80 (another task is reading from it): Device or resource busy");
    near.close();
    EXPECT_EQ(co_await first, "read stream (it was closed while this waited): Operation canceled");
    EXPECT_EQ(co_await failure_of(read_text(near)),
              "read stream (it is closed): Bad file descriptor");
  });
}

TEST_P(ReadOperation, DescriptorClosedBeforeTheAwait_IsNotReadFrom) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    std::string buffer(16, '\0');
    read_operation early(near.source(), buffer, &peer);
    near.close();
    auto [other_near, other_far] = make_ends();  // perhaps with the same number
    put(other_far, "not for you");

    const auto outcome = co_await as_result(early);

    EXPECT_EQ(outcome.error_code().value(), ECANCELED);
  });
}

// ---- Writing ------------------------------------------------------------------------------------

TEST_P(WriteOperation, AllTaken_LeavesTheDirectionReady) {
  run([]() -> task<> {
    auto [near, far] = make_ends();

    const std::size_t count = co_await write_some_operation(near.source(), "abc", &peer);

    EXPECT_EQ(count, 3u);
    EXPECT_TRUE(near.source()->is_ready(writing));
    EXPECT_EQ(co_await read_text(far), "abc");
  });
}

TEST_P(WriteOperation, PartTaken_IsACountAndTheDirectionIsFull) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    set_send_buffer(near, 4096);
    const std::string much = pattern(1'000'000);

    const std::size_t count = co_await write_some_operation(near.source(), much, &peer);
    EXPECT_GT(count, 0u);
    EXPECT_LT(count, much.size());
    EXPECT_FALSE(near.source()->is_ready(writing));
    const counted_calls sends(sys::call::send);
    auto second = spawn(write_text(near, "!"));
    co_await until_waiting(second);
    EXPECT_EQ(sends.calls(), 0);  // it is known to be full
    std::string received;
    while (received.size() < count + 1) received += co_await read_text(far, 65536);
    co_await second;

    EXPECT_TRUE(received == much.substr(0, count) + "!");
  });
}

TEST_P(WriteOperation, WriteAll_GoesOnAfterEachPart) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    set_send_buffer(near, 4096);
    const std::string sent = pattern(1'000'000);
    auto sending = spawn(
        [](descriptor& to, std::string text) -> task<> {
          co_await write_text(to, std::move(text));
          EXPECT_TRUE(to.source()->is_ready(writing));
          to.close();
        },
        std::ref(near), sent);

    const std::string received = co_await read_all_from(far);
    co_await sending;

    EXPECT_TRUE(received == sent);
  });
}

TEST_P(WriteOperation, WriteAllToAPipe_GoesOnAfterEachPart) {
  run([]() -> task<> {
    int ends[2] = {-1, -1};
    EXPECT_EQ(sys::pipe(ends), 0);
    descriptor from(ends[0], false);
    descriptor to(ends[1], false);
    const std::string sent = pattern(300'000);
    auto sending = spawn(
        [](descriptor& into, const std::string& text) -> task<> {
          co_await write_all_operation(into.source(), text, nullptr, write_all_operation::write);
          into.close();
        },
        std::ref(to), std::cref(sent));
    std::string received;
    std::string buffer(1009, '\0');
    for (std::size_t count = 1; count > 0;) {
      count = co_await read_operation(from.source(), buffer, nullptr, read_operation::read);
      received.append(buffer, 0, count);
    }
    co_await sending;

    EXPECT_TRUE(received == sent);
  });
}

TEST_P(WriteOperation, NothingToWrite_MakesNoSystemCall) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    const counted_calls sends(sys::call::send);

    EXPECT_EQ(co_await write_some_operation(near.source(), "", &peer), 0u);
    co_await write_text(near, "");
    co_await write_parts_operation(near.source(), std::span<const byte_view>(), &peer);

    EXPECT_EQ(sends.calls(), 0);
  });
}

TEST_P(WriteOperation, PeerThatIsGone_IsABrokenPipeAndTheDirectionStaysReady) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    far.close();

    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(co_await failure_of(write_text(near, "x")), "write 192.0.2.1:80: Broken pipe");
      EXPECT_TRUE(near.source()->is_ready(writing));
    }
  });
}

TEST_P(WriteOperation, OwnErrors_AreExplained) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    set_send_buffer(near, 4096);
    auto first = spawn(failure_of(write_text(near, std::string(1'000'000, 'x'))));
    co_await until_waiting(first);

    EXPECT_EQ(co_await failure_of(write_text(near, "y")),
              "write 192.0.2.1:80 (another task is writing to it): Device or resource busy");
    near.close();
    EXPECT_EQ(co_await first, "write stream (it was closed while this waited): Operation canceled");
    EXPECT_EQ(co_await failure_of(write_text(near, "y")),
              "write stream (it is closed): Bad file descriptor");
  });
}

/// Signals without SA_RESTART: whatever call they meet, it goes on.
TEST_P(WriteOperation, SignalsMeanwhile_LoseNothing) {
  struct sigaction counting{};
  struct sigaction before{};
  counting.sa_handler = [](int) {};
  ASSERT_EQ(::sigaction(SIGALRM, &counting, &before), 0);
  const itimerval often{.it_interval = {.tv_sec = 0, .tv_usec = 200},
                        .it_value = {.tv_sec = 0, .tv_usec = 200}};
  const itimerval never{};
  ASSERT_EQ(::setitimer(ITIMER_REAL, &often, nullptr), 0);

  run([]() -> task<> {
    auto [near, far] = make_ends();
    set_send_buffer(near, 4096);
    const std::string sent = pattern(1'000'000);
    auto sending = spawn(
        [](descriptor& to, std::string text) -> task<> {
          co_await write_text(to, std::move(text));
          to.close();
        },
        std::ref(near), sent);
    const std::string received = co_await read_all_from(far);
    co_await sending;
    EXPECT_TRUE(received == sent);
  });

  EXPECT_EQ(::setitimer(ITIMER_REAL, &never, nullptr), 0);
  EXPECT_EQ(::sigaction(SIGALRM, &before, nullptr), 0);
}

// ---- Several parts ------------------------------------------------------------------------------

TEST_P(WriteParts, FewSmallOnes_AreOneSystemCall) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    const std::array<byte_view, 5> parts{"", "one ", "", "two", ""};
    const counted_calls sends(sys::call::send);

    co_await write_parts_operation(near.source(), parts, &peer);

    EXPECT_EQ(sends.calls(), 1);
    EXPECT_TRUE(near.source()->is_ready(writing));
    EXPECT_EQ(co_await read_text(far), "one two");
  });
}

TEST_P(WriteParts, OnlyEmptyOnes_AreNoSystemCall) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    const std::array<byte_view, 3> parts{};
    const counted_calls sends(sys::call::send);

    co_await write_parts_operation(near.source(), parts, &peer);

    EXPECT_EQ(sends.calls(), 0);
  });
}

TEST_P(WriteParts, MoreThanOneCallTakes_AreAsManyCallsAsNeeded) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    const std::string letters = pattern(IOV_MAX + 1);
    std::vector<byte_view> parts;
    for (const char& each : letters) parts.emplace_back(&each, 1);
    {
      const counted_calls sends(sys::call::send);
      co_await write_parts_operation(near.source(), std::span(parts).first(IOV_MAX), &peer);
      EXPECT_EQ(sends.calls(), 1);
    }
    {
      const counted_calls sends(sys::call::send);
      co_await write_parts_operation(near.source(), parts, &peer);
      EXPECT_EQ(sends.calls(), 2);
    }
    near.close();

    EXPECT_TRUE(co_await read_all_from(far) == letters.substr(0, IOV_MAX) + letters);
  });
}

TEST_P(WriteParts, PartlyTaken_GoOnInTheMiddleOfAPart) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    testing::set_send_buffer(near, 8192);
    std::vector<std::string> texts;
    std::string whole;
    for (std::size_t i = 0; i < 300; ++i) {
      texts.push_back(pattern(i * 37));
      whole += texts.back();
    }
    const std::vector<byte_view> parts(texts.begin(), texts.end());
    auto sending = spawn(
        [](tcp_stream& to, std::span<const byte_view> pieces) -> task<> {
          co_await to.write_all(pieces);
          to.shutdown_write();
        },
        std::ref(near), std::span<const byte_view>(parts));

    const std::string received = co_await read_to_end(far, 1013);
    co_await sending;

    EXPECT_TRUE(received == whole);
  });
}

TEST_P(WriteParts, PeerThatIsGone_IsABrokenPipe) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    far.close();
    const std::array<byte_view, 2> parts{"a", "b"};

    const std::string failure =
        co_await failure_of(write_parts_operation(near.source(), parts, &peer));

    EXPECT_EQ(failure, "write 192.0.2.1:80: Broken pipe");
  });
}

// ---- Readiness and trying -----------------------------------------------------------------------

TEST_P(ReadyOperation, Wait_TakesNothingAndMakesNoCall) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    const counted_calls receives(sys::call::receive);
    put(far, "abc");

    co_await ready_operation(near.source(), reading, &peer);
    co_await ready_operation(near.source(), reading, &peer);
    co_await ready_operation(near.source(), writing, &peer);

    EXPECT_EQ(receives.calls(), 0);
    EXPECT_EQ(co_await read_text(near), "abc");
  });
}

TEST_P(ReadyOperation, WaitForAClosedStream_Fails) {
  run([]() -> task<> {
    EXPECT_EQ(co_await failure_of(ready_operation(nullptr, reading, &peer)),
              "wait stream (it is closed): Bad file descriptor");
  });
}

TEST(TryReceive, WithoutAPoller_AlwaysAsksTheKernel) {
  auto [near, far] = make_ends();
  std::string buffer(16, '\0');

  EXPECT_EQ(try_receive(near.source(), buffer), -EAGAIN);
  put(far, "abc");
  EXPECT_EQ(try_receive(near.source(), buffer), 3);
  far.close();
  EXPECT_EQ(try_receive(near.source(), buffer), 0);
}

TEST_P(ReadyOperation, TryWithAPoller_AsksTheKernelOnlyAfterAnEvent) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    co_await register_with_poller(near);
    std::string buffer(16, '\0');
    {
      const counted_calls receives(sys::call::receive);
      EXPECT_EQ(try_receive(near.source(), buffer), -EAGAIN);
      EXPECT_EQ(receives.calls(), 0);
    }

    put(far, "abc");
    co_await ready_operation(near.source(), reading, &peer);

    EXPECT_EQ(try_receive(near.source(), buffer), 3);
    EXPECT_EQ(try_receive(near.source(), buffer), -EAGAIN);
  });
}

TEST(TryReceive, ClosedAndNothing_AreAnsweredWithoutACall) {
  auto [near, far] = make_ends();
  std::string buffer(1, '\0');
  std::array<char, 0> nothing{};
  const counted_calls receives(sys::call::receive);

  EXPECT_EQ(try_receive(nullptr, buffer), -EBADF);
  EXPECT_EQ(try_receive(near.source(), nothing), 0);

  EXPECT_EQ(receives.calls(), 0);
}

TEST(TrySend, FullBuffer_IsTakenInPartThenRefused) {
  auto [near, far] = make_ends();
  set_send_buffer(near, 4096);
  const std::string block(1000, 'x');
  std::int64_t count = 0;
  std::size_t sent = 0;

  while ((count = try_send(near.source(), block)) > 0) sent += static_cast<std::size_t>(count);

  EXPECT_EQ(count, -EAGAIN);
  EXPECT_GT(sent, 0u);
  EXPECT_FALSE(near.source()->is_ready(writing));
}

TEST(TrySend, PeerThatIsGone_IsAnErrorEachTime) {
  auto [near, far] = make_ends();
  far.close();

  EXPECT_EQ(try_send(near.source(), "x"), -EPIPE);
  EXPECT_TRUE(near.source()->is_ready(writing));
  EXPECT_EQ(try_send(near.source(), "x"), -EPIPE);
  EXPECT_EQ(try_send(near.source(), ""), 0);
  EXPECT_EQ(try_send(nullptr, "x"), -EBADF);
}

}  // namespace
}  // namespace weft::detail
