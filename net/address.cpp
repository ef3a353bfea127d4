#include "address.h"

#include "../runtime/detail/sys.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <stdexcept>

#include <arpa/inet.h>

namespace weft {
namespace {

constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);
constexpr std::string_view path_prefix = "unix:";

/// Decimal, the whole text, no sign, no leading zeros.
template <class T>
std::optional<T> parse_number(std::string_view text) noexcept {
  T value = 0;
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

/// A copy that ends in NUL, for functions of C.
using c_text = std::array<char, INET6_ADDRSTRLEN + 1>;
std::optional<c_text> to_c(std::string_view text) noexcept {
  c_text copy{};
  if (text.size() >= copy.size() || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::copy(text.begin(), text.end(), copy.begin());
  return copy;
}

/// The number or the interface name behind the '%' of an IPv6 address.
std::optional<std::uint32_t> parse_scope(std::string_view text) noexcept {
  if (const auto number = parse_number<std::uint32_t>(text)) return number;
  const auto name = to_c(text);
  const std::uint32_t index = name ? detail::sys::interface_index(name->data()) : 0;
  if (index == 0) return std::nullopt;
  return index;
}

/// "host:port" or "[host]:port" in two.
struct host_and_port {
  std::string_view host;
  std::string_view port;
  bool bracketed = false;
};
std::optional<host_and_port> split_port(std::string_view text) noexcept {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  host_and_port parts{.host = text.substr(0, colon), .port = text.substr(colon + 1)};
  if (parts.host.starts_with('[') && parts.host.ends_with(']')) {
    parts.host = parts.host.substr(1, parts.host.size() - 2);
    parts.bracketed = true;
  }
  return parts;
}

}  // namespace

socket_address::socket_address() noexcept : address_{} {
  address_.generic.sa_family = AF_UNSPEC;
}

socket_address::socket_address(std::string_view text) : socket_address(parse(text)) {}
socket_address::socket_address(const char* text) : socket_address(std::string_view(text)) {}
socket_address::socket_address(const std::string& text) : socket_address(std::string_view(text)) {}

socket_address::socket_address(const sockaddr* address, socklen_t size) noexcept
    : socket_address() {
  size_ = std::min<socklen_t>(size, sizeof address_);
  std::memcpy(&address_, address, size_);
}

std::optional<socket_address> socket_address::from_host(std::string_view host,
                                                        std::uint16_t port) noexcept {
  socket_address made;
  if (const auto text = to_c(host);
      text && ::inet_pton(AF_INET, text->data(), &made.address_.v4.sin_addr) == 1) {
    made.address_.v4.sin_family = AF_INET;
    made.address_.v4.sin_port = htons(port);
    made.size_ = sizeof made.address_.v4;
    return made;
  }
  made = socket_address();
  const std::size_t percent = host.find('%');
  const auto text = to_c(host.substr(0, percent));
  if (!text || ::inet_pton(AF_INET6, text->data(), &made.address_.v6.sin6_addr) != 1)
    return std::nullopt;
  if (percent != std::string_view::npos) {
    const auto scope = parse_scope(host.substr(percent + 1));
    if (!scope) return std::nullopt;
    made.address_.v6.sin6_scope_id = *scope;
  }
  made.address_.v6.sin6_family = AF_INET6;
  made.address_.v6.sin6_port = htons(port);
  made.size_ = sizeof made.address_.v6;
  return made;
}

std::optional<socket_address> socket_address::try_path(std::string_view path) noexcept {
  socket_address made;
  if (path.empty() || path == "@" || path.size() >= sizeof made.address_.local.sun_path ||
      path.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  made.address_.local.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), made.address_.local.sun_path);
  const bool abstract = path.front() == '@';
  if (abstract) made.address_.local.sun_path[0] = '\0';
  // The NUL behind a path counts; abstract names have none.
  made.size_ = static_cast<socklen_t>(path_offset + path.size() + (abstract ? 0 : 1));
  return made;
}

socket_address socket_address::from_path(std::string_view path) {
  if (const auto made = try_path(path)) return *made;
  throw std::invalid_argument("not a socket path: \"" + std::string(path) + "\"");
}

std::optional<socket_address> socket_address::try_parse(std::string_view text) noexcept {
  if (text.starts_with(path_prefix)) return try_path(text.substr(path_prefix.size()));
  if (text.starts_with('/')) return try_path(text);
  const auto parts = split_port(text);
  if (!parts) return std::nullopt;
  const auto port = parse_number<std::uint16_t>(parts->port);
  if (!port) return std::nullopt;
  auto made = from_host(parts->host, *port);
  if (made && (made->family() == address_family::ipv6) != parts->bracketed) return std::nullopt;
  return made;
}

socket_address socket_address::parse(std::string_view text) {
  if (const auto made = try_parse(text)) return *made;
  throw std::invalid_argument("not a socket address: \"" + std::string(text) + "\"");
}

address_family socket_address::family() const noexcept {
  switch (address_.generic.sa_family) {
    case AF_INET:
      return address_family::ipv4;
    case AF_INET6:
      return address_family::ipv6;
    case AF_UNIX:
      return address_family::local;
    default:
      return address_family::none;
  }
}

std::uint16_t socket_address::port() const noexcept {
  switch (family()) {
    case address_family::ipv4:
      return ntohs(address_.v4.sin_port);
    case address_family::ipv6:
      return ntohs(address_.v6.sin6_port);
    case address_family::none:
    case address_family::local:
      break;
  }
  return 0;
}

socket_address socket_address::with_port(std::uint16_t port) const noexcept {
  socket_address copy = *this;
  if (family() == address_family::ipv4) copy.address_.v4.sin_port = htons(port);
  if (family() == address_family::ipv6) copy.address_.v6.sin6_port = htons(port);
  return copy;
}

std::uint32_t socket_address::scope() const noexcept {
  return family() == address_family::ipv6 ? address_.v6.sin6_scope_id : 0;
}

/// The address as the kernel has it. Abstract names keep their leading NUL, paths lose the NUL at
/// their end.
std::string_view socket_address::host_bytes() const noexcept {
  switch (family()) {
    case address_family::ipv4:
      return {reinterpret_cast<const char*>(&address_.v4.sin_addr), sizeof address_.v4.sin_addr};
    case address_family::ipv6:
      return {reinterpret_cast<const char*>(&address_.v6.sin6_addr), sizeof address_.v6.sin6_addr};
    case address_family::local: {
      std::string_view path(address_.local.sun_path, size_ > path_offset ? size_ - path_offset : 0);
      if (!path.empty() && path.front() != '\0') path = path.substr(0, path.find('\0'));
      return path;
    }
    case address_family::none:
      break;
  }
  return {};
}

std::string socket_address::host() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  switch (family()) {
    case address_family::ipv4:
      return ::inet_ntop(AF_INET, &address_.v4.sin_addr, text.data(), text.size());
    case address_family::ipv6: {
      std::string host = ::inet_ntop(AF_INET6, &address_.v6.sin6_addr, text.data(), text.size());
      if (scope() != 0) host += "%" + std::to_string(scope());
      return host;
    }
    case address_family::local: {
      std::string path(host_bytes());
      if (!path.empty() && path.front() == '\0') {
        path.front() = '@';
      } else if (!path.empty() && path.front() == '@') {
        path.insert(0, "./");  // a file of that name
      }
      return path;
    }
    case address_family::none:
      break;
  }
  return {};
}

std::string socket_address::to_string() const {
  switch (family()) {
    case address_family::ipv4:
      return host() + ":" + std::to_string(port());
    case address_family::ipv6:
      return "[" + host() + "]:" + std::to_string(port());
    case address_family::local:
      return std::string(path_prefix) + host();
    case address_family::none:
      break;
  }
  return "none";
}

std::strong_ordering socket_address::operator<=>(const socket_address& other) const noexcept {
  if (const auto order = family() <=> other.family(); order != 0) return order;
  if (const auto order = host_bytes() <=> other.host_bytes(); order != 0) return order;
  if (const auto order = scope() <=> other.scope(); order != 0) return order;
  return port() <=> other.port();
}

std::size_t socket_address::hash() const noexcept {
  const std::size_t host = std::hash<std::string_view>()(host_bytes());
  const auto rest =
      std::size_t{port()} << 40 ^ std::size_t{scope()} << 8 ^ static_cast<std::size_t>(family());
  return host ^ rest * 0x9E37'79B9'7F4A'7C15;
}

}  // namespace weft
