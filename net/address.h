#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace weft {

enum class address_family : std::uint8_t { none, ipv4, ipv6, local };

/// Where a socket is: an IPv4 or IPv6 address with a port, or a Unix socket's path or abstract
/// name.
///
/// Text forms, which to_string() gives back: `127.0.0.1:80`, `[::1]:80`, `[fe80::1%2]:80` (scope by
/// number or interface name), `unix:/run/my.sock` (or just the path, when it begins with a slash),
/// `unix:@abstract`. Names are not addresses: resolve() turns them into some.
///
/// A value: trivially copyable, ordered by family, host, port.
class socket_address {
 public:
  /// No address: family() is none.
  socket_address() noexcept;
  /// As parse().
  socket_address(
      std::string_view text);        // NOLINT(google-explicit-constructor): bind("127.0.0.1:0")
  socket_address(const char* text);  // NOLINT(google-explicit-constructor): as above
  socket_address(const std::string& text);  // NOLINT(google-explicit-constructor): as above
  /// What the kernel says.
  socket_address(const sockaddr* address, socklen_t size) noexcept;

  /// Strict: the whole text, decimal numbers without leading zeros. Throws std::invalid_argument
  /// that quotes the text.
  static socket_address parse(std::string_view text);
  static std::optional<socket_address> try_parse(std::string_view text) noexcept;

  /// A numeric IPv4 or IPv6 address (without brackets) and a port; empty when `host` is a name.
  static std::optional<socket_address> from_host(std::string_view host,
                                                 std::uint16_t port) noexcept;
  /// The socket with this path; a leading '@' makes it abstract. Throws std::invalid_argument when
  /// it is empty, too long (107 bytes) or has a NUL inside.
  static socket_address from_path(std::string_view path);

  [[nodiscard]] address_family family() const noexcept;
  /// 0 for Unix sockets.
  [[nodiscard]] std::uint16_t port() const noexcept;
  [[nodiscard]] socket_address with_port(std::uint16_t port) const noexcept;
  /// The address without its port, or the path.
  [[nodiscard]] std::string host() const;
  [[nodiscard]] std::string to_string() const;

  std::strong_ordering operator<=>(const socket_address& other) const noexcept;
  bool operator==(const socket_address& other) const noexcept { return (*this <=> other) == 0; }
  [[nodiscard]] std::size_t hash() const noexcept;

  /// For system calls.
  [[nodiscard]] const sockaddr* data() const noexcept { return &address_.generic; }
  [[nodiscard]] socklen_t size() const noexcept { return size_; }

 private:
  static std::optional<socket_address> try_path(std::string_view path) noexcept;
  [[nodiscard]] std::string_view host_bytes() const noexcept;
  [[nodiscard]] std::uint32_t scope() const noexcept;

  union {
    sockaddr generic;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_un local;
  } address_;
  socklen_t size_ = 0;
};

}  // namespace weft

template <>
struct std::hash<weft::socket_address> {
  std::size_t operator()(const weft::socket_address& address) const noexcept {
    return address.hash();
  }
};
