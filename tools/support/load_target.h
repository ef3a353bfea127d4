#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weft::tools {

/// Whom to load: an echo server, "HOST:PORT", or one page of an HTTP server,
/// "http://HOST:PORT/PATH".
struct load_target {
  std::string name;  // as it was given
  std::string host;  // without the brackets of an IPv6 address
  std::string port;
  std::string http_request;  // empty: echo

  [[nodiscard]] bool is_http() const noexcept { return !http_request.empty(); }

  /// Throws std::invalid_argument that quotes the text.
  static load_target parse(std::string_view text);
};

}  // namespace weft::tools
