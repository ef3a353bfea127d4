#include "message_operations.h"

#include "../../runtime/detail/sys.h"
#include "../../runtime/error.h"

#include <algorithm>
#include <cerrno>
#include <string>

#include <sys/socket.h>
#include <sys/uio.h>

namespace weft::detail {
namespace {

// Messages in one system call; further ones take another operation.
constexpr std::size_t batch = 64;

iovec part_of(byte_view bytes) noexcept {
  return {.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
}
iovec part_of(byte_span bytes) noexcept {
  return {.iov_base = bytes.data(), .iov_len = bytes.size()};
}

msghdr message_to(iovec& part, const socket_address& to) noexcept {
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (to.family() != address_family::none) {
    message.msg_name = const_cast<sockaddr*>(to.data());
    message.msg_namelen = to.size();
  }
  return message;
}

msghdr message_from(iovec& part, sockaddr_storage& name) noexcept {
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_name = &name;
  message.msg_namelen = sizeof name;
  return message;
}

socket_address sender_of(const msghdr& message) noexcept {
  return {static_cast<const sockaddr*>(message.msg_name), message.msg_namelen};
}

}  // namespace

std::string message_operation::describe(const char* operation, const socket_address& peer) const {
  std::string text = operation;
  if (peer.family() != address_family::none) text += " " + peer.to_string();
  const auto number = static_cast<int>(-value);
  if (number == EBADF) text += " (the socket is closed)";
  if (number == ECANCELED) text += " (the socket was closed while this waited)";
  if (number == EBUSY) text += " (another task waits for the same)";
  return text;
}

void message_operation::check(const char* operation, const socket_address& peer) const {
  check_outcome();
  if (failed()) throw_system_error(static_cast<int>(-value), describe(operation, peer));
}

io_progress message_operation::finish(io_direction direction,
                                      std::int64_t count_or_error) noexcept {
  if (count_or_error == -EAGAIN) return io_progress::blocked;
  source_->put_ready(direction);
  value = count_or_error;
  return io_progress::done;
}

io_progress send_to_operation::step(io_operation& self) noexcept {
  auto& operation = static_cast<send_to_operation&>(self);
  return operation.finish(io_direction::write, operation.send_once());
}

std::int64_t send_to_operation::send_once() noexcept {
  iovec part = part_of(bytes_);
  const msghdr message = message_to(part, to_);
  return sys::send_message(source_->fd(), &message);
}

io_progress receive_from_operation::step(io_operation& self) noexcept {
  auto& operation = static_cast<receive_from_operation&>(self);
  sockaddr_storage name;
  iovec part = part_of(operation.into_);
  msghdr message = message_from(part, name);
  std::int64_t count = sys::receive_message(operation.source_->fd(), &message);
  if (count >= 0) operation.from_ = sender_of(message);
  if (count >= 0 && (message.msg_flags & MSG_TRUNC) != 0) count = -EMSGSIZE;
  return operation.finish(io_direction::read, count);
}

io_progress send_many_operation::step(io_operation& self) noexcept {
  auto& operation = static_cast<send_many_operation&>(self);
  const std::size_t count = std::min(batch, operation.datagrams_.size());
  iovec parts[batch];
  mmsghdr messages[batch];
  for (std::size_t i = 0; i < count; ++i) {
    parts[i] = part_of(operation.datagrams_[i].bytes);
    messages[i] = {.msg_hdr = message_to(parts[i], operation.datagrams_[i].to), .msg_len = 0};
  }
  const int sent = sys::send_many(operation.source_->fd(), messages, static_cast<unsigned>(count));
  return operation.finish(io_direction::write, sent);
}

io_progress receive_many_operation::step(io_operation& self) noexcept {
  auto& operation = static_cast<receive_many_operation&>(self);
  const std::size_t count = std::min(batch, operation.datagrams_.size());
  iovec parts[batch];
  mmsghdr messages[batch];
  sockaddr_storage names[batch];
  for (std::size_t i = 0; i < count; ++i) {
    parts[i] = part_of(operation.datagrams_[i].into);
    messages[i] = {.msg_hdr = message_from(parts[i], names[i]), .msg_len = 0};
  }
  const int received =
      sys::receive_many(operation.source_->fd(), messages, static_cast<unsigned>(count));
  for (int i = 0; i < received; ++i) {
    incoming_datagram& filled = operation.datagrams_[static_cast<std::size_t>(i)];
    filled.size = messages[i].msg_len;
    filled.truncated = (messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
    filled.from = sender_of(messages[i].msg_hdr);
  }
  return operation.finish(io_direction::read, received);
}

}  // namespace weft::detail
