#include "udp.h"

#include "../runtime/detail/sys.h"
#include "../runtime/error.h"
#include "detail/connection_operations.h"
#include "detail/socket_stream.h"

#include <cerrno>

namespace weft {

udp_socket udp_socket::bind(const socket_address& at, udp_options options) {
  const bool internet = at.family() == address_family::ipv4 || at.family() == address_family::ipv6;
  if (!internet) detail::throw_system_error(EAFNOSUPPORT, "bind " + at.to_string());
  detail::descriptor socket = detail::open_socket(at, SOCK_DGRAM, "bind");
  if (options.reuse_port) detail::set_option(socket, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT");
  if (options.broadcast) detail::set_option(socket, SOL_SOCKET, SO_BROADCAST, 1, "SO_BROADCAST");
  if (at.family() == address_family::ipv6) {
    detail::set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, options.only_v6 ? 1 : 0, "IPV6_V6ONLY");
  }
  detail::bind_socket(socket, at);
  return udp_socket(std::move(socket));
}

void udp_socket::connect(const socket_address& to) {
  const int failed = socket_ ? detail::sys::connect(socket_.fd(), to.data(), to.size()) : -EBADF;
  if (failed < 0) detail::throw_system_error(-failed, "connect " + to.to_string());
}

socket_address udp_socket::local_address() const {
  return detail::local_address_of(socket_);
}

}  // namespace weft
