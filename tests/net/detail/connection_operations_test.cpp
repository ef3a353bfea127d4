#include "socket_ends.h"
#include <weft/net/detail/connection_operations.h>
#include <weft/runtime/test_runtime.h>

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace weft::detail {
namespace {

using namespace testing;
using connecting = connect_operation<socket_stream>;
using accepting = accept_operation<socket_stream>;

class ConnectOperation : public on_loopback {};
class AcceptOperation : public on_loopback {};
INSTANTIATE_TEST_SUITE_P(Workers, ConnectOperation, one_and_two_workers(), workers_name);
INSTANTIATE_TEST_SUITE_P(Workers, AcceptOperation, one_and_two_workers(), workers_name);

/// A socket that listens at a free port, or at another address.
descriptor listening(const socket_address& at = "127.0.0.1:0", int backlog = 16) {
  descriptor socket = open_socket(at, SOCK_STREAM, "listen");
  bind_socket(socket, at);
  listen_socket(socket, at, backlog);
  return socket;
}

connecting connect_to(const socket_address& to) {
  return connecting(sys::socket(to.data()->sa_family, SOCK_STREAM), to);
}
task<socket_stream> connected(socket_address to) {
  co_return co_await connect_to(to);
}
task<socket_stream> accepted(descriptor& listener) {
  co_return co_await accepting(listener.source());
}

/// While it lives, the next `count` calls of accept fail.
class failing_accepts {
 public:
  failing_accepts(int error, int count) : interposed_(ask) {
    error_ = error;
    left_ = count;
    calls_ = 0;
  }
  [[nodiscard]] int calls() const { return calls_; }

 private:
  static int ask(sys::call which, int) noexcept {
    if (which != sys::call::accept) return 0;
    ++calls_;
    return left_-- > 0 ? error_.load() : 0;
  }
  static inline std::atomic<int> error_{0};
  static inline std::atomic<int> left_{0};
  static inline std::atomic<int> calls_{0};
  interposed_calls interposed_;
};

// ---- Connecting ---------------------------------------------------------------------------------

TEST_P(ConnectOperation, Success_GivesTheStreamWithItsPeer) {
  run([]() -> task<> {
    descriptor listener = listening();
    const socket_address at = local_address_of(listener);

    socket_stream near = co_await connected(at);
    socket_stream far = co_await accepted(listener);

    EXPECT_EQ(near.peer_address(), at);
    EXPECT_EQ(far.peer_address(), near.local_address());
  });
}

TEST_P(ConnectOperation, MissingSocket_IsReportedWhenItIsAwaited) {
  run([]() -> task<> {
    const socket_address to("127.0.0.1:1");
    connecting without(-EMFILE, to);

    EXPECT_EQ(co_await failure_of(std::move(without)), "connect 127.0.0.1:1: Too many open files");
    const auto outcome = co_await as_result(connecting(-EMFILE, to));
    EXPECT_EQ(outcome.error_code().value(), EMFILE);
  });
}

TEST_P(ConnectOperation, Failure_NamesTheAddressAndClosesTheSocket) {
  run([]() -> task<> {
    const std::int64_t before = take_ledger().fds;
    const interposed_calls failing([](sys::call which, int) noexcept {
      return which == sys::call::connect ? ENETUNREACH : 0;
    });

    EXPECT_EQ(co_await failure_of(connected("192.0.2.1:80")),
              "connect 192.0.2.1:80: Network is unreachable");

    EXPECT_EQ(take_ledger().fds, before);
  });
}

TEST_P(ConnectOperation, NeverAwaited_ClosesItsSocket) {
  run([]() -> task<> {
    const std::int64_t before = take_ledger().fds;
    {
      const connecting dropped = connect_to("127.0.0.1:1");
      (void)dropped;
      EXPECT_EQ(take_ledger().fds, before + 1);
    }
    EXPECT_EQ(take_ledger().fds, before);
    co_return;
  });
}

TEST_P(ConnectOperation, SocketThatMeetsItself_IsRefused) {
  run([]() -> task<> {
    const int fd = sys::socket(AF_INET, SOCK_STREAM);
    const socket_address any("127.0.0.1:0");
    EXPECT_EQ(sys::bind(fd, any.data(), any.size()), 0);
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    EXPECT_EQ(sys::local_name(fd, &name, &size), 0);
    const socket_address own(reinterpret_cast<const sockaddr*>(&name), size);

    const auto outcome = co_await as_result(connecting(fd, own));

    EXPECT_EQ(outcome.error_code().value(), ECONNREFUSED);
  });
}

TEST_P(ConnectOperation, FullBacklogOfAUnixSocket_IsWaitedFor) {
  run([]() -> task<> {
    const socket_address at("unix:@weft-connection-operations-" + std::to_string(::getpid()));
    descriptor listener = listening(at, 0);
    socket_stream first = co_await connected(at);  // fills the backlog
    auto second = spawn(connected(at));
    co_await until_waiting(second);
    EXPECT_FALSE(second.done());

    socket_stream first_far = co_await accepted(listener);

    socket_stream near = co_await second;
    socket_stream far = co_await accepted(listener);
    co_await far.write_all("here");
    far.close();
    EXPECT_EQ(co_await read_to_end(near), "here");
  });
}

TEST_P(ConnectOperation, CancelledWhileTheBacklogIsFull_ClosesItsSocket) {
  run([]() -> task<> {
    const socket_address at("unix:@weft-connection-operations-" + std::to_string(::getpid()));
    descriptor listener = listening(at, 0);
    socket_stream first = co_await connected(at);
    const ledger before = take_ledger();
    auto second = spawn(connected(at));
    co_await until_waiting(second);

    second.cancel();
    const auto outcome = co_await as_result(std::move(second));

    EXPECT_TRUE(outcome.cancelled());
    EXPECT_EQ(take_ledger().fds, before.fds);
    EXPECT_EQ(take_ledger().timers, before.timers);
  });
}

// ---- Accepting ----------------------------------------------------------------------------------

TEST_P(AcceptOperation, Queue_IsTakenInOrder) {
  run([]() -> task<> {
    descriptor listener = listening();
    std::vector<socket_stream> near;
    for (int i = 0; i < 3; ++i) near.push_back(co_await connected(local_address_of(listener)));

    for (const socket_stream& each : near) {
      const socket_stream far = co_await accepted(listener);
      EXPECT_EQ(far.peer_address(), each.local_address());
    }
    EXPECT_TRUE(listener.source()->is_ready(io_direction::read));  // there may be more
  });
}

TEST_P(AcceptOperation, AcceptedDescriptor_DoesNotBlockAndIsClosedOnExec) {
  run([]() -> task<> {
    descriptor listener = listening();
    socket_stream near = co_await connected(local_address_of(listener));
    socket_stream far = co_await accepted(listener);

    EXPECT_NE(::fcntl(far.native_handle(), F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_NE(::fcntl(far.native_handle(), F_GETFL) & O_NONBLOCK, 0);
  });
}

TEST_P(AcceptOperation, OwnErrors_AreExplained) {
  run([]() -> task<> {
    descriptor listener = listening();
    auto first = spawn(failure_of(accepted(listener)));
    co_await until_waiting(first);

    EXPECT_EQ(co_await failure_of(accepted(listener)),
              "accept (another task accepts here): Device or resource busy");
    listener.close();
    EXPECT_EQ(co_await first, "accept (the listener was closed): Operation canceled");
    EXPECT_EQ(co_await failure_of(accepted(listener)),
              "accept (the listener is closed): Bad file descriptor");
  });
}

TEST_P(AcceptOperation, OtherErrors_AreThrownAndTheQueueIsStillSeen) {
  run([]() -> task<> {
    descriptor listener = listening();
    socket_stream near = co_await connected(local_address_of(listener));
    {
      const failing_accepts failing(EINVAL, 1);
      EXPECT_EQ(co_await failure_of(accepted(listener)), "accept: Invalid argument");
    }

    const socket_stream far = co_await wait_for(accepted(listener), 10s);

    EXPECT_EQ(far.peer_address(), near.local_address());
  });
}

TEST_P(AcceptOperation, ConnectionsThatEndedBefore_AreSkipped) {
  run([]() -> task<> {
    for (const int error : {ECONNABORTED, EPROTO, EHOSTUNREACH, EPERM, ETIMEDOUT}) {
      descriptor listener = listening();
      socket_stream near = co_await connected(local_address_of(listener));
      const failing_accepts failing(error, 3);

      const socket_stream far = co_await accepted(listener);

      EXPECT_EQ(far.peer_address(), near.local_address());
      EXPECT_EQ(failing.calls(), 4);
    }
  });
}

// ---- Time ---------------------------------------------------------------------------------------

/// Virtual time that passes while one connection is accepted, after `count` failures.
clock::duration time_to_accept(int error, int count) {
  test_runtime rt;
  rt.run([error, count]() -> task<> {
    descriptor listener = listening();
    socket_stream near = co_await connected(local_address_of(listener));
    const failing_accepts failing(error, count);
    const socket_stream far = co_await accepted(listener);
    EXPECT_EQ(far.peer_address(), near.local_address());
    EXPECT_EQ(failing.calls(), count + 1);
  });
  return rt.clock().elapsed();
}

TEST(AcceptInVirtualTime, Exhaustion_IsWaitedForTwiceAsLongEachTime) {
  EXPECT_EQ(time_to_accept(EMFILE, 1), 10ms);
  EXPECT_EQ(time_to_accept(ENFILE, 2), 10ms + 20ms);
  EXPECT_EQ(time_to_accept(ENOBUFS, 3), 10ms + 20ms + 40ms);
  EXPECT_EQ(time_to_accept(ENOMEM, 7), 10ms + 20ms + 40ms + 80ms + 160ms + 320ms + 640ms);
}

TEST(AcceptInVirtualTime, Exhaustion_IsLookedAtOnceASecondAtLeast) {
  EXPECT_EQ(time_to_accept(EMFILE, 10), 1270ms + 3 * 1000ms);
}

TEST(AcceptInVirtualTime, ConnectionsThatEndedBefore_AreWaitedForWhenTheyAreMany) {
  EXPECT_EQ(time_to_accept(ECONNABORTED, 63), 0ms);
  EXPECT_EQ(time_to_accept(ECONNABORTED, 64), 10ms);
}

TEST_P(AcceptOperation, CancelledWhileDescriptorsHaveRunOut_LeavesTheConnectionToTheNext) {
  run([]() -> task<> {
    descriptor listener = listening();
    socket_stream near = co_await connected(local_address_of(listener));
    {
      const failing_accepts failing(EMFILE, 1'000'000);
      auto waiting = spawn(accepted(listener));
      co_await until([&] { return failing.calls() > 0; });
      co_await until_waiting(waiting);
      waiting.cancel();
      const auto outcome = co_await as_result(std::move(waiting));
      EXPECT_TRUE(outcome.cancelled());
      EXPECT_EQ(take_ledger().timers, 0);
    }

    const socket_stream far = co_await wait_for(accepted(listener), 10s);

    EXPECT_EQ(far.peer_address(), near.local_address());
  });
}

// ---- Sockets ------------------------------------------------------------------------------------

TEST(OpenSocket, Failure_NamesTheOperationAndTheAddress) {
  const interposed_calls failing(
      [](sys::call which, int) noexcept { return which == sys::call::socket ? EMFILE : 0; });
  try {
    (void)open_socket("127.0.0.1:80", SOCK_STREAM, "bind");
    ADD_FAILURE();
  } catch (const std::system_error& error) {
    EXPECT_STREQ(error.what(), "bind 127.0.0.1:80: Too many open files");
  }
}

TEST(OpenSocket, Family_IsThatOfTheAddress) {
  for (const char* const at : {"127.0.0.1:0", "[::1]:0", "unix:@name"}) {
    const socket_address address(at);
    const descriptor socket = open_socket(address, SOCK_STREAM, "bind");
    EXPECT_EQ(sys::get_option(socket.fd(), SOL_SOCKET, SO_DOMAIN), address.data()->sa_family);
  }
}

TEST(BindSocket, AddressInUse_IsNamed) {
  const descriptor first = listening();
  const socket_address taken = local_address_of(first);
  const descriptor second = open_socket(taken, SOCK_STREAM, "bind");
  try {
    bind_socket(second, taken);
    ADD_FAILURE();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.what(), "bind " + taken.to_string() + ": Address already in use");
  }
}

TEST(ListenSocket, Failure_IsNamed) {
  const descriptor datagrams = open_socket("127.0.0.1:0", SOCK_DGRAM, "bind");
  try {
    listen_socket(datagrams, "127.0.0.1:0", 1);
    ADD_FAILURE();
  } catch (const std::system_error& error) {
    EXPECT_STREQ(error.what(), "listen 127.0.0.1:0: Operation not supported");
  }
}

TEST(SetOption, Failure_IsNamed) {
  const descriptor socket = open_socket("127.0.0.1:0", SOCK_STREAM, "bind");
  set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
  EXPECT_EQ(sys::get_option(socket.fd(), SOL_SOCKET, SO_REUSEADDR), 1);
  try {
    set_option(socket, SOL_SOCKET, -1, 1, "no such option");
    ADD_FAILURE();
  } catch (const std::system_error& error) {
    EXPECT_STREQ(error.what(), "no such option: Protocol not available");
  }
}

}  // namespace
}  // namespace weft::detail
