#include "socket_stream.h"

#include "../../runtime/error.h"

#include <cerrno>
#include <string>

namespace weft::detail {

void socket_stream::shutdown_write() {
  const int failed = socket_ ? sys::shutdown(socket_.fd(), SHUT_WR) : -EBADF;
  if (failed < 0 && failed != -ENOTCONN)
    throw_system_error(-failed, "shutdown " + peer_.to_string());
}

void socket_stream::set_option(int level, int name, int value, const char* what) {
  const int failed = socket_ ? sys::set_option(socket_.fd(), level, name, value) : -EBADF;
  if (failed < 0) throw_system_error(-failed, std::string(what) + " " + peer_.to_string());
}

std::optional<std::size_t> socket_stream::checked(std::int64_t outcome,
                                                  const char* operation) const {
  if (outcome == -EAGAIN) return std::nullopt;
  if (outcome < 0)
    throw_system_error(static_cast<int>(-outcome),
                       std::string(operation) + " " + peer_.to_string());
  return static_cast<std::size_t>(outcome);
}

socket_address socket_stream::local_address() const {
  return local_address_of(socket_);
}

socket_address socket_stream::peer_address() const {
  if (!socket_) throw_system_error(EBADF, "address of a closed stream");
  const socket_address known = peer_.address();
  if (known.family() != address_family::none) return known;
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  const int failed = sys::peer_name(socket_.fd(), &name, &size);
  if (failed < 0) throw_system_error(-failed, "address of the peer");
  return {reinterpret_cast<const sockaddr*>(&name), size};
}

socket_address local_address_of(const descriptor& socket) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  const int failed = socket ? sys::local_name(socket.fd(), &name, &size) : -EBADF;
  if (failed < 0) throw_system_error(-failed, "address of a socket");
  return {reinterpret_cast<const sockaddr*>(&name), size};
}

}  // namespace weft::detail
