#include "cancellation_matrix.h"

#include "loopback.h"
#include "named_pipe.h"
#include <weft/net/address.h>
#include <weft/net/buffered.h>
#include <weft/net/detail/connection_operations.h>
#include <weft/net/detail/descriptor.h>
#include <weft/net/detail/message_operations.h>
#include <weft/net/detail/socket_stream.h>
#include <weft/net/pipe.h>
#include <weft/net/process.h>
#include <weft/net/resolve.h>
#include <weft/net/sendfile.h>
#include <weft/net/server.h>
#include <weft/net/tcp.h>
#include <weft/net/udp.h>
#include <weft/net/unix.h>
#include <weft/runtime/detail/sys.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/signal_set.h>
#include <weft/runtime/spawn.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <concepts>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

/// The kernel completes these: complete() makes a system call, and the reactor has to see it.
constexpr case_traits by_the_kernel{.completed_in_one_step = false, .rounds = 80};
/// Tasks and threads are at work for these.
constexpr case_traits by_others{
    .completed_in_one_step = false, .has_virtual_time = false, .rounds = 60};
constexpr case_traits by_processes{
    .completed_in_one_step = false, .has_virtual_time = false, .rounds = 32};

/// Sends as the peer does, on any thread.
void send_raw(const tcp_stream& from, std::string_view bytes) {
  EXPECT_EQ(::send(from.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
}

/// Two connected streams; what the far one sends is read by the attempt, or afterwards.
struct reading {
  static constexpr case_traits traits = by_the_kernel;
  std::optional<stream_pair> ends;
  std::string got;

  task<> set_up() { ends.emplace(co_await connected_pair()); }
  void complete() { send_raw(ends->far, "a whole line\n"); }
  /// Nothing is lost and nothing comes twice.
  task<> check(bool completed) {
    if (!completed) EXPECT_EQ(got, "");
    ends->far.shutdown_write();
    const std::string rest = co_await read_to_end(ends->near);
    EXPECT_EQ(got + rest, "a whole line\n");
  }
};

struct tcp_read_some : reading {
  task<> attempt(auto how) {
    std::array<char, 4> buffer{};
    const std::size_t count = co_await how(ends->near.read_some(buffer));
    got.assign(buffer.data(), count);
  }
};

struct tcp_readable : reading {
  task<> attempt(auto how) { co_await how(ends->near.readable()); }
};

struct tcp_read_half : reading {
  std::optional<tcp_stream::halves> halves;

  task<> set_up() {
    co_await reading::set_up();
    halves.emplace(std::move(ends->near).split());
  }
  task<> attempt(auto how) {
    std::array<char, 4> buffer{};
    const std::size_t count = co_await how(halves->reader.read_some(buffer));
    got.assign(buffer.data(), count);
  }
  task<> check(bool completed) {
    if (!completed) EXPECT_EQ(got, "");
    ends->far.shutdown_write();
    const std::string rest = co_await read_to_end(halves->reader);
    EXPECT_EQ(got + rest, "a whole line\n");
  }
};

// ---- Writing ------------------------------------------------------------------------------------

/// A full stream stays full until somebody reads: unlike TCP's, the buffers of a local pair do not
/// move on by themselves.
stream_pair full_pair_from(std::string_view all, std::size_t& accepted) {
  int fds[2];
  EXPECT_EQ(detail::sys::socket_pair(SOCK_STREAM, fds), 0);
  const auto stream_of = [](int fd) {
    return tcp_stream(detail::socket_stream(detail::descriptor(fd, false), detail::peer_name()));
  };
  stream_pair ends{stream_of(fds[0]), stream_of(fds[1])};
  set_send_buffer(ends.near, 1);  // the least there is
  while (const auto taken = ends.near.try_write_some(all.substr(accepted, 4096)))
    accepted += *taken;
  return ends;
}

const std::string& bytes_to_write() {
  static const std::string all = pattern(std::size_t{1} << 19);
  return all;
}

/// The near stream takes nothing more, until the far one reads. What has arrived in the end is what
/// was accepted: no byte more, none less, none in another place.
struct writing {
  static constexpr case_traits traits = by_others;
  const std::string& all = bytes_to_write();
  std::size_t accepted = 0;  // of `all`, so far
  std::optional<stream_pair> ends;
  runtime* where = nullptr;
  join_handle<std::string> reader;

  task<> set_up() {
    where = &runtime::current();
    ends.emplace(full_pair_from(all, accepted));
    co_return;
  }
  [[nodiscard]] std::string_view next(std::size_t count) const {
    return std::string_view(all).substr(accepted, count);
  }
  void complete() { reader = where->spawn(read_to_end(ends->far)); }
  task<std::string> arrived() {
    ends->near.shutdown_write();
    co_return co_await reader;
  }
  task<> check(bool) {
    const std::string received = co_await arrived();
    EXPECT_TRUE(received == all.substr(0, accepted)) << received.size() << " of " << accepted;
  }
};

struct stream_writable : writing {
  task<> attempt(auto how) { co_await how(ends->near.writable()); }
};

struct stream_write_some : writing {
  task<> attempt(auto how) { accepted += co_await how(ends->near.write_some(next(65536))); }
};

/// A part may have been sent; it is the beginning.
struct writing_all : writing {
  static constexpr std::size_t count = 30'000;
  task<> check(bool completed) {
    const std::string received = co_await arrived();
    if (completed) EXPECT_EQ(received.size(), accepted + count);
    EXPECT_GE(received.size(), accepted);
    EXPECT_LE(received.size(), accepted + count);
    EXPECT_TRUE(received == all.substr(0, received.size()));
  }
};

struct stream_write_all : writing_all {
  task<> attempt(auto how) { co_await how(ends->near.write_all(next(count))); }
};

struct stream_write_parts : writing_all {
  task<> attempt(auto how) {
    const std::array<byte_view, 2> parts{next(10'000), next(count).substr(10'000)};
    co_await how(ends->near.write_all(parts));
  }
};

/// A file that holds what there is to write, for all rounds.
int file_to_send() {
  static const int file = [] {
    const int fd = ::memfd_create("bytes to write", MFD_CLOEXEC);
    const std::string& all = bytes_to_write();
    EXPECT_EQ(::write(fd, all.data(), all.size()), static_cast<ssize_t>(all.size()));
    return fd;
  }();
  return file;
}

/// The operation says how much has gone, however it ends.
struct stream_sendfile : writing_all {
  std::optional<std::uint64_t> sent;  // where it is awaited as it is

  task<> attempt(auto how) {
    auto sending = sendfile(ends->near, file_to_send(), accepted, count);
    try {
      // As it is it stays where it is; with a limit it is moved from.
      static_cast<void>(co_await how(static_cast<send_file_operation&&>(sending)));
    } catch (...) {  // looked at by the matrix
      if constexpr (std::same_as<decltype(how), bare>) sent = sending.sent();
      throw;
    }
    if constexpr (std::same_as<decltype(how), bare>) sent = sending.sent();
  }
  task<> check(bool completed) {
    const std::string received = co_await arrived();
    if (completed) EXPECT_EQ(received.size(), accepted + count);
    if (sent) EXPECT_EQ(received.size(), accepted + *sent);
    EXPECT_GE(received.size(), accepted);
    EXPECT_TRUE(received == all.substr(0, received.size()));
  }
};

// ---- Connections --------------------------------------------------------------------------------

/// A connection that was not accepted is the next one.
struct tcp_accept {
  static constexpr case_traits traits = by_the_kernel;
  tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
  std::optional<tcp_stream> got;
  int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  task<> attempt(auto how) { got.emplace(co_await how(listener.accept())); }
  void complete() {
    const socket_address at = listener.local_address();
    EXPECT_EQ(::connect(client, at.data(), at.size()), 0);
  }
  task<> check(bool completed) {
    EXPECT_EQ(got.has_value(), completed);
    if (!completed) got.emplace(co_await listener.accept());
    ::shutdown(client, SHUT_WR);
    const std::string nothing = co_await read_to_end(*got);
    EXPECT_EQ(nothing, "");
    ::close(client);
    got.reset();
    listener.close();
  }
};

/// Over before anybody can tell: connected, or given up, and no descriptor is left.
struct tcp_connect {
  static constexpr case_traits traits{.waits = false, .has_virtual_time = false, .rounds = 80};
  tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
  std::optional<tcp_stream> got;

  task<> attempt(auto how) {
    got.emplace(co_await how(tcp_stream::connect(listener.local_address())));
  }
  task<> check(bool completed) {
    EXPECT_EQ(got.has_value(), completed);
    if (completed) {
      const tcp_stream accepted = co_await listener.accept();
      EXPECT_EQ(accepted.peer_address(), got->local_address());
    }
    got.reset();
    listener.close();
  }
};

/// A listener whose queue is full until somebody accepts. A Unix one: what is connected to TCP's
/// waits for a second at least. Both go the same way through the library.
struct connect_to_a_full_queue {
  static constexpr case_traits traits{
      .completed_in_one_step = false, .has_virtual_time = false, .rounds = 24};
  int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int before = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);  // fills the queue
  socket_address at = listen_with_room_for_one(listener);
  std::optional<tcp_stream> got;

  static socket_address listen_with_room_for_one(int fd) {
    sockaddr_storage name{};
    name.ss_family = AF_UNIX;
    auto* const generic = reinterpret_cast<sockaddr*>(&name);
    EXPECT_EQ(::bind(fd, generic, sizeof(sa_family_t)), 0);  // the kernel finds a name
    EXPECT_EQ(::listen(fd, 0), 0);
    socklen_t size = sizeof name;
    EXPECT_EQ(::getsockname(fd, generic, &size), 0);
    return {generic, size};
  }
  task<> set_up() {
    EXPECT_EQ(::connect(before, at.data(), at.size()), 0);
    co_return;
  }
  task<> attempt(auto how) {
    const int fd = detail::sys::socket(AF_UNIX, SOCK_STREAM);
    got.emplace(co_await how(detail::connect_operation<tcp_stream>(fd, at)));
  }
  void complete() {
    const int accepted = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    EXPECT_GE(accepted, 0);
    ::close(accepted);
  }
  void check(bool completed) {
    EXPECT_EQ(got.has_value(), completed);
    // A connection that was given up does not stay in the queue.
    const int next = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    EXPECT_EQ(next >= 0, completed);
    got.reset();
    for (const int fd : {next, before, listener}) {
      if (fd >= 0) ::close(fd);
    }
  }
};

struct tcp_connect_by_name {
  static constexpr case_traits traits{.waits = false, .has_virtual_time = false, .rounds = 40};
  tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
  std::optional<tcp_stream> got;

  task<> attempt(auto how) {
    const std::uint16_t port = listener.local_address().port();
    got.emplace(co_await how(tcp_stream::connect("localhost", port)));
  }
  void check(bool completed) {
    EXPECT_EQ(got.has_value(), completed);
    got.reset();
    listener.close();
  }
};

struct open_buffered_connection {
  static constexpr case_traits traits{.waits = false, .has_virtual_time = false, .rounds = 40};
  tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
  std::optional<connection> got;

  task<> attempt(auto how) { got.emplace(co_await how(open_connection(listener.local_address()))); }
  void check(bool completed) {
    EXPECT_EQ(got.has_value(), completed);
    got.reset();
    listener.close();
  }
};

struct resolve_name {
  static constexpr case_traits traits{.waits = false, .has_virtual_time = false, .rounds = 40};
  std::vector<socket_address> got;

  task<> attempt(auto how) { got = co_await how(resolve("localhost", "80")); }
  void check(bool completed) { EXPECT_EQ(!got.empty(), completed); }
};

// ---- Datagrams ----------------------------------------------------------------------------------

/// What the attempt has not received is received afterwards.
struct udp_receiving {
  static constexpr case_traits traits = by_the_kernel;
  udp_socket far = udp_socket::bind("127.0.0.1:0");
  udp_socket near = udp_socket::bind("127.0.0.1:0");
  std::string got;
  std::array<char, 64> buffer{};

  void complete() {
    const socket_address at = near.local_address();
    EXPECT_EQ(::sendto(far.native_handle(), "datagram", 8, MSG_NOSIGNAL, at.data(), at.size()), 8);
  }
  task<> check(bool completed) {
    EXPECT_EQ(got.empty(), !completed);
    if (!completed) {
      const datagram next = co_await near.recv_from(buffer);
      got.assign(buffer.data(), next.size);
    }
    EXPECT_EQ(got, "datagram");
    near.close();
    far.close();
  }
};

struct udp_recv_from : udp_receiving {
  task<> attempt(auto how) {
    const datagram next = co_await how(near.recv_from(buffer));
    got.assign(buffer.data(), next.size);
  }
};

struct udp_recv_many : udp_receiving {
  task<> attempt(auto how) {
    std::array<incoming_datagram, 2> slots{incoming_datagram{buffer}, incoming_datagram{buffer}};
    const std::size_t count = co_await how(near.recv_many(slots));
    EXPECT_EQ(count, 1u);
    got.assign(buffer.data(), slots[0].size);
  }
};

/// A receiver whose queue is full. Of a local pair: UDP's drops what has no room, so a sender waits
/// for the network only.
struct datagram_sending {
  static constexpr case_traits traits = by_the_kernel;
  detail::descriptor near, far;
  std::size_t queued = 0;
  std::size_t taken = 0;

  task<> set_up() {
    int fds[2];
    EXPECT_EQ(detail::sys::socket_pair(SOCK_DGRAM, fds), 0);
    near = detail::descriptor(fds[0], false);
    far = detail::descriptor(fds[1], false);
    while (::send(near.fd(), "before", 6, MSG_NOSIGNAL) == 6) ++queued;
    co_return;
  }
  /// All that was queued, and no more.
  void complete() {
    std::array<char, 64> buffer{};
    for (; queued > 0; --queued) {
      EXPECT_EQ(::recv(far.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT), 6);
    }
  }
  void check(bool completed) {
    std::array<char, 64> buffer{};
    std::size_t arrived = 0;
    while (::recv(far.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT) == 5) ++arrived;
    EXPECT_EQ(taken > 0, completed);
    EXPECT_EQ(arrived, taken);
    near.close();
    far.close();
  }
};

struct datagram_send_to : datagram_sending {
  task<> attempt(auto how) {
    co_await how(detail::send_to_operation(near.source(), "after", socket_address()));
    taken = 1;
  }
};

struct datagram_send_many : datagram_sending {
  task<> attempt(auto how) {
    const std::array<outgoing_datagram, 2> both{outgoing_datagram{"after"},
                                                outgoing_datagram{"after"}};
    taken = co_await how(detail::send_many_operation(near.source(), both));
  }
};

/// A receiver whose queue is full, known by its name. A timer looks for room.
struct local_datagram_send_to {
  static constexpr case_traits traits = by_others;
  std::string name = next_name();
  int receiver = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  std::optional<unix_datagram> near;
  std::size_t queued = 0;
  bool sent = false;

  static std::string next_name() {
    static int count = 0;
    return "@weft-matrix-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
  }
  task<> set_up() {
    const socket_address at = socket_address::from_path(name);
    EXPECT_EQ(::bind(receiver, at.data(), at.size()), 0);
    while (fill(at) > 0) {
    }
    near.emplace(unix_datagram::unbound());
    co_return;
  }
  /// Each sender has a bound of its own as well.
  std::size_t fill(const socket_address& at) {
    const int sender = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    std::size_t count = 0;
    while (::sendto(sender, "before", 6, MSG_NOSIGNAL, at.data(), at.size()) == 6) ++count;
    ::close(sender);
    queued += count;
    return count;
  }
  task<> attempt(auto how) {
    co_await how(near->send_to("after", name));
    sent = true;
  }
  void complete() {
    std::array<char, 64> buffer{};
    for (; queued > 0; --queued)
      EXPECT_EQ(::recv(receiver, buffer.data(), buffer.size(), MSG_DONTWAIT), 6);
  }
  void check(bool completed) {
    std::array<char, 64> buffer{};
    EXPECT_EQ(sent, completed);
    const ssize_t arrived = ::recv(receiver, buffer.data(), buffer.size(), MSG_DONTWAIT);
    EXPECT_EQ(arrived, completed ? 5 : -1);
    near.reset();
    ::close(receiver);
  }
};

// ---- Descriptors --------------------------------------------------------------------------------

/// Two ends of a local connection, and a descriptor that goes over it with a byte.
struct passing_descriptors {
  static constexpr case_traits traits = by_the_kernel;
  static constexpr std::array<int, 1> passed{STDERR_FILENO};
  std::optional<unix_stream_pair> ends;

  task<> set_up() {
    ends.emplace(unix_stream::pair());
    co_return;
  }
};

/// The byte goes with its descriptor, or none of them.
struct send_descriptors : passing_descriptors {
  std::size_t queued = 0, taken = 0;

  task<> set_up() {
    co_await passing_descriptors::set_up();
    const int near = ends->first.native_handle();
    (void)detail::sys::set_option(near, SOL_SOCKET, SO_SNDBUF, 1);  // the least there is
    const std::string_view all = bytes_to_write();
    while (const auto count = ends->first.try_write_some(all.substr(queued, 4096)))
      queued += *count;
  }
  task<> attempt(auto how) { taken = co_await how(ends->first.send_descriptors("x", passed)); }
  /// All that was queued, and no more.
  void complete() {
    std::array<char, 4096> buffer{};
    while (queued > 0) {
      const ssize_t count = ::recv(ends->second.native_handle(), buffer.data(),
                                   std::min(queued, buffer.size()), MSG_DONTWAIT);
      EXPECT_GT(count, 0);
      if (count <= 0) return;
      queued -= static_cast<std::size_t>(count);
    }
  }
  task<> check(bool completed) {
    EXPECT_EQ(taken, completed ? 1U : 0U);
    ends->first.close();
    std::array<file_descriptor, 2> received;
    std::array<char, 64> buffer{};
    const std::size_t count = co_await ends->second.receive_descriptors(buffer, received);
    EXPECT_EQ(count, taken);
    EXPECT_EQ(static_cast<bool>(received[0]), completed);
    EXPECT_FALSE(received[1]);
    ends.reset();
  }
};

/// What was not received is what comes next.
struct receive_descriptors : passing_descriptors {
  std::array<file_descriptor, 2> received;
  std::array<char, 64> buffer{};
  std::size_t got = 0;

  task<> attempt(auto how) {
    got = co_await how(ends->first.receive_descriptors(buffer, received));
  }
  void complete() {
    iovec byte{.iov_base = const_cast<char*>("x"), .iov_len = 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &byte;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), passed.data(), sizeof(int));
    EXPECT_EQ(::sendmsg(ends->second.native_handle(), &message, MSG_NOSIGNAL), 1);
  }
  task<> check(bool completed) {
    EXPECT_EQ(got, completed ? 1U : 0U);
    EXPECT_EQ(static_cast<bool>(received[0]), completed);
    if (!completed) got = co_await ends->first.receive_descriptors(buffer, received);
    EXPECT_EQ(got, 1U);
    EXPECT_TRUE(received[0]);
    received = {};
    ends.reset();
  }
};

// ---- Pipes --------------------------------------------------------------------------------------

struct pipe_read_some {
  static constexpr case_traits traits = by_the_kernel;
  std::optional<pipe_ends> ends;
  std::string got;

  task<> set_up() {
    ends.emplace(pipe());
    co_return;
  }
  task<> attempt(auto how) {
    std::array<char, 2> buffer{};
    const std::size_t count = co_await how(ends->reader.read_some(buffer));
    got.assign(buffer.data(), count);
  }
  void complete() { EXPECT_EQ(::write(ends->writer.native_handle(), "abc", 3), 3); }
  task<> check(bool completed) {
    if (!completed) EXPECT_EQ(got, "");
    ends->writer.close();
    const std::string rest = co_await read_to_end(ends->reader);
    EXPECT_EQ(got + rest, "abc");
    ends.reset();
  }
};

/// A full pipe, which somebody else empties.
struct pipe_writing {
  static constexpr case_traits traits = by_the_kernel;
  std::optional<pipe_ends> ends;
  const std::string& all = bytes_to_write();
  std::string received;
  std::size_t accepted = 0;

  task<> set_up() {
    ends.emplace(pipe());
    for (ssize_t taken = 1; taken > 0;) {
      taken = ::write(ends->writer.native_handle(), all.data() + accepted, 4096);
      if (taken > 0) accepted += static_cast<std::size_t>(taken);
    }
    co_return;
  }
  void complete() {
    std::string buffer(65536, '\0');
    for (std::size_t left = accepted; left > 0;) {
      const ssize_t count = ::read(ends->reader.native_handle(), buffer.data(), left);
      EXPECT_GT(count, 0);
      if (count <= 0) return;
      received.append(buffer, 0, static_cast<std::size_t>(count));
      left -= static_cast<std::size_t>(count);
    }
  }
  task<std::string> arrived() {
    ends->writer.close();
    received += co_await read_to_end(ends->reader);
    ends.reset();
    co_return received;
  }
};

struct pipe_write_some : pipe_writing {
  std::size_t taken = 0;

  task<> attempt(auto how) {
    taken = co_await how(ends->writer.write_some(std::string_view(all).substr(accepted, 1000)));
  }
  task<> check(bool completed) {
    EXPECT_EQ(taken > 0, completed);
    const std::string in_all = co_await arrived();
    EXPECT_TRUE(in_all == all.substr(0, accepted + taken));
  }
};

struct pipe_write_all : pipe_writing {
  static constexpr std::size_t count = 50'000;

  task<> attempt(auto how) {
    co_await how(ends->writer.write_all(std::string_view(all).substr(accepted, count)));
  }
  task<> check(bool completed) {
    const std::string in_all = co_await arrived();
    if (completed) EXPECT_EQ(in_all.size(), accepted + count);
    EXPECT_GE(in_all.size(), accepted);
    EXPECT_TRUE(in_all == all.substr(0, in_all.size()));
  }
};

// ---- Buffers ------------------------------------------------------------------------------------

/// A part has arrived before, and is kept whatever happens.
struct buffered_reading {
  static constexpr case_traits traits = by_the_kernel;
  std::optional<stream_pair> ends;
  std::optional<buffered_reader<tcp_stream>> reader;
  std::string got;

  task<> set_up() {
    ends.emplace(co_await connected_pair());
    reader.emplace(std::move(ends->near));
    send_raw(ends->far, "0123");
    co_await reader->stream().readable();
  }
  void complete() { send_raw(ends->far, "4567\r\nmore"); }
  task<> check(bool completed) {
    EXPECT_EQ(got.empty(), !completed);
    ends->far.shutdown_write();
    const std::string rest = co_await reader->read_all();
    EXPECT_EQ(got + rest, "01234567\r\nmore");
    reader.reset();
  }
};

struct buffered_read_line : buffered_reading {
  task<> attempt(auto how) {
    const std::optional<std::string> line = co_await how(reader->read_line());
    got = *line + "\r\n";
  }
};
struct buffered_read_until : buffered_reading {
  task<> attempt(auto how) { got = co_await how(reader->read_until("67\r")); }
};
struct buffered_read_until_one_of : buffered_reading {
  static constexpr std::array<std::string_view, 2> separators{"67\r\n", "67\r"};
  task<> attempt(auto how) { got = co_await how(reader->read_until(separators)); }
};
struct buffered_read_exactly : buffered_reading {
  task<> attempt(auto how) { got = co_await how(reader->read_exactly(6)); }
};

/// Nothing has arrived yet.
struct buffered_read : buffered_reading {
  task<> set_up() {
    ends.emplace(co_await connected_pair());
    reader.emplace(std::move(ends->near));
  }
  void complete() { send_raw(ends->far, "01234567\r\nmore"); }
  task<> attempt(auto how) { got = co_await how(reader->read(3)); }
};
struct buffered_read_some : buffered_read {
  task<> attempt(auto how) {
    std::array<char, 3> buffer{};
    const std::size_t count = co_await how(reader->read_some(buffer));
    got.assign(buffer.data(), count);
  }
};
struct buffered_read_all : buffered_reading {
  void complete() {
    send_raw(ends->far, "4567\r\nmore");
    ::shutdown(ends->far.native_handle(), SHUT_WR);
  }
  task<> attempt(auto how) { got = co_await how(reader->read_all()); }
};
struct buffered_next_line : buffered_reading {
  std::optional<async_generator<std::string>> lines;

  task<> attempt(auto how) {
    lines.emplace(reader->lines());
    const std::optional<std::string> line = co_await how(lines->next());
    got = *line + "\r\n";
  }
  task<> check(bool completed) {
    lines.reset();
    return buffered_reading::check(completed);
  }
};

/// What was written is sent, whoever waits for that.
struct buffered_writing {
  static constexpr case_traits traits = by_others;
  writing wire;
  std::optional<buffered_writer<tcp_stream>> writer;
  std::size_t written = 0;  // behind what the wire has accepted before

  task<> set_up() {
    co_await wire.set_up();
    writer.emplace(std::move(wire.ends->near));
    put(200'000);
  }
  void put(std::size_t count) {
    writer->write(wire.next(written + count).substr(written));
    written += count;
  }
  void complete() { wire.complete(); }
  task<std::string> arrived() {
    co_await writer->close();
    const std::string received = co_await wire.reader;
    writer.reset();
    co_return received;
  }
  task<> check(bool) {
    const std::string received = co_await arrived();
    EXPECT_TRUE(received == wire.all.substr(0, wire.accepted + written)) << received.size();
  }
};

struct buffered_drain : buffered_writing {
  task<> attempt(auto how) { co_await how(writer->drain()); }
};
struct buffered_flush : buffered_writing {
  task<> attempt(auto how) { co_await how(writer->flush()); }
};
struct buffered_write_some : buffered_writing {
  std::size_t taken = 0;

  task<> attempt(auto how) {
    const std::string_view more = wire.next(written + 1000).substr(written);
    taken = co_await how(writer->write_some(more));
    written += taken;
  }
};
/// A part may have gone.
struct buffered_write_all : buffered_writing {
  static constexpr std::size_t count = 100'000;

  task<> attempt(auto how) {
    const std::string_view more = wire.next(written + count).substr(written);
    co_await how(writer->write_all(more));
  }
  task<> check(bool completed) {
    const std::size_t before = wire.accepted + written;
    const std::string received = co_await arrived();
    if (completed) EXPECT_EQ(received.size(), before + count);
    EXPECT_GE(received.size(), before);
    EXPECT_TRUE(received == wire.all.substr(0, received.size()));
  }
};
/// A writer whose end was cancelled may go on.
struct buffered_write_eof : buffered_writing {
  task<> attempt(auto how) { co_await how(writer->write_eof()); }
  task<> check(bool completed) {
    if (!completed) put(1000);
    return buffered_writing::check(completed);
  }
};
/// A writer whose close was cancelled is open, with what is unsent.
struct buffered_close : buffered_writing {
  task<> attempt(auto how) { co_await how(writer->close()); }
  task<> check(bool completed) {
    EXPECT_EQ(writer->stream().is_open(), !completed);
    return buffered_writing::check(completed);
  }
};

// ---- Servers ------------------------------------------------------------------------------------

/// A handler that waits for its client.
struct serving {
  static constexpr case_traits traits = by_others;
  std::optional<server> served;
  std::atomic<int> begun{0}, ended{0};
  int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  task<> set_up() {
    const auto handler = [this](tcp_stream stream) -> task<> {
      ++begun;
      const std::string nothing = co_await read_to_end(stream);
      EXPECT_EQ(nothing, "");
      ++ended;
    };
    served.emplace(start_server(handler, "127.0.0.1:0"));
    const socket_address at = served->local_address();
    EXPECT_EQ(::connect(client, at.data(), at.size()), 0);
    while (begun == 0) co_await yield();
  }
  void complete() { ::shutdown(client, SHUT_WR); }
  task<> check(bool completed) {
    if (completed) EXPECT_EQ(ended, 1);
    co_await served->close(1h);
    EXPECT_EQ(ended, 1);
    served.reset();
    ::close(client);
  }
};

struct server_close : serving {
  task<> attempt(auto how) { co_await how(served->close(1h)); }
};
struct server_closed_meanwhile : serving {
  runtime* where = nullptr;
  join_handle<> closing;

  task<> set_up() {
    where = &runtime::current();
    return serving::set_up();
  }
  void complete() {
    serving::complete();
    closing = where->spawn(served->close(1h));
  }
  task<> check(bool completed) {
    co_await closing;
    co_await serving::check(completed);
  }
};

struct server_wait_closed : server_closed_meanwhile {
  task<> attempt(auto how) { co_await how(served->wait_closed()); }
};
struct server_serve_forever : server_closed_meanwhile {
  task<> attempt(auto how) { co_await how(served->serve_forever()); }
};

// ---- Signals and processes ----------------------------------------------------------------------

/// A signal that was not given is the next one.
struct signal_set_wait {
  static constexpr case_traits traits{
      .completed_in_one_step = false, .has_virtual_time = false, .rounds = 80};
  signal_set signals{SIGUSR1, SIGUSR2};
  int got = 0;

  task<> attempt(auto how) { got = co_await how(signals.wait()); }
  void complete() { ::kill(::getpid(), SIGUSR1); }
  task<> check(bool completed) {
    if (!completed) got = co_await signals.wait();
    EXPECT_EQ(got, SIGUSR1);
    ::kill(::getpid(), SIGUSR2);
    const int next = co_await signals.wait();
    EXPECT_EQ(next, SIGUSR2);
  }
};

struct sleeping_process {
  static constexpr case_traits traits = by_processes;
  process child;

  task<> set_up() {
    child = co_await process::spawn({"sleep", "1000"},
                                    {.stdin_ = process::piped, .stdout_ = process::piped});
  }
  void complete() { child.kill(); }
};

/// It runs on, and may be waited for again.
struct process_wait : sleeping_process {
  std::optional<exit_status> got;

  task<> attempt(auto how) { got = co_await how(child.wait()); }
  task<> check(bool completed) {
    EXPECT_EQ(got.has_value(), completed);
    const exit_status again = co_await child.wait();
    EXPECT_EQ(again.signal(), SIGKILL);
  }
};

/// No process outlives the wait, once that has begun.
struct process_communicate : sleeping_process {
  bool begun = false;

  task<> attempt(auto how) {
    const auto talk = [this]() -> task<process_output> {
      begun = true;
      co_return co_await child.communicate("input");
    };
    const process_output got = co_await how(talk());
    EXPECT_EQ(got.out, "");
  }
  task<> check(bool completed) {
    if (begun) EXPECT_FALSE(child.send_signal(SIGKILL));
    const exit_status again = co_await child.wait();
    if (completed) EXPECT_EQ(again.signal(), SIGKILL);
    if (!completed) EXPECT_TRUE(again.signal() == SIGTERM || again.signal() == SIGKILL);
  }
};

/// A program that waits for a byte. None outlives the wait.
struct run_process_to_its_end {
  static constexpr case_traits traits = by_processes;
  named_pipe gate;
  std::string got;

  task<> attempt(auto how) {
    const completed_process ended = co_await how(run_process({"head", "-c1", gate.path()}));
    EXPECT_TRUE(ended.status.success());
    got = ended.out;
  }
  void complete() { gate.write_byte(); }
  void check(bool completed) {
    EXPECT_EQ(got, completed ? "x" : "");
    EXPECT_FALSE(gate.is_read_elsewhere());
  }
};

/// None is left of a start that was given up.
struct process_spawn {
  static constexpr case_traits traits{.waits = false, .has_virtual_time = false, .rounds = 32};
  process child;

  task<> attempt(auto how) { child = co_await how(process::spawn({"true"})); }
  task<> check(bool completed) {
    if (!completed) co_return;
    const exit_status status = co_await child.wait();
    EXPECT_TRUE(status.success());
  }
};

// ---- The matrix ---------------------------------------------------------------------------------

const std::vector<matrix_case>& cases() {
  static const std::vector<matrix_case> all{
      case_of<tcp_read_some>("TcpReadSome"),
      case_of<tcp_readable>("TcpReadable"),
      case_of<tcp_read_half>("TcpReadHalf"),
      case_of<stream_writable>("StreamWritable"),
      case_of<stream_write_some>("StreamWriteSome"),
      case_of<stream_write_all>("StreamWriteAll"),
      case_of<stream_write_parts>("StreamWriteParts"),
      case_of<stream_sendfile>("Sendfile"),
      case_of<tcp_accept>("TcpAccept"),
      case_of<tcp_connect>("TcpConnect"),
      case_of<connect_to_a_full_queue>("ConnectToAFullQueue"),
      case_of<tcp_connect_by_name>("TcpConnectByName"),
      case_of<open_buffered_connection>("OpenConnection"),
      case_of<resolve_name>("Resolve"),
      case_of<udp_recv_from>("UdpRecvFrom"),
      case_of<udp_recv_many>("UdpRecvMany"),
      case_of<datagram_send_to>("DatagramSendTo"),
      case_of<datagram_send_many>("DatagramSendMany"),
      case_of<local_datagram_send_to>("LocalDatagramSendTo"),
      case_of<send_descriptors>("SendDescriptors"),
      case_of<receive_descriptors>("ReceiveDescriptors"),
      case_of<pipe_read_some>("PipeReadSome"),
      case_of<pipe_write_some>("PipeWriteSome"),
      case_of<pipe_write_all>("PipeWriteAll"),
      case_of<buffered_read_line>("BufferedReadLine"),
      case_of<buffered_read_until>("BufferedReadUntil"),
      case_of<buffered_read_until_one_of>("BufferedReadUntilOneOf"),
      case_of<buffered_read_exactly>("BufferedReadExactly"),
      case_of<buffered_read>("BufferedRead"),
      case_of<buffered_read_some>("BufferedReadSome"),
      case_of<buffered_read_all>("BufferedReadAll"),
      case_of<buffered_next_line>("BufferedNextLine"),
      case_of<buffered_drain>("BufferedDrain"),
      case_of<buffered_flush>("BufferedFlush"),
      case_of<buffered_write_some>("BufferedWriteSome"),
      case_of<buffered_write_all>("BufferedWriteAll"),
      case_of<buffered_write_eof>("BufferedWriteEof"),
      case_of<buffered_close>("BufferedClose"),
      case_of<server_close>("ServerClose"),
      case_of<server_wait_closed>("ServerWaitClosed"),
      case_of<server_serve_forever>("ServeForever"),
      case_of<signal_set_wait>("SignalSetWait"),
      case_of<process_wait>("ProcessWait"),
      case_of<process_communicate>("ProcessCommunicate"),
      case_of<run_process_to_its_end>("RunProcess"),
      case_of<process_spawn>("ProcessSpawn"),
  };
  return all;
}

class CancellationMatrix : public ::testing::TestWithParam<cancellation_cell> {};
INSTANTIATE_TEST_SUITE_P(Net, CancellationMatrix, ::testing::ValuesIn(cancellation_cells(cases())),
                         cell_name);

TEST_P(CancellationMatrix, Request_LosesAndInventsNothing) {
  play_all(GetParam());
}

class TimeLimitMatrix : public ::testing::TestWithParam<limit_cell> {};
INSTANTIATE_TEST_SUITE_P(Net, TimeLimitMatrix, ::testing::ValuesIn(limit_cells(cases())),
                         limit_name);

TEST_P(TimeLimitMatrix, Limit_LosesAndInventsNothing) {
  play_all(GetParam());
}

}  // namespace
}  // namespace weft::testing
