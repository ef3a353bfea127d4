#include "unix.h"

#include "../runtime/detail/address_space.h"
#include "../runtime/detail/sys.h"
#include "../runtime/error.h"

#include <cerrno>
#include <cstring>

namespace weft {

file_descriptor::file_descriptor(int fd) noexcept : fd_(fd) {
  if (fd >= 0) detail::sys::opened();
}

file_descriptor& file_descriptor::operator=(file_descriptor&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

int file_descriptor::release() noexcept {
  if (fd_ >= 0) detail::sys::given_away();
  return std::exchange(fd_, -1);
}

void file_descriptor::close() noexcept {
  if (fd_ >= 0) detail::sys::close(std::exchange(fd_, -1));
}

namespace detail {
namespace {

constexpr std::size_t control_bytes = CMSG_SPACE(sizeof(int) * unix_stream::descriptors_max);

/// Room for the descriptors of one message, aligned as its header has to be.
union control_buffer {
  cmsghdr header;
  char bytes[control_bytes];
};

}  // namespace

io_progress send_descriptors_operation::step(io_operation& self) noexcept {
  auto& operation = static_cast<send_descriptors_operation&>(self);
  if (operation.descriptors_.size() > unix_stream::descriptors_max || operation.bytes_.empty()) {
    return operation.finish_ready(io_direction::write, -EINVAL);
  }
  iovec part{.iov_base = const_cast<std::byte*>(operation.bytes_.data()),
             .iov_len = operation.bytes_.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  control_buffer control{};
  if (const std::size_t size = operation.descriptors_.size_bytes(); size > 0) {
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(size);
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(header), operation.descriptors_.data(), size);
  }
  const ssize_t count = sys::send_message(operation.source_->fd(), &message);
  if (count == -EAGAIN) return io_progress::blocked;
  return operation.finish_ready(io_direction::write, count);
}

namespace {

/// What the kernel has attached to the message: the first ones go to `into`, the others are closed.
void take_descriptors(msghdr& message, std::span<file_descriptor> into) noexcept {
  std::size_t used = 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      file_descriptor received(fd);
      if (used < into.size()) into[used++] = std::move(received);
    }
  }
}

}  // namespace

io_progress receive_descriptors_operation::step(io_operation& self) noexcept {
  auto& operation = static_cast<receive_descriptors_operation&>(self);
  iovec part{.iov_base = operation.into_.data(), .iov_len = operation.into_.size()};
  control_buffer control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  const ssize_t count = sys::receive_message(operation.source_->fd(), &message);
  if (count == -EAGAIN) return io_progress::blocked;
  if (count >= 0) take_descriptors(message, operation.descriptors_);
  return operation.finish_ready(io_direction::read, count);
}

io_progress send_local_operation::step(io_operation& self) noexcept {
  auto& operation = static_cast<send_local_operation&>(self);
  const std::int64_t count = operation.send_once();
  if (count == -EAGAIN) operation.timer_.start(*operation.source_, *operation.task);
  return operation.finish(io_direction::write, count);
}

}  // namespace detail

detail::connect_operation<unix_stream> unix_stream::connect(std::string_view path) {
  const socket_address at = socket_address::from_path(path);  // before there is a socket
  return {detail::sys::socket(AF_UNIX, SOCK_STREAM), at};
}

unix_stream_pair unix_stream::pair() {
  int ends[2];
  const int failed = detail::sys::socket_pair(SOCK_STREAM, ends);
  if (failed < 0) detail::throw_system_error(-failed, "socketpair");
  const detail::peer_name peer{socket_address("unix:pair")};
  detail::descriptor first(ends[0], false);
  detail::descriptor second(ends[1], false);
  if (!first || !second) detail::throw_no_source(ends[first ? 1 : 0], "socketpair");
  return {.first = unix_stream(detail::socket_stream(std::move(first), peer)),
          .second = unix_stream(detail::socket_stream(std::move(second), peer))};
}

peer_credentials unix_stream::credentials() const {
  ucred found{};
  const int failed = is_open() ? detail::sys::peer_credentials(native_handle(), &found) : -EBADF;
  if (failed < 0) detail::throw_system_error(-failed, "credentials of the peer");
  return {.process = found.pid, .user = found.uid, .group = found.gid};
}

unix_listener unix_listener::bind(std::string_view path, unix_listen_options options) {
  const socket_address at = socket_address::from_path(path);
  detail::descriptor socket = detail::open_socket(at, SOCK_STREAM, "bind");
  const auto there =
      options.replace_stale ? detail::existing_file::replace_if_stale : detail::existing_file::keep;
  detail::socket_file file = detail::bind_local(socket, at, SOCK_STREAM, there);
  detail::listen_socket(socket, at, options.backlog);
  return {std::move(socket), std::move(file)};
}

void unix_listener::close() noexcept {
  file_.remove();
  socket_.close();
}

unix_datagram unix_datagram::bind(std::string_view path) {
  const socket_address at = socket_address::from_path(path);
  detail::descriptor socket = detail::open_socket(at, SOCK_DGRAM, "bind");
  detail::socket_file file =
      detail::bind_local(socket, at, SOCK_DGRAM, detail::existing_file::replace_if_stale);
  return {std::move(socket), std::move(file)};
}

unix_datagram unix_datagram::unbound() {
  const int fd = detail::sys::socket(AF_UNIX, SOCK_DGRAM);
  if (fd < 0) detail::throw_system_error(-fd, "unix_datagram");
  detail::descriptor socket(fd, false);
  if (!socket) detail::throw_no_source(fd, "unix_datagram");
  return {std::move(socket), detail::socket_file()};
}

void unix_datagram::close() noexcept {
  file_.remove();
  socket_.close();
}

}  // namespace weft
