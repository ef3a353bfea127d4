#pragma once

#include "address.h"
#include "bytes.h"
#include "detail/connection_operations.h"
#include "detail/descriptor.h"
#include "detail/message_operations.h"
#include "detail/socket_file.h"
#include "detail/socket_stream.h"

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

#include <sys/types.h>

namespace weft {

/// A descriptor that came over a Unix socket: a file, a pipe, anything. Closes it, unless it is
/// released.
class file_descriptor {
 public:
  file_descriptor() noexcept = default;
  /// Takes it over.
  explicit file_descriptor(int fd) noexcept;
  file_descriptor(file_descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  file_descriptor& operator=(file_descriptor&& other) noexcept;
  ~file_descriptor() { close(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  /// The caller closes it from now on.
  [[nodiscard]] int release() noexcept;
  void close() noexcept;

 private:
  int fd_ = -1;
};

/// Who is at the other end.
struct peer_credentials {
  pid_t process;
  uid_t user;
  gid_t group;
};

namespace detail {

/// Sends bytes with descriptors attached: the first write that takes a byte takes all descriptors.
class [[nodiscard]] send_descriptors_operation : public stream_operation {
 public:
  send_descriptors_operation(io_source* source, byte_view bytes,
                             std::span<const int> descriptors) noexcept
      : stream_operation(source, io_direction::write, step, nullptr),
        bytes_(bytes),
        descriptors_(descriptors) {}
  [[nodiscard]] std::size_t await_resume() const {
    check_outcome();
    if (failed()) fail("send_descriptors");
    return static_cast<std::size_t>(value);
  }
  [[nodiscard]] result<std::size_t> await_resume_result() const {
    check_outcome();
    if (failed()) return {error(), describe("send_descriptors")};
    return static_cast<std::size_t>(value);
  }

 private:
  static io_progress step(io_operation& self) noexcept;

  byte_view bytes_;
  std::span<const int> descriptors_;
};

/// Receives bytes, and the descriptors that are attached to them.
class [[nodiscard]] receive_descriptors_operation : public stream_operation {
 public:
  receive_descriptors_operation(io_source* source, byte_span into,
                                std::span<file_descriptor> descriptors) noexcept
      : stream_operation(source, io_direction::read, step, nullptr),
        into_(into),
        descriptors_(descriptors) {}
  [[nodiscard]] std::size_t await_resume() const {
    check_outcome();
    if (failed()) fail("receive_descriptors");
    return static_cast<std::size_t>(value);
  }
  [[nodiscard]] result<std::size_t> await_resume_result() const {
    check_outcome();
    if (failed()) return {error(), describe("receive_descriptors")};
    return static_cast<std::size_t>(value);
  }

 private:
  static io_progress step(io_operation& self) noexcept;

  byte_span into_;
  std::span<file_descriptor> descriptors_;
};

/// Sends a datagram to a Unix socket. No event tells when a full receiver has room again, so it is
/// tried by a timer.
class [[nodiscard]] send_local_operation : public send_to_operation {
 public:
  send_local_operation(io_source* source, byte_view bytes, const socket_address& to) noexcept
      : send_to_operation(source, bytes, to, step) {}

 private:
  static io_progress step(io_operation& self) noexcept;

  retry_timer timer_;
};

}  // namespace detail

struct unix_stream_pair;

/// A connection between processes of one machine, at a path or an abstract name ("@name").
///
/// As tcp_stream; and it passes descriptors.
class unix_stream : public detail::socket_stream {
 public:
  static constexpr std::size_t descriptors_max = 253;  // the kernel's bound for one message

  /// Awaitable of unix_stream. Waits while the listener's queue is full. Throws
  /// std::invalid_argument for an impossible path.
  [[nodiscard]] static detail::connect_operation<unix_stream> connect(std::string_view path);
  /// Two connected ends. Throws std::system_error.
  [[nodiscard]] static unix_stream_pair pair();

  /// Sends up to descriptors_max descriptors along with `bytes`, of which there must be one at
  /// least; gives how many bytes were taken. The receiver gets its own copies of the descriptors.
  /// Cancellation: takes nothing.
  detail::send_descriptors_operation send_descriptors(byte_view bytes,
                                                      std::span<const int> descriptors) noexcept {
    return {source(), bytes, descriptors};
  }
  /// Reads bytes and the descriptors that came with them, from the front of `descriptors`; what
  /// finds no room there is closed. Cancellation: takes nothing.
  detail::receive_descriptors_operation receive_descriptors(
      byte_span into, std::span<file_descriptor> descriptors) noexcept {
    return {source(), into, descriptors};
  }
  /// As they were when the connection was made. Throws std::system_error.
  [[nodiscard]] peer_credentials credentials() const;

  /// For the library itself.
  explicit unix_stream(detail::socket_stream connected) noexcept
      : socket_stream(std::move(connected)) {}
};

struct unix_stream_pair {
  unix_stream first;
  unix_stream second;
};

/// Trivial, as all options are.
struct unix_listen_options {
  int backlog = 1024;
  bool replace_stale = true;  // remove a socket file at whose path nobody listens any more
};

/// Waits for connections at a path or an abstract name. The file at the path goes away with the
/// listener, unless it is another one by then.
///
/// One task accepts at a time. Threads: any, one at a time.
class unix_listener {
 public:
  /// Binds and listens, without waiting. Throws std::system_error ("bind unix:/run/x: Address
  /// already in use"), std::invalid_argument for an impossible path.
  static unix_listener bind(std::string_view path, unix_listen_options options = {});

  /// The next connection: awaitable of unix_stream. As tcp_listener::accept().
  detail::accept_operation<unix_stream> accept() noexcept {
    return detail::accept_operation<unix_stream>(socket_.source(), name_);
  }
  /// Throws std::system_error when closed.
  [[nodiscard]] socket_address local_address() const { return detail::local_address_of(socket_); }
  /// A waiting accept() fails with ECANCELED.
  void close() noexcept;
  [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(socket_); }

  /// For the library itself: servers.
  struct parts {
    detail::descriptor socket;
    detail::socket_file file;
  };
  [[nodiscard]] parts release() && noexcept {
    return {.socket = std::move(socket_), .file = std::move(file_)};
  }

 private:
  unix_listener(detail::descriptor socket, detail::socket_file file) noexcept
      : socket_(std::move(socket)), file_(std::move(file)) {}

  detail::descriptor socket_;
  detail::socket_file file_;
  detail::peer_name name_{socket_address("unix:listener")};  // for errors: "accept unix socket"
};

/// Datagrams between processes of one machine: reliable, in order, with their boundaries. The file
/// at the path goes away with the socket, unless it is another one by then.
///
/// One task sends and one receives at a time. Threads: any.
class unix_datagram {
 public:
  /// Replaces a stale socket file, as unix_listener does. Throws std::system_error,
  /// std::invalid_argument for an impossible path.
  static unix_datagram bind(std::string_view path);
  /// Without a name: nobody can answer it. Throws std::system_error.
  static unix_datagram unbound();

  /// Sends one datagram; waits while the receiver's queue is full. Throws std::invalid_argument for
  /// an impossible path.
  /// Cancellation: takes nothing.
  detail::send_local_operation send_to(byte_view bytes, std::string_view path) {
    return {socket_.source(), bytes, socket_address::from_path(path)};
  }
  /// One datagram: its size and its sender; one that does not fit is lost and fails with EMSGSIZE.
  /// Cancellation: takes nothing.
  detail::receive_from_operation recv_from(byte_span into) noexcept {
    return {socket_.source(), into};
  }
  [[nodiscard]] socket_address local_address() const { return detail::local_address_of(socket_); }
  /// Waiting operations fail with ECANCELED.
  void close() noexcept;
  [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(socket_); }

 private:
  unix_datagram(detail::descriptor socket, detail::socket_file file) noexcept
      : socket_(std::move(socket)), file_(std::move(file)) {}

  detail::descriptor socket_;
  detail::socket_file file_;
};

}  // namespace weft
