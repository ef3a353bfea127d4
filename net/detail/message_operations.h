#pragma once

// The awaiters of sockets that keep message boundaries.
//
// What they do to the slot of their direction: a message that was sent or received says nothing
// about the next one, so readiness is always put back; only EAGAIN takes it away.

#include "../../runtime/detail/io_operation.h"
#include "../../runtime/result.h"
#include "../address.h"
#include "../bytes.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>

namespace weft {

/// A datagram that was received: how much of the buffer it fills, and who has sent it.
struct datagram {
  std::size_t size;
  socket_address from;
};

/// One of several datagrams to receive in one call: the first member is given, the others are
/// filled in.
struct incoming_datagram {
  byte_span into;
  std::size_t size = 0;
  bool truncated = false;  // it was longer than the buffer
  socket_address from = {};
};

/// One of several datagrams to send in one call.
struct outgoing_datagram {
  byte_view bytes;
  socket_address to = {};  // none: the address the socket is connected to
};

namespace detail {

class message_operation : public io_operation {
 protected:
  using io_operation::io_operation;

  [[nodiscard]] bool failed() const noexcept { return value < 0; }
  [[nodiscard]] std::error_code error() const noexcept {
    return {static_cast<int>(-value), std::system_category()};
  }
  /// "send_to 127.0.0.1:53": what an error is called.
  [[nodiscard]] std::string describe(const char* operation, const socket_address& peer) const;
  /// Throws the cancellation, or what the operation has failed with.
  void check(const char* operation, const socket_address& peer) const;
  /// The end of a step: readiness is put back unless the call would have to wait.
  io_progress finish(io_direction direction, std::int64_t count_or_error) noexcept;
};

/// Sends one datagram, whole.
class [[nodiscard]] send_to_operation : public message_operation {
 public:
  send_to_operation(io_source* source, byte_view bytes, const socket_address& to) noexcept
      : send_to_operation(source, bytes, to, step) {}
  void await_resume() const { check("send_to", to_); }
  [[nodiscard]] result<void> await_resume_result() const {
    check_outcome();
    if (failed()) return {error(), describe("send_to", to_)};
    return {};
  }

 protected:
  send_to_operation(io_source* source, byte_view bytes, const socket_address& to,
                    step_function one_step) noexcept
      : message_operation(source, io_direction::write, one_step), bytes_(bytes), to_(to) {}
  /// A count or -errno.
  std::int64_t send_once() noexcept;

 private:
  static io_progress step(io_operation& self) noexcept;

  byte_view bytes_;
  socket_address to_;
};

/// Receives one datagram. One that is longer than the buffer is an error, EMSGSIZE: it would be
/// cut.
class [[nodiscard]] receive_from_operation : public message_operation {
 public:
  receive_from_operation(io_source* source, byte_span into) noexcept
      : message_operation(source, io_direction::read, step), into_(into) {}
  [[nodiscard]] datagram await_resume() const {
    check("recv_from", from_);
    return {.size = static_cast<std::size_t>(value), .from = from_};
  }
  [[nodiscard]] result<datagram> await_resume_result() const {
    check_outcome();
    if (failed()) return {error(), describe("recv_from", from_)};
    return datagram{.size = static_cast<std::size_t>(value), .from = from_};
  }

 private:
  static io_progress step(io_operation& self) noexcept;

  byte_span into_;
  socket_address from_;
};

/// Sends several datagrams: how many the kernel took, at least one.
class [[nodiscard]] send_many_operation : public message_operation {
 public:
  send_many_operation(io_source* source, std::span<const outgoing_datagram> datagrams) noexcept
      : message_operation(source, io_direction::write, step), datagrams_(datagrams) {}
  bool await_ready() {
    return io_operation::await_ready() || (datagrams_.empty() && source_ != nullptr);
  }
  [[nodiscard]] std::size_t await_resume() const {
    check("send_many", socket_address());
    return static_cast<std::size_t>(value);
  }
  [[nodiscard]] result<std::size_t> await_resume_result() const {
    check_outcome();
    if (failed()) return {error(), describe("send_many", socket_address())};
    return static_cast<std::size_t>(value);
  }

 private:
  static io_progress step(io_operation& self) noexcept;

  std::span<const outgoing_datagram> datagrams_;
};

/// Receives the datagrams that are there, at least one: how many.
class [[nodiscard]] receive_many_operation : public message_operation {
 public:
  receive_many_operation(io_source* source, std::span<incoming_datagram> datagrams) noexcept
      : message_operation(source, io_direction::read, step), datagrams_(datagrams) {}
  bool await_ready() {
    return io_operation::await_ready() || (datagrams_.empty() && source_ != nullptr);
  }
  [[nodiscard]] std::size_t await_resume() const {
    check("recv_many", socket_address());
    return static_cast<std::size_t>(value);
  }
  [[nodiscard]] result<std::size_t> await_resume_result() const {
    check_outcome();
    if (failed()) return {error(), describe("recv_many", socket_address())};
    return static_cast<std::size_t>(value);
  }

 private:
  static io_progress step(io_operation& self) noexcept;

  std::span<incoming_datagram> datagrams_;
};

}  // namespace detail
}  // namespace weft
