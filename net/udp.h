#pragma once

#include "address.h"
#include "bytes.h"
#include "detail/descriptor.h"
#include "detail/message_operations.h"

#include <span>
#include <utility>

namespace weft {

/// Trivial, as all options are.
struct udp_options {
  bool reuse_port = false;  // several sockets on one port share its datagrams
  bool only_v6 = true;      // an IPv6 socket takes no IPv4 datagrams
  bool broadcast = false;   // datagrams may go to everybody
};

/// A UDP socket: datagrams arrive whole or not at all, in any order.
///
/// One task sends and one receives at a time; a second one fails with EBUSY. Operations refer to
/// the socket, which stays where it is and alive until they have ended, and so do the bytes. Errors
/// throw std::system_error that names operation and peer; none of them makes the socket useless.
/// ECONNREFUSED means that nobody listens at the peer of a connected socket, and may come out of
/// the operation after the one that has sent. as_result gives errors without an exception.
/// Threads: any. Cost: no allocation, and only the system calls that move data.
class udp_socket {
 public:
  /// Port 0 takes a free one. Throws std::system_error ("bind 127.0.0.1:53: Address already in
  /// use").
  static udp_socket bind(const socket_address& at, udp_options options = {});

  /// From now on the socket sends to `to` and receives only from there. Does not wait. Throws
  /// std::system_error.
  void connect(const socket_address& to);

  /// Sends one datagram, whole or not at all; it waits only while the kernel's buffer is full.
  /// Cancellation: takes nothing.
  detail::send_to_operation send_to(byte_view bytes, const socket_address& to) noexcept {
    return {socket_.source(), bytes, to};
  }
  /// As send_to, to the address the socket is connected to.
  detail::send_to_operation send(byte_view bytes) noexcept {
    return {socket_.source(), bytes, socket_address()};
  }
  /// Receives one datagram: its size and its sender. One that does not fit is lost and fails with
  /// EMSGSIZE.
  /// Cancellation: takes nothing.
  detail::receive_from_operation recv_from(byte_span into) noexcept {
    return {socket_.source(), into};
  }

  /// Up to 64 datagrams in one system call: how many were taken, from the front, at least one.
  /// Cancellation: takes nothing.
  detail::send_many_operation send_many(std::span<const outgoing_datagram> datagrams) noexcept {
    return {socket_.source(), datagrams};
  }
  detail::receive_many_operation recv_many(std::span<incoming_datagram> datagrams) noexcept {
    return {socket_.source(), datagrams};
  }

  /// Throws std::system_error when closed.
  [[nodiscard]] socket_address local_address() const;
  /// Waiting operations fail with ECANCELED.
  void close() noexcept { socket_.close(); }
  [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(socket_); }
  [[nodiscard]] int native_handle() const noexcept { return socket_.fd(); }

 private:
  explicit udp_socket(detail::descriptor socket) noexcept : socket_(std::move(socket)) {}
  detail::descriptor socket_;
};

}  // namespace weft
