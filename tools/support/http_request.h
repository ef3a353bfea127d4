#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft::tools {

/// What a request may cost before it is refused.
struct http_limits {
  std::size_t request_line_bytes = 4 * 1024;  // beyond: 414
  std::size_t head_bytes = 8 * 1024;          // request line and fields; beyond: 431
  std::size_t fields = 100;                   // beyond: 431
  std::uint64_t body_bytes = 1024 * 1024;     // beyond: 413
};

/// The head of one request, as far as a small responder needs it. The views point into the bytes
/// that were parsed.
struct http_request {
  std::string_view method;
  std::string_view path;         // without the query
  std::uint64_t body_bytes = 0;  // from Content-Length
  bool is_version_1_0 = false;
  bool keep_alive = true;  // what the client asks for, or the default of its version
  bool expects_continue = false;
  int refusal = 0;  // the status that refuses the request; 0: it is well formed
};

/// Parses a head: everything up to and including its empty line. Strict (RFC 9110, 9112): what two
/// parsers could understand differently is refused with 400, since it is how requests are smuggled.
[[nodiscard]] http_request parse_head(std::string_view head, const http_limits& limits) noexcept;

/// Looks for reasons to refuse a head before all of it is there: control characters and line ends
/// other than CRLF. `from` is where the last look ended. Gives a status, or 0.
[[nodiscard]] int refuse_early(std::string_view partial, std::size_t from,
                               const http_limits& limits) noexcept;

}  // namespace weft::tools
