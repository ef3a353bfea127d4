#pragma once

// The awaiters that make connections: connect and accept.

#include "../../runtime/sleep.h"
#include "socket_stream.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

namespace weft::detail {

/// Makes an operation try again after a while, where no event will tell it to: descriptors have run
/// out, or the backlog of a Unix socket is full. Starts with 10 ms and doubles up to a second. Its
/// timer wakes like an event.
class retry_timer : private timer_node {
 public:
  retry_timer() noexcept = default;
  retry_timer(const retry_timer&) noexcept = default;  // idle, like the operation it is part of
  retry_timer& operator=(const retry_timer&) = delete;
  /// An operation that was cancelled while it waited for the timer leaves its attempt to the next
  /// one.
  ~retry_timer() {
    if (timer_wheel::finish_disarm(*this) && source_ != nullptr)
      source_->on_event(true, true, false);
  }

  /// Between two attempts of the operation that `waiter` waits for. One that runs already goes on.
  void start(io_source& source, task_state& waiter) noexcept;

 private:
  static void on_fire(timer_node& self) noexcept;

  io_source* source_ = nullptr;
  std::chrono::milliseconds delay_{0};
};

/// Connects a socket, which it owns until the caller takes it.
///
/// Cancellation: the attempt is given up and the socket closed.
class connect_core : public io_operation {
 protected:
  /// `socket`: what sys::socket returned; an error is reported when the operation is awaited.
  connect_core(int socket, const socket_address& to) noexcept
      : connect_core(descriptor(socket, false), socket, to) {}

  [[nodiscard]] bool failed() const noexcept { return failure() < 0; }
  [[nodiscard]] std::error_code error() const noexcept {
    return {-failure(), std::system_category()};
  }
  /// "connect 127.0.0.1:80": what an error is called.
  [[nodiscard]] std::string describe() const { return "connect " + to_.to_string(); }
  /// 0 or -errno: of the socket, else of the attempt.
  [[nodiscard]] int failure() const noexcept {
    return no_socket_ < 0 ? no_socket_ : static_cast<int>(value);
  }
  /// Throws the cancellation or the error.
  socket_stream take();
  /// Throws the cancellation. Requires then: not failed.
  void check_cancelled() const { check_outcome(); }
  socket_stream take_stream() noexcept { return {std::move(socket_), peer_name(to_)}; }

 private:
  connect_core(descriptor socket, int fd, const socket_address& to) noexcept;
  static io_progress step(io_operation& self) noexcept;
  [[nodiscard]] bool connected_to_itself() const noexcept;

  descriptor socket_;
  int no_socket_;  // why there is none: -errno; else 0
  socket_address to_;
  retry_timer timer_;
};

template <class Stream>
class [[nodiscard]] connect_operation : public connect_core {
 public:
  connect_operation(int socket, const socket_address& to) noexcept : connect_core(socket, to) {}
  bool await_ready() { return io_operation::await_ready() || failed(); }
  [[nodiscard]] Stream await_resume() { return Stream(take()); }
  [[nodiscard]] result<Stream> await_resume_result() {
    check_cancelled();
    if (failed()) return {error(), describe()};
    return Stream(take_stream());
  }
};

/// Accepts one connection. What became of connections that nobody has accepted yet is not its
/// failure; when descriptors or memory have run out it goes on later.
///
/// Cancellation: takes nothing, the connection stays in the queue.
class accept_core : public io_operation {
 protected:
  accept_core(io_source* listener, const peer_name& at) noexcept
      : io_operation(listener, io_direction::read, step), name_(at) {}

  [[nodiscard]] bool failed() const noexcept { return value < 0; }
  [[nodiscard]] std::error_code error() const noexcept {
    return {static_cast<int>(-value), std::system_category()};
  }
  /// "accept 127.0.0.1:80": what an error is called.
  [[nodiscard]] std::string describe() const;
  socket_stream take();
  void check_cancelled() const { check_outcome(); }
  socket_stream take_stream() noexcept { return {std::move(accepted_), name_}; }

 private:
  static io_progress step(io_operation& self) noexcept;
  io_progress accepted(int fd, const sockaddr_storage& peer, socklen_t size) noexcept;

  descriptor accepted_;
  peer_name name_;  // of the listener; once a connection was accepted, of its peer
  retry_timer timer_;
};

template <class Stream>
class [[nodiscard]] accept_operation : public accept_core {
 public:
  explicit accept_operation(io_source* listener, const peer_name& at = {}) noexcept
      : accept_core(listener, at) {}
  [[nodiscard]] Stream await_resume() { return Stream(take()); }
  [[nodiscard]] result<Stream> await_resume_result() {
    check_cancelled();
    if (failed()) return {error(), describe()};
    return Stream(take_stream());
  }
};

/// A new socket of the address's family. Throws std::system_error.
descriptor open_socket(const socket_address& at, int type, const char* operation);
/// Throw std::system_error: "bind 127.0.0.1:80: Address already in use".
void set_option(const descriptor& socket, int level, int option, int value, const char* what);
void bind_socket(const descriptor& socket, const socket_address& at);
void listen_socket(const descriptor& socket, const socket_address& at, int backlog);

}  // namespace weft::detail
