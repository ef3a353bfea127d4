#include "connection_operations.h"

#include "../../runtime/detail/address_space.h"
#include "../../runtime/error.h"

#include <algorithm>
#include <cerrno>
#include <string>

namespace weft::detail {
namespace {

constexpr std::chrono::milliseconds first_delay{10};
constexpr std::chrono::milliseconds last_delay{1000};

// Connections that ended before they were accepted, in a row; after as many something else is
// wrong.
constexpr int stillborn_max = 64;

/// The connection ended, or the network failed it, before it was accepted: the next one may be
/// fine.
bool is_stillborn(int error) noexcept {
  switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM:  // a firewall
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

bool is_exhaustion(int error) noexcept {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

void retry_timer::start(io_source& source, task_state& waiter) noexcept {
  if (state.load(std::memory_order_relaxed) == phase::armed) return;  // it will come
  timer_wheel::finish_disarm(*this);
  delay_ = delay_.count() == 0 ? first_delay : std::min(delay_ * 2, last_delay);
  source_ = &source;
  when = clock::now() + delay_;
  fire = on_fire;
  arm_timer(*this, waiter);
}

void retry_timer::on_fire(timer_node& self) noexcept {
  auto& timer = static_cast<retry_timer&>(self);
  timer.source_->on_event(true, true, false);
  timer.end_fire();
}

connect_core::connect_core(descriptor socket, int fd, const socket_address& to) noexcept
    : io_operation(socket.source(), io_direction::write, step),
      socket_(std::move(socket)),
      no_socket_(fd < 0    ? fd
                 : socket_ ? 0
                           : -io_source::open_error(fd)),
      to_(to) {}

/// A second connect() tells how the first one went: EALREADY, then success or its error, once.
io_progress connect_core::step(io_operation& self) noexcept {
  auto& operation = static_cast<connect_core&>(self);
  const int error =
      sys::connect(operation.socket_.fd(), operation.to_.data(), operation.to_.size());
  if (error == -EINPROGRESS || error == -EALREADY) return io_progress::blocked;
  if (error == -EAGAIN && operation.to_.family() == address_family::local) {
    operation.timer_.start(*operation.source_, *operation.task);
    return io_progress::blocked;
  }
  operation.value = error == -EISCONN ? 0 : error;
  if (operation.value == 0 && operation.connected_to_itself()) operation.value = -ECONNREFUSED;
  operation.source_->put_ready(io_direction::write);
  return io_progress::done;
}

/// The kernel may choose as our own port the one we connect to, where nobody listens, and TCP then
/// meets itself.
bool connect_core::connected_to_itself() const noexcept {
  if (to_.family() == address_family::local) return false;
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  if (sys::local_name(socket_.fd(), &own, &size) < 0) return false;
  return socket_address(reinterpret_cast<const sockaddr*>(&own), size) == to_;
}

socket_stream connect_core::take() {
  check_outcome();
  if (failed()) throw_system_error(-failure(), describe());
  return take_stream();
}

io_progress accept_core::step(io_operation& self) noexcept {
  auto& operation = static_cast<accept_core&>(self);
  for (int stillborn = 0;;) {
    sockaddr_storage peer;
    socklen_t size = sizeof peer;
    const int fd = sys::accept(operation.source_->fd(), &peer, &size);
    if (fd >= 0) return operation.accepted(fd, peer, size);
    if (fd == -EAGAIN) return io_progress::blocked;
    if (is_stillborn(-fd) && ++stillborn < stillborn_max) continue;
    if (is_stillborn(-fd) || is_exhaustion(-fd)) {
      operation.timer_.start(*operation.source_, *operation.task);
      return io_progress::blocked;
    }
    operation.value = fd;
    operation.source_->put_ready(io_direction::read);  // the queue may hold connections
    return io_progress::done;
  }
}

io_progress accept_core::accepted(int fd, const sockaddr_storage& peer, socklen_t size) noexcept {
  accepted_ = descriptor(fd, false);
  if (!accepted_) {  // a number beyond what the library can serve
    timer_.start(*source_, *task);
    return io_progress::blocked;
  }
  name_ = peer_name(socket_address(reinterpret_cast<const sockaddr*>(&peer), size));
  source_->put_ready(io_direction::read);  // there may be more in the queue
  value = 0;
  return io_progress::done;
}

std::string accept_core::describe() const {
  const std::string accept = name_.empty() ? "accept" : "accept " + name_.to_string();
  switch (static_cast<int>(-value)) {
    case EBUSY:
      return accept + " (another task accepts here)";
    case ECANCELED:
      return accept + " (the listener was closed)";
    case EBADF:
      return accept + " (the listener is closed)";
    default:
      return accept;
  }
}

socket_stream accept_core::take() {
  check_outcome();
  if (failed()) throw_system_error(static_cast<int>(-value), describe());
  return take_stream();
}

descriptor open_socket(const socket_address& at, int type, const char* operation) {
  const int fd = sys::socket(at.data()->sa_family, type);
  if (fd < 0) throw_system_error(-fd, operation + (" " + at.to_string()));
  descriptor socket(fd, false);
  if (!socket) throw_no_source(fd, operation + (" " + at.to_string()));
  return socket;
}

void set_option(const descriptor& socket, int level, int option, int value, const char* what) {
  const int failed = sys::set_option(socket.fd(), level, option, value);
  if (failed < 0) throw_system_error(-failed, what);
}

void bind_socket(const descriptor& socket, const socket_address& at) {
  const int failed = sys::bind(socket.fd(), at.data(), at.size());
  if (failed < 0) throw_system_error(-failed, "bind " + at.to_string());
}

void listen_socket(const descriptor& socket, const socket_address& at, int backlog) {
  const int failed = sys::listen(socket.fd(), backlog);
  if (failed < 0) throw_system_error(-failed, "listen " + at.to_string());
}

}  // namespace weft::detail
