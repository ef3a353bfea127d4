#pragma once

#include "../runtime/task.h"
#include "address.h"
#include "bytes.h"
#include "detail/connection_operations.h"
#include "detail/socket_stream.h"

#include <chrono>
#include <cstdint>
#include <string_view>
#include <utility>

namespace weft {

/// A TCP connection.
///
/// One reader and one writer at a time: a second one fails with EBUSY. Operations may run on any
/// worker; each refers to the stream, which stays where it is and alive until they have ended. An
/// operation that is ready does not suspend. Errors throw std::system_error that names operation
/// and peer ("read 127.0.0.1:80: Connection reset by peer"); as_result gives them without one.
/// Cost: no allocation; 32 bytes, and only the system calls that move data.
class tcp_stream : public detail::socket_stream {
 public:
  class read_half;
  class write_half;
  struct halves;

  /// Connects. Awaitable of tcp_stream. Cancellation: the attempt is given up.
  [[nodiscard]] static detail::connect_operation<tcp_stream> connect(const socket_address& to);
  /// Looks the name up and tries its addresses, IPv6 and IPv4 in turn, each 250 ms after the one
  /// before or as soon as that has failed (RFC 8305); the first to answer wins. When all fail, the
  /// error names each of them.
  [[nodiscard]] static task<tcp_stream> connect(std::string_view host, std::uint16_t port);

  /// Without Nagle's delay, which is how streams begin. Throws std::system_error.
  void set_nodelay(bool on);
  /// Probes a peer that was silent for `idle`, then every quarter of that; after four without an
  /// answer the connection fails with ETIMEDOUT. Zero: off. Throws std::system_error.
  void set_keepalive(std::chrono::seconds idle);

  /// For two tasks: one reads, one writes. They share the connection, which is closed when both
  /// halves are gone.
  [[nodiscard]] halves split() &&;

  /// For the library itself: accept and connect.
  explicit tcp_stream(detail::socket_stream connected) noexcept
      : socket_stream(std::move(connected)) {}
};

/// The reading end of a split stream; its operations are those of the stream.
class tcp_stream::read_half {
 public:
  explicit read_half(detail::stream_half half) noexcept : half_(std::move(half)) {}

  detail::read_operation read_some(byte_span into) noexcept;
  detail::ready_operation readable() noexcept;
  std::optional<std::size_t> try_read_some(byte_span into);
  [[nodiscard]] socket_address local_address() const;
  [[nodiscard]] socket_address peer_address() const;
  /// Gives the half back: operations fail with EBADF from now on.
  void close() noexcept { half_.release(); }

 private:
  detail::stream_half half_;
};

/// The writing end of a split stream. When it is gone the peer reads the end of the stream.
class tcp_stream::write_half {
 public:
  explicit write_half(detail::stream_half half) noexcept : half_(std::move(half)) {}
  write_half(write_half&&) noexcept = default;
  write_half& operator=(write_half&& other) noexcept;
  ~write_half() { close(); }

  detail::write_some_operation write_some(byte_view from) noexcept;
  detail::write_all_operation write_all(byte_view from) noexcept;
  detail::write_parts_operation write_all(std::span<const byte_view> parts) noexcept;
  detail::ready_operation writable() noexcept;
  std::optional<std::size_t> try_write_some(byte_view from);
  /// As tcp_stream::shutdown_write(), but to be awaited.
  detail::shutdown_operation shutdown_write() noexcept;
  [[nodiscard]] socket_address local_address() const;
  [[nodiscard]] socket_address peer_address() const;
  /// Ends the outgoing direction and gives the half back.
  void close() noexcept;

 private:
  detail::stream_half half_;
};

struct tcp_stream::halves {
  read_half reader;
  write_half writer;
};

/// Trivial, as all options are.
struct listen_options {
  int backlog = 1024;       // connections waiting to be accepted; the kernel's somaxconn bounds it
  bool reuse_port = false;  // several listeners on one port share its connections
  bool only_v6 = true;      // an IPv6 listener takes no IPv4 connections
};

/// A socket that waits for TCP connections. SO_REUSEADDR is always set.
///
/// One task accepts at a time. Threads: any, one at a time.
class tcp_listener {
 public:
  /// Binds and listens, without waiting; port 0 takes a free one. Throws std::system_error ("bind
  /// 127.0.0.1:80: Address already in use").
  static tcp_listener bind(const socket_address& at, listen_options options = {});

  /// The next connection: awaitable of tcp_stream. Goes on by itself over connections that broke
  /// before they were accepted, and, after a while, when descriptors or memory had run out.
  /// Cancellation: takes nothing, the connection stays in the queue.
  detail::accept_operation<tcp_stream> accept() noexcept {
    return detail::accept_operation<tcp_stream>(socket_.source(), name_);
  }
  /// Throws std::system_error when closed.
  [[nodiscard]] socket_address local_address() const { return detail::local_address_of(socket_); }
  /// A waiting accept() fails with ECANCELED.
  void close() noexcept { socket_.close(); }
  [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(socket_); }

  /// For the library itself: a socket that listens, maybe at a Unix path.
  explicit tcp_listener(detail::descriptor listening)
      : socket_(std::move(listening)), name_(detail::local_address_of(socket_)) {}

 private:
  detail::descriptor socket_;
  detail::peer_name name_;  // its own, for errors
};

}  // namespace weft
