#pragma once

// The awaiters of byte streams over descriptors: read, write, readiness.
//
// Each is a step function for io_operation. What it does to the slot of its direction when it is
// done:
//
//   read    n == asked      READY   there may be more
//           0 < n < asked   EMPTY   drained: the next read waits without a system call (sockets
//                                   only, and not once the peer has hung up: then no further
//                                   event comes)
//           end or error    READY   the next read gets the same answer at once
//   write   all taken       READY
//           part taken      EMPTY   the kernel's buffer is full, and it will tell when it has room
//           error           READY

#include "../../runtime/detail/io_operation.h"
#include "../../runtime/result.h"
#include "../address.h"
#include "../bytes.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>

namespace weft::detail {

/// The other end of a connection in 24 bytes, kept in each stream: errors name it when the kernel
/// no longer can.
class peer_name {
 public:
  peer_name() noexcept = default;
  explicit peer_name(const socket_address& address) noexcept;
  [[nodiscard]] socket_address address() const noexcept;
  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] bool empty() const noexcept { return family_ == 0; }

 private:
  std::array<std::byte, 16> host_{};
  std::uint32_t scope_ = 0;
  std::uint16_t port_ = 0;
  std::uint16_t family_ = 0;
};

/// Errors of stream operations: "read 127.0.0.1:80: Connection reset by peer".
class stream_operation : public io_operation {
 protected:
  stream_operation(io_source* source, io_direction direction, step_function calls,
                   const peer_name* peer) noexcept
      : io_operation(source, direction, calls), peer_(peer) {}

  [[nodiscard]] bool failed() const noexcept { return value < 0; }
  [[nodiscard]] std::error_code error() const noexcept {
    return {static_cast<int>(-value), std::system_category()};
  }
  /// "read 127.0.0.1:80": what an error is called.
  [[nodiscard]] std::string describe(const char* operation) const;
  [[noreturn]] void fail(const char* operation) const;

  io_progress finish(std::int64_t count_or_error) noexcept {
    value = count_or_error;
    return io_progress::done;
  }
  /// As finish; the next operation of this direction tries at once.
  io_progress finish_ready(io_direction direction, std::int64_t count_or_error) noexcept {
    source_->put_ready(direction);
    return finish(count_or_error);
  }

 private:
  const peer_name* peer_;
};

/// A count of bytes.
class [[nodiscard]] read_operation : public stream_operation {
 public:
  static constexpr const char* name = "read";

  read_operation(io_source* source, byte_span into, const peer_name* peer,
                 step_function calls = receive) noexcept
      : stream_operation(source, io_direction::read, calls, peer), into_(into) {}

  bool await_ready() {
    return io_operation::await_ready() || (into_.empty() && source_ != nullptr);
  }
  /// Bytes read; 0 is the end of the stream, or nothing was asked for.
  [[nodiscard]] std::size_t await_resume() const {
    check_outcome();
    if (failed()) [[unlikely]]
      fail(name);
    return static_cast<std::size_t>(value);
  }
  [[nodiscard]] result<std::size_t> await_resume_result() const {
    check_outcome();
    if (failed()) return {error(), describe(name)};
    return static_cast<std::size_t>(value);
  }

  /// For sockets, and for pipes, whose short reads prove nothing.
  static io_progress receive(io_operation& self) noexcept;
  static io_progress read(io_operation& self) noexcept;

 private:
  byte_span into_;
};

/// One buffer: write_some (a count of bytes) and write_all.
class write_core : public stream_operation {
 public:
  static constexpr const char* name = "write";
  enum class amount : bool { some, all };

  bool await_ready() {
    return io_operation::await_ready() || (from_.empty() && source_ != nullptr);
  }

 protected:
  write_core(io_source* source, byte_view from, const peer_name* peer, step_function calls) noexcept
      : stream_operation(source, io_direction::write, calls, peer), from_(from) {}

  void check() const {
    check_outcome();
    if (failed()) [[unlikely]]
      fail(name);
  }
  [[nodiscard]] std::size_t sent() const noexcept { return sent_; }

 private:
  template <auto Write, amount Amount>
  static io_progress step(io_operation& self) noexcept;
  friend class write_some_operation;
  friend class write_all_operation;

  byte_view from_;
  std::size_t sent_ = 0;
};

class [[nodiscard]] write_some_operation : public write_core {
 public:
  write_some_operation(io_source* source, byte_view from, const peer_name* peer,
                       step_function calls = send) noexcept
      : write_core(source, from, peer, calls) {}
  [[nodiscard]] std::size_t await_resume() const {
    check();
    return sent();
  }
  [[nodiscard]] result<std::size_t> await_resume_result() const {
    check_outcome();
    if (failed()) return {error(), describe(name)};
    return sent();
  }
  static io_progress send(io_operation& self) noexcept;
  static io_progress write(io_operation& self) noexcept;
};

class [[nodiscard]] write_all_operation : public write_core {
 public:
  write_all_operation(io_source* source, byte_view from, const peer_name* peer,
                      step_function calls = send) noexcept
      : write_core(source, from, peer, calls) {}
  void await_resume() const { check(); }
  [[nodiscard]] result<void> await_resume_result() const {
    check_outcome();
    if (failed()) return {error(), describe(name)};
    return {};
  }
  static io_progress send(io_operation& self) noexcept;
  static io_progress write(io_operation& self) noexcept;
};

/// Several buffers in order, as few system calls as possible.
class [[nodiscard]] write_parts_operation : public stream_operation {
 public:
  static constexpr const char* name = "write";

  write_parts_operation(io_source* source, std::span<const byte_view> parts,
                        const peer_name* peer) noexcept
      : stream_operation(source, io_direction::write, step, peer), parts_(parts) {
    skip(0);
  }
  bool await_ready() {
    return io_operation::await_ready() || (parts_.empty() && source_ != nullptr);
  }
  void await_resume() const {
    check_outcome();
    if (failed()) [[unlikely]]
      fail(name);
  }
  [[nodiscard]] result<void> await_resume_result() const {
    check_outcome();
    if (failed()) return {error(), describe(name)};
    return {};
  }

 private:
  static io_progress step(io_operation& self) noexcept;
  void skip(std::size_t sent) noexcept;

  std::span<const byte_view> parts_;  // what is left, the first one from offset_
  std::size_t offset_ = 0;
};

/// Readiness itself: no system call but the registration.
class [[nodiscard]] ready_operation : public stream_operation {
 public:
  ready_operation(io_source* source, io_direction direction, const peer_name* peer) noexcept
      : stream_operation(source, direction,
                         direction == io_direction::read ? see_readable : see_writable, peer) {}
  void await_resume() const {
    check_outcome();
    if (failed()) [[unlikely]]
      fail("wait");
  }
  [[nodiscard]] result<void> await_resume_result() const {
    check_outcome();
    if (failed()) return {error(), describe("wait")};
    return {};
  }

 private:
  static io_progress see_readable(io_operation& self) noexcept;
  static io_progress see_writable(io_operation& self) noexcept;
};

/// The same without waiting: a count, -EAGAIN, or another -errno.
std::int64_t try_receive(io_source* source, byte_span into) noexcept;
std::int64_t try_send(io_source* source, byte_view from) noexcept;

}  // namespace weft::detail
