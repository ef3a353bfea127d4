#include "loopback.h"
#include <weft/net/tcp.h>
#include <weft/runtime/cancel.h>
#include <weft/runtime/select.h>
#include <weft/sync/event.h>

#include <array>
#include <atomic>
#include <csignal>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include <netinet/tcp.h>

namespace weft {
namespace {

using namespace testing;

class TcpStream : public on_loopback {};
class TcpListener : public on_loopback {};
INSTANTIATE_TEST_SUITE_P(Workers, TcpStream, one_and_two_workers(), workers_name);
INSTANTIATE_TEST_SUITE_P(Workers, TcpListener, one_and_two_workers(), workers_name);

task<std::size_t> read_once(tcp_stream& stream) {
  std::string buffer(16, '\0');
  co_return co_await stream.read_some(buffer);
}

task<> echo(tcp_stream stream) {
  std::string buffer(1000, '\0');
  for (;;) {
    const std::size_t count = co_await stream.read_some(buffer);
    if (count == 0) co_return;
    co_await stream.write_all(std::string_view(buffer).substr(0, count));
  }
}

// ---- Reading and writing ------------------------------------------------------------------------

TEST_P(TcpStream, WrittenBytes_ComeBack) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    auto echoing = spawn(echo(std::move(far)));
    std::string answer(4, '\0');

    for (int i = 0; i < 1000; ++i) {
      co_await near.write_all("ping");
      std::size_t got = 0;
      while (got < 4) {
        const std::size_t count = co_await near.read_some(std::span(answer).subspan(got));
        EXPECT_GT(count, 0u);
        got += count;
      }
      EXPECT_EQ(answer, "ping");
    }
    near.close();
    co_await echoing;
  });
}

task<> write_and_shut_down(tcp_stream& stream, const std::string& bytes) {
  co_await stream.write_all(bytes);
  stream.shutdown_write();
}

TEST_P(TcpStream, LargeTransfer_ArrivesWholeThroughSmallBuffers) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    set_send_buffer(near, 16384);  // a small window for the receiver would make the kernel wait
    const std::string sent = pattern(2'000'000);
    auto writing = spawn(write_and_shut_down(near, sent));

    const std::string received = co_await read_to_end(far, 1021);
    co_await writing;

    EXPECT_TRUE(received == sent);
  });
}

TEST_P(TcpStream, BothDirections_AreIndependent) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    const std::string there = pattern(1'000'000);
    const std::string back = pattern(700'000);
    auto first = spawn(write_and_shut_down(near, there));
    auto second = spawn(write_and_shut_down(far, back));

    auto [at_far, at_near] = co_await gather(read_to_end(far), read_to_end(near));
    co_await first;
    co_await second;

    EXPECT_TRUE(at_far == there);
    EXPECT_TRUE(at_near == back);
  });
}

task<> write_parts_and_shut_down(tcp_stream& stream, std::span<const byte_view> parts) {
  co_await stream.write_all(parts);
  stream.shutdown_write();
}

TEST_P(TcpStream, ManyParts_ArriveInOrder) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    set_send_buffer(near, 32768);
    std::vector<std::string> texts;
    std::string whole;
    for (int i = 0; i < 5000; ++i) {  // more than one system call takes
      texts.push_back(std::to_string(i) + std::string(static_cast<std::size_t>(i % 7) * 40, '.'));
      if (i % 11 == 0) texts.emplace_back();
    }
    for (const std::string& each : texts) whole += each;
    const std::vector<byte_view> parts(texts.begin(), texts.end());
    auto writing = spawn(write_parts_and_shut_down(near, parts));

    const std::string received = co_await read_to_end(far, 997);
    co_await writing;

    EXPECT_TRUE(received == whole);
  });
}

TEST_P(TcpStream, ZeroLength_CompletesAtOnceAndIsNotTheEnd) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    const std::span<char> nothing;

    EXPECT_EQ(co_await near.read_some(nothing), 0u);
    EXPECT_EQ(co_await near.write_some(""), 0u);
    co_await near.write_all("");
    co_await near.write_all(std::span<const byte_view>());
    const std::array<byte_view, 2> empty_parts{};
    co_await near.write_all(empty_parts);

    co_await far.write_all("x");
    EXPECT_EQ(co_await read_once(near), 1u);
  });
}

TEST_P(TcpStream, HalfClose_LetsTheOtherDirectionGoOn) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();

    co_await near.write_all("question");
    near.shutdown_write();
    EXPECT_EQ(co_await read_to_end(far), "question");
    co_await far.write_all("answer");
    far.close();

    EXPECT_EQ(co_await read_to_end(near), "answer");
    EXPECT_EQ(co_await read_once(near), 0u);  // and again
  });
}

TEST_P(TcpStream, DataThatArrivedWithTheEnd_IsReadBeforeIt) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    auto reading = spawn(read_once(far));
    co_await until_waiting(reading);  // registered, so that data and end come as one event

    co_await near.write_all("abc");
    near.close();

    EXPECT_EQ(co_await reading, 3u);
    EXPECT_EQ(co_await read_once(far), 0u);
  });
}

task<std::error_code> write_until_error(tcp_stream& stream) {
  const std::string block(100'000, 'x');
  for (;;) {
    const auto written = co_await as_result(stream.write_all(block));
    if (!written) co_return written.error_code();
  }
}

TEST_P(TcpStream, ResetWhileWriting_IsAnErrorAndNoSignal) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    auto writing = spawn(write_until_error(near));
    co_await until_waiting(writing);

    abort_connection(far);

    const std::error_code error = co_await writing;
    EXPECT_TRUE(error.value() == ECONNRESET || error.value() == EPIPE) << error.message();
  });
}

/// While it lives, SIGPIPE is counted, whatever the program does about it.
class counted_sigpipes {
 public:
  counted_sigpipes() {
    count_ = 0;
    struct sigaction counting = {};
    counting.sa_handler = [](int) { ++count_; };
    EXPECT_EQ(::sigaction(SIGPIPE, &counting, &before_), 0);
  }
  counted_sigpipes(const counted_sigpipes&) = delete;
  counted_sigpipes& operator=(const counted_sigpipes&) = delete;
  ~counted_sigpipes() { ::sigaction(SIGPIPE, &before_, nullptr); }
  [[nodiscard]] static int count() { return count_; }

 private:
  static inline std::atomic<int> count_{0};
  struct sigaction before_ = {};
};

// Of this the kernel would make a signal each time.
TEST_P(TcpStream, WriteBehindItsOwnEnd_IsABrokenPipeAndNoSignal) {
  const counted_sigpipes signals;
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    near.shutdown_write();

    const auto some = co_await as_result(near.write_some("x"));
    const auto all = co_await as_result(near.write_all("x"));
    const std::array<byte_view, 2> both{"x", "y"};
    const auto parts = co_await as_result(near.write_all(both));

    EXPECT_EQ(some.error_code(), std::errc::broken_pipe);
    EXPECT_EQ(all.error_code(), std::errc::broken_pipe);
    EXPECT_EQ(parts.error_code(), std::errc::broken_pipe);
    EXPECT_THROW((void)near.try_write_some("x"), std::system_error);
  });
  EXPECT_EQ(signals.count(), 0);
}

TEST_P(TcpStream, Reset_IsNamedWithOperationAndPeer) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    const std::string peer = near.peer_address().to_string();
    auto reading = spawn(read_once(near));
    co_await until_waiting(reading);

    abort_connection(far);

    try {
      (void)co_await reading;
      ADD_FAILURE();
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.what(), "read " + peer + ": Connection reset by peer");
      EXPECT_EQ(error.code().value(), ECONNRESET);
    }
    EXPECT_EQ(near.peer_address().to_string(), peer);  // although the kernel has forgotten it
  });
}

TEST_P(TcpStream, ErrorUnderAsResult_IsACode) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    abort_connection(far);
    std::string buffer(1, '\0');

    const auto outcome = co_await as_result(near.read_some(buffer));

    EXPECT_FALSE(outcome.has_value());
    EXPECT_EQ(outcome.error_code().value(), ECONNRESET);
  });
}

TEST_P(TcpStream, ErrorOutOfAResult_NamesOperationAndPeer) {
  run([]() -> task<> {
    auto listener = tcp_listener::bind("127.0.0.1:0");
    const socket_address nobody = listener.local_address();
    listener.close();

    const auto outcome = co_await as_result(tcp_stream::connect(nobody));

    try {
      (void)outcome.value();
      ADD_FAILURE();
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.what(), "connect " + nobody.to_string() + ": Connection refused");
    }
  });
}

TEST_P(TcpStream, WritingHalf_EndsItsDirectionWhenItIsAwaited) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    auto halves = std::move(near).split();
    std::string buffer(4, '\0');

    co_await halves.writer.shutdown_write();

    EXPECT_EQ(co_await far.read_some(buffer), 0u);
    co_await far.write_all("back");
    EXPECT_EQ(co_await halves.reader.read_some(buffer), 4u);
  });
}

// ---- Readiness and trying -----------------------------------------------------------------------

TEST_P(TcpStream, TryRead_IsEmptyUntilThereIsSomething) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    std::string buffer(16, '\0');
    EXPECT_FALSE(near.try_read_some(buffer));

    co_await far.write_all("abc");
    co_await near.readable();

    EXPECT_EQ(near.try_read_some(buffer), 3u);
    EXPECT_FALSE(near.try_read_some(buffer));
    far.close();
    co_await near.readable();
    EXPECT_EQ(near.try_read_some(buffer), 0u);
  });
}

TEST_P(TcpStream, TryWrite_IsEmptyWhileTheBufferIsFull) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    set_send_buffer(near, 4096);
    const std::string block(10'000, 'x');
    std::size_t sent = 0;
    while (const auto count = near.try_write_some(block)) sent += *count;
    auto waiting =
        spawn([](tcp_stream& stream) -> task<> { co_await stream.writable(); }, std::ref(near));
    co_await until_waiting(waiting);
    EXPECT_FALSE(waiting.done());

    std::string buffer(65536, '\0');
    while (sent > 0) sent -= co_await far.read_some(buffer);

    co_await waiting;
    EXPECT_TRUE(near.try_write_some("y"));
  });
}

TEST_P(TcpStream, Readable_TakesNothing) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    co_await far.write_all("abc");

    co_await near.readable();
    co_await near.readable();

    EXPECT_EQ(co_await read_once(near), 3u);
  });
}

// ---- Cancellation and closing -------------------------------------------------------------------

TEST_P(TcpStream, CancelledRead_TakesNothing) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    auto reading = spawn(read_once(near));
    co_await until_waiting(reading);

    reading.cancel();
    const auto outcome = co_await as_result(std::move(reading));
    EXPECT_TRUE(outcome.cancelled());

    co_await far.write_all("abc");
    EXPECT_EQ(co_await read_once(near), 3u);
  });
}

TEST_P(TcpStream, CancelledWrite_LeavesTheStreamUsable) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    auto writing = spawn(write_until_error(near));
    co_await until_waiting(writing);

    writing.cancel();
    const auto outcome = co_await as_result(std::move(writing));
    EXPECT_TRUE(outcome.cancelled());

    auto reading = spawn(
        [](tcp_stream& stream) -> task<std::string> { co_return co_await read_to_end(stream); },
        std::ref(far));
    co_await near.write_all("!");
    near.shutdown_write();
    const std::string received = co_await reading;
    EXPECT_TRUE(received.ends_with("x!"));
  });
}

TEST_P(TcpStream, ReadWithTimeLimit_CanBeRepeated) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    std::string buffer(16, '\0');

    for (int i = 0; i < 20; ++i) {
      const auto outcome = co_await as_result(wait_for(near.read_some(buffer), 100us));
      EXPECT_FALSE(outcome.has_value());
    }

    co_await far.write_all("abc");
    EXPECT_EQ(co_await wait_for(near.read_some(buffer), 10s), 3u);
  });
}

TEST_P(TcpStream, LosingRead_TakesNothing) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    std::string buffer(16, '\0');
    event other;
    other.set();
    co_await far.write_all("abc");

    const auto first = co_await select(other.wait(), near.read_some(buffer));

    EXPECT_EQ(first.index(), 0u);
    EXPECT_EQ(co_await read_once(near), 3u);
  });
}

TEST_P(TcpStream, EveryByteIsReadOnce_WhenReadsRaceWithCancellation) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    const std::string sent = pattern(20'000);
    auto writing = spawn(
        [](tcp_stream& stream, const std::string& bytes) -> task<> {
          for (std::size_t i = 0; i < bytes.size(); i += 10) {
            co_await stream.write_all(std::string_view(bytes).substr(i, 10));
            co_await yield();
          }
          stream.shutdown_write();
        },
        std::ref(near), std::cref(sent));
    std::string received;
    std::string buffer(7, '\0');

    for (bool ended = false; !ended;) {
      auto reading = spawn(
          [](tcp_stream& stream, std::string& into) -> task<std::size_t> {
            co_return co_await stream.read_some(into);
          },
          std::ref(far), std::ref(buffer));
      co_await yield();
      reading.cancel();
      const auto outcome = co_await as_result(std::move(reading));
      if (outcome.cancelled()) continue;
      received.append(buffer, 0, *outcome);
      ended = *outcome == 0;
    }
    co_await writing;

    EXPECT_TRUE(received == sent);
  });
}

TEST_P(TcpStream, CloseUnderAWaitingRead_FailsIt) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    auto reading = spawn(read_once(near));
    co_await until_waiting(reading);

    near.close();

    EXPECT_EQ((co_await error_of(std::move(reading))).value(), ECANCELED);
  });
}

TEST_P(TcpStream, ClosedStream_FailsEveryOperation) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    near.close();
    near.close();
    std::string buffer(1, '\0');

    const auto read = co_await as_result(near.read_some(buffer));
    const auto write = co_await as_result(near.write_all("x"));

    EXPECT_EQ(read.error_code().value(), EBADF);
    EXPECT_EQ(write.error_code().value(), EBADF);
    EXPECT_THROW(near.shutdown_write(), std::system_error);
    EXPECT_THROW(near.set_nodelay(true), std::system_error);
    EXPECT_THROW((void)near.local_address(), std::system_error);
    EXPECT_THROW((void)near.try_read_some(buffer), std::system_error);
  });
}

TEST_P(TcpStream, SecondReader_IsRefusedAndTheFirstGoesOn) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    auto first = spawn(read_once(near));
    co_await until_waiting(first);

    try {
      (void)co_await read_once(near);
      ADD_FAILURE();
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code().value(), EBUSY);
      EXPECT_NE(std::string(error.what()).find("another task is reading"), std::string::npos)
          << error.what();
    }

    co_await far.write_all("abc");
    EXPECT_EQ(co_await first, 3u);
  });
}

TEST_P(TcpStream, ReusedDescriptorNumber_BelongsToTheNewStream) {
  run([]() -> task<> {
    for (int i = 0; i < 50; ++i) {
      auto [near, far] = co_await connected_pair();
      auto reading = spawn(read_once(near));
      co_await until_waiting(reading);
      co_await far.write_all("old");  // an event is on its way when the number changes hands
      near.close();
      far.close();
      auto [next_near, next_far] = co_await connected_pair();
      co_await next_far.write_all("fresh");
      EXPECT_EQ(co_await read_once(next_near), 5u);
      (void)co_await as_result(std::move(reading));
    }
  });
}

// ---- Connecting ---------------------------------------------------------------------------------

TEST_P(TcpStream, RefusedConnection_IsNamed) {
  run([]() -> task<> {
    tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
    const socket_address nobody = listener.local_address();
    listener.close();

    try {
      (void)co_await tcp_stream::connect(nobody);
      ADD_FAILURE();
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.what(), "connect " + nobody.to_string() + ": Connection refused");
    }
    const auto outcome = co_await as_result(tcp_stream::connect(nobody));
    EXPECT_EQ(outcome.error_code().value(), ECONNREFUSED);
  });
}

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

TEST_P(TcpStream, CancelledConnect_ClosesItsSocket) {
  run([]() -> task<> {
    const black_hole nowhere;
    const std::int64_t before = take_ledger().fds;
    auto connecting = spawn(tcp_stream::connect(nowhere.address()));
    co_await until_waiting(connecting);
    EXPECT_FALSE(connecting.done());

    connecting.cancel();
    const auto outcome = co_await as_result(std::move(connecting));

    EXPECT_TRUE(outcome.cancelled());
    EXPECT_EQ(take_ledger().fds, before);
  });
}

TEST_P(TcpStream, ConnectToAUnixPath_IsRefused) {
  run([]() -> task<> {
    const auto outcome = co_await as_result(tcp_stream::connect("unix:/nowhere"));
    EXPECT_EQ(outcome.error_code().value(), EAFNOSUPPORT);
  });
}

TEST_P(TcpStream, ConnectByName_FindsLocalhost) {
  run([]() -> task<> {
    tcp_listener listener = tcp_listener::bind("127.0.0.1:0");

    tcp_stream stream = co_await tcp_stream::connect("localhost", listener.local_address().port());

    EXPECT_EQ(stream.peer_address(), listener.local_address());
  });
}

TEST_P(TcpStream, Addresses_AreThoseOfTheSocket) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();

    EXPECT_EQ(near.local_address(), far.peer_address());
    EXPECT_EQ(near.peer_address(), far.local_address());
    EXPECT_EQ(near.local_address().host(), "127.0.0.1");
  });
}

TEST_P(TcpStream, Ipv6_WorksAsIpv4) {
  run([]() -> task<> {
    tcp_listener listener = tcp_listener::bind("[::1]:0");
    tcp_stream near = co_await tcp_stream::connect(listener.local_address());
    tcp_stream far = co_await listener.accept();

    co_await near.write_all("six");

    EXPECT_EQ(co_await read_once(far), 3u);
    EXPECT_EQ(far.peer_address(), near.local_address());
  });
}

// ---- Options and halves -------------------------------------------------------------------------

int option_of(const tcp_stream& stream, int level, int name) {
  return detail::sys::get_option(stream.native_handle(), level, name);
}

TEST_P(TcpStream, Nodelay_IsOnAtBothEnds) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();

    EXPECT_EQ(option_of(near, IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(option_of(far, IPPROTO_TCP, TCP_NODELAY), 1);
    near.set_nodelay(false);
    EXPECT_EQ(option_of(near, IPPROTO_TCP, TCP_NODELAY), 0);
  });
}

TEST_P(TcpStream, Keepalive_IsSetAndTakenBack) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();

    near.set_keepalive(60s);
    EXPECT_EQ(option_of(near, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(option_of(near, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    near.set_keepalive(0s);
    EXPECT_EQ(option_of(near, SOL_SOCKET, SO_KEEPALIVE), 0);
  });
}

std::set<int> open_descriptors() {
  std::set<int> open;
  for (int fd = 0; fd < 1024; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) open.insert(fd);
  }
  return open;
}

TEST_P(TcpStream, EveryDescriptor_IsClosedOnExecAndDoesNotBlock) {
  run([]() -> task<> {
    const std::set<int> before = open_descriptors();
    tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
    tcp_stream near = co_await tcp_stream::connect(listener.local_address());
    tcp_stream far = co_await listener.accept();

    int opened = 0;
    for (const int fd : open_descriptors()) {
      if (before.contains(fd)) continue;
      ++opened;
      EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
      EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    }
    EXPECT_EQ(opened, 3);
  });
}

TEST_P(TcpStream, Halves_KeepTheConnectionUntilBothAreGone) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    const std::int64_t before = take_ledger().fds;
    std::optional<tcp_stream::halves> halves(std::move(near).split());
    std::optional<tcp_stream::read_half> reader(std::move(halves->reader));
    std::optional<tcp_stream::write_half> writer(std::move(halves->writer));
    halves.reset();

    co_await writer->write_all("abc");
    writer.reset();
    EXPECT_EQ(co_await read_to_end(far), "abc");  // its end tells that nobody writes any more
    EXPECT_EQ(take_ledger().fds, before);
    co_await far.write_all("still there");
    std::string buffer(16, '\0');
    EXPECT_EQ(co_await reader->read_some(buffer), 11u);
    reader.reset();

    EXPECT_EQ(take_ledger().fds, before - 1);
  });
}

TEST_P(TcpStream, HalfGivenBack_FailsItsOperations) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    auto [reader, writer] = std::move(near).split();
    std::string buffer(1, '\0');

    writer.close();
    reader.close();

    const auto read = co_await as_result(reader.read_some(buffer));
    const auto write = co_await as_result(writer.write_all("x"));
    EXPECT_EQ(read.error_code().value(), EBADF);
    EXPECT_EQ(write.error_code().value(), EBADF);
  });
}

TEST_P(TcpStream, AwaitedTwice_Throws) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    auto writing = near.write_all("x");
    co_await writing;

    EXPECT_THROW(co_await writing, invalid_state_error);
  });
}

TEST_P(TcpStream, FastPeer_DoesNotStarveOthers) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    co_await far.write_all(std::string(100'000, 'x'));
    std::atomic<int> turns{0};
    auto other = spawn(
        [](std::atomic<int>& counted) -> task<> {
          for (;;) {
            ++counted;
            co_await yield();
          }
        },
        std::ref(turns));

    char one[1];
    for (int i = 0; i < 10'000; ++i) (void)co_await near.read_some(one);

    EXPECT_GT(turns, 10);
    other.cancel();
    (void)co_await as_result(std::move(other));
  });
}

// ---- Listening ----------------------------------------------------------------------------------

TEST_P(TcpListener, PortInUse_IsNamed) {
  run([]() -> task<> {
    const tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
    try {
      (void)tcp_listener::bind(listener.local_address());
      ADD_FAILURE();
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.what(),
                "bind " + listener.local_address().to_string() + ": Address already in use");
    }
    co_return;
  });
}

TEST_P(TcpListener, BothFamilies_ListenOnOnePort) {
  run([]() -> task<> {
    bool both = false;
    for (int i = 0; i < 20 && !both; ++i) {  // the port may be somebody else's in the other family
      const tcp_listener six = tcp_listener::bind("[::]:0");
      try {
        const tcp_listener four =
            tcp_listener::bind(socket_address("0.0.0.0:0").with_port(six.local_address().port()));
        both = true;
      } catch (const std::system_error& error) {
        EXPECT_EQ(error.code().value(), EADDRINUSE);
      }
    }
    EXPECT_TRUE(both);
    co_return;
  });
}

TEST_P(TcpListener, Port_CanBeSharedOnRequest) {
  run([]() -> task<> {
    const tcp_listener first = tcp_listener::bind("127.0.0.1:0", {.reuse_port = true});
    const tcp_listener second = tcp_listener::bind(first.local_address(), {.reuse_port = true});
    EXPECT_EQ(first.local_address(), second.local_address());
    co_return;
  });
}

TEST_P(TcpListener, CancelledAccept_LeavesTheConnectionInTheQueue) {
  run([]() -> task<> {
    tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
    auto accepting =
        spawn([](tcp_listener& on) -> task<> { (void)co_await on.accept(); }, std::ref(listener));
    co_await until_waiting(accepting);

    accepting.cancel();
    const auto outcome = co_await as_result(std::move(accepting));
    EXPECT_TRUE(outcome.cancelled());

    tcp_stream near = co_await tcp_stream::connect(listener.local_address());
    tcp_stream far = co_await listener.accept();
    EXPECT_EQ(far.peer_address(), near.local_address());
  });
}

TEST_P(TcpListener, AcceptThatRacesWithCancellation_LosesNoConnection) {
  run([]() -> task<> {
    tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
    constexpr int wanted = 200;
    auto connecting = spawn(
        [](socket_address to) -> task<> {
          for (int i = 0; i < wanted; ++i) {
            tcp_stream stream = co_await tcp_stream::connect(to);
            std::string buffer(1, '\0');
            EXPECT_EQ(co_await stream.read_some(buffer), 1u);
          }
        },
        listener.local_address());
    int accepted = 0;

    while (accepted < wanted) {
      auto accepting =
          spawn([](tcp_listener& on) -> task<tcp_stream> { co_return co_await on.accept(); },
                std::ref(listener));
      co_await yield();
      accepting.cancel();
      auto outcome = co_await as_result(std::move(accepting));
      if (outcome.cancelled()) continue;
      ++accepted;
      co_await outcome->write_all("x");
    }

    co_await connecting;
  });
}

TEST_P(TcpListener, LosingAccept_TakesNoConnection) {
  run([]() -> task<> {
    tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
    tcp_stream near = co_await tcp_stream::connect(listener.local_address());
    event other;
    other.set();

    const auto first = co_await select(other.wait(), listener.accept());
    EXPECT_EQ(first.index(), 0u);

    tcp_stream far = co_await listener.accept();
    EXPECT_EQ(far.peer_address(), near.local_address());
  });
}

TEST_P(TcpListener, FailedAccept_NamesTheListeningAddress) {
  run([]() -> task<> {
    tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
    const std::string at = listener.local_address().to_string();
    auto waiting = spawn([](tcp_listener& on) -> task<> { (void)co_await on.accept(); }(listener));
    co_await until_waiting(waiting);
    listener.close();

    for (int attempt = 0; attempt < 2; ++attempt) {  // under a waiting one, and afterwards
      try {
        if (attempt == 0) {
          co_await waiting;
        } else {
          (void)co_await listener.accept();
        }
        ADD_FAILURE();
      } catch (const std::system_error& error) {
        EXPECT_EQ(std::string(error.what()).rfind("accept " + at + " (", 0), 0u) << error.what();
      }
    }
  });
}

TEST_P(TcpListener, CloseUnderAWaitingAccept_FailsIt) {
  run([]() -> task<> {
    tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
    auto accepting =
        spawn([](tcp_listener& on) -> task<> { (void)co_await on.accept(); }, std::ref(listener));
    co_await until_waiting(accepting);

    listener.close();

    EXPECT_EQ((co_await error_of(std::move(accepting))).value(), ECANCELED);
    const auto later = co_await as_result(listener.accept());
    EXPECT_EQ(later.error_code().value(), EBADF);
  });
}

// ---- Several runtimes ---------------------------------------------------------------------------

/// Waits in vain, so that this runtime's poller knows the descriptor.
template <class A>
task<> wait_a_moment(A awaited) {
  auto waiting = spawn(std::move(awaited));
  co_await until_waiting(waiting);
  waiting.cancel();
  const auto ended = co_await as_result(std::move(waiting));
  EXPECT_TRUE(ended.cancelled());
}

TEST(TcpRuntimes, ListenerAndStreamOfAnEndedRuntime_GoOnInTheNext) {
  tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
  std::optional<stream_pair> ends;
  std::string received;

  run([&]() -> task<> {
    ends.emplace(co_await connected_pair());
    co_await wait_a_moment(listener.accept());
    co_await wait_a_moment(ends->near.readable());
  });
  EXPECT_EQ(take_ledger().registrations, 0);
  run([&]() -> task<> {
    auto accepting = spawn(listener.accept());
    co_await until_waiting(accepting);
    const auto connected = co_await tcp_stream::connect(listener.local_address());
    EXPECT_TRUE((co_await accepting).is_open());
    auto reading = spawn([](tcp_stream& from) { return read_to_end(from); }, std::ref(ends->near));
    co_await until_waiting(reading);
    co_await ends->far.write_all("later");
    ends->far.close();
    received = co_await reading;
  });

  EXPECT_EQ(received, "later");
}

TEST(TcpRuntimes, EndOfTheRuntimeThatPolls_LeavesWhoWaitsInAnother) {
  runtime waits({.workers = 2});
  std::optional<stream_pair> ends;
  std::optional<join_handle<std::string>> reading;
  {
    runtime polls({.workers = 1});
    polls.run([&]() -> task<> {
      ends.emplace(co_await connected_pair());
      co_await wait_a_moment(ends->near.readable());
    });
    waits.run([&]() -> task<> {
      reading = spawn([](tcp_stream& from) { return read_to_end(from); }, std::ref(ends->near));
      co_await until_waiting(*reading);
    });
  }

  waits.run([&]() -> task<> {
    co_await ends->far.write_all("later");
    ends->far.close();
    const std::string received = co_await *reading;
    EXPECT_EQ(received, "later");
  });
}

}  // namespace
}  // namespace weft
