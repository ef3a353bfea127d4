#include "tcp.h"

#include "../runtime/detail/sys.h"
#include "../runtime/error.h"
#include "detail/race_connect.h"
#include "resolve.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include <netinet/tcp.h>

namespace weft {
namespace {

constexpr int keepalive_probes = 4;

/// What sys::socket gives, with Nagle's delay off.
int make_socket(const socket_address& to) noexcept {
  if (to.family() != address_family::ipv4 && to.family() != address_family::ipv6)
    return -EAFNOSUPPORT;
  const int fd = detail::sys::socket(to.data()->sa_family, SOCK_STREAM);
  if (fd >= 0) (void)detail::sys::set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  return fd;
}

}  // namespace

detail::connect_operation<tcp_stream> tcp_stream::connect(const socket_address& to) {
  return detail::connect_operation<tcp_stream>(make_socket(to), to);
}

namespace {

task<tcp_stream> connect_by_name(std::string host, std::uint16_t port) {
  std::vector<socket_address> found = co_await resolve(host, std::to_string(port));
  if (found.size() == 1) co_return co_await tcp_stream::connect(found.front());
  co_return co_await detail::race_connect(
      host + ":" + std::to_string(port), detail::interleave_families(found), detail::attempt_delay);
}

}  // namespace

task<tcp_stream> tcp_stream::connect(std::string_view host, std::uint16_t port) {
  return connect_by_name(std::string(host), port);
}

void tcp_stream::set_nodelay(bool on) {
  set_option(IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0, "set_nodelay");
}

void tcp_stream::set_keepalive(std::chrono::seconds idle) {
  const bool on = idle.count() > 0;
  if (on) {
    const auto seconds = static_cast<int>(std::min<std::int64_t>(idle.count(), 32767));
    set_option(IPPROTO_TCP, TCP_KEEPIDLE, seconds, "set_keepalive");
    set_option(IPPROTO_TCP, TCP_KEEPINTVL, std::max(1, seconds / keepalive_probes),
               "set_keepalive");
    set_option(IPPROTO_TCP, TCP_KEEPCNT, keepalive_probes, "set_keepalive");
  }
  set_option(SOL_SOCKET, SO_KEEPALIVE, on ? 1 : 0, "set_keepalive");
}

tcp_stream::halves tcp_stream::split() && {
  auto* const shared = new detail::shared_stream(std::move(*this));  // owned by the halves
  return {.reader = read_half(detail::stream_half(shared)),
          .writer = write_half(detail::stream_half(shared))};
}

namespace {

/// The stream behind a half; a closed one when the half was given back, so that its operations fail
/// with EBADF.
detail::socket_stream& stream_of(const detail::stream_half& half) noexcept {
  static detail::socket_stream closed;
  detail::socket_stream* const stream = half.stream();
  return stream == nullptr ? closed : *stream;
}

}  // namespace

detail::read_operation tcp_stream::read_half::read_some(byte_span into) noexcept {
  return stream_of(half_).read_some(into);
}
detail::ready_operation tcp_stream::read_half::readable() noexcept {
  return stream_of(half_).readable();
}
std::optional<std::size_t> tcp_stream::read_half::try_read_some(byte_span into) {
  return stream_of(half_).try_read_some(into);
}
socket_address tcp_stream::read_half::local_address() const {
  return stream_of(half_).local_address();
}
socket_address tcp_stream::read_half::peer_address() const {
  return stream_of(half_).peer_address();
}

tcp_stream::write_half& tcp_stream::write_half::operator=(write_half&& other) noexcept {
  if (this != &other) {
    close();
    half_ = std::move(other.half_);
  }
  return *this;
}
detail::write_some_operation tcp_stream::write_half::write_some(byte_view from) noexcept {
  return stream_of(half_).write_some(from);
}
detail::write_all_operation tcp_stream::write_half::write_all(byte_view from) noexcept {
  return stream_of(half_).write_all(from);
}
detail::write_parts_operation tcp_stream::write_half::write_all(
    std::span<const byte_view> parts) noexcept {
  return stream_of(half_).write_all(parts);
}
detail::ready_operation tcp_stream::write_half::writable() noexcept {
  return stream_of(half_).writable();
}
std::optional<std::size_t> tcp_stream::write_half::try_write_some(byte_view from) {
  return stream_of(half_).try_write_some(from);
}
detail::shutdown_operation tcp_stream::write_half::shutdown_write() noexcept {
  return detail::shutdown_operation(stream_of(half_));
}
socket_address tcp_stream::write_half::local_address() const {
  return stream_of(half_).local_address();
}
socket_address tcp_stream::write_half::peer_address() const {
  return stream_of(half_).peer_address();
}

void tcp_stream::write_half::close() noexcept {
  if (half_.stream() == nullptr) return;
  // Not worth a system call when the reader has gone already: closing says the same.
  if (!half_.alone()) (void)detail::sys::shutdown(half_.stream()->native_handle(), SHUT_WR);
  half_.release();
}

tcp_listener tcp_listener::bind(const socket_address& at, listen_options options) {
  const bool internet = at.family() == address_family::ipv4 || at.family() == address_family::ipv6;
  if (!internet) detail::throw_system_error(EAFNOSUPPORT, "bind " + at.to_string());
  detail::descriptor socket = detail::open_socket(at, SOCK_STREAM, "bind");
  detail::set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
  if (options.reuse_port) detail::set_option(socket, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT");
  if (at.family() == address_family::ipv6) {
    detail::set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, options.only_v6 ? 1 : 0, "IPV6_V6ONLY");
  }
  // Accepted sockets inherit it: one system call less for each.
  detail::set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
  detail::bind_socket(socket, at);
  detail::listen_socket(socket, at, options.backlog);
  return tcp_listener(std::move(socket));
}

}  // namespace weft
