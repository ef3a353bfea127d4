#pragma once

#include "../runtime/task.h"
#include "address.h"

#include <string_view>
#include <system_error>
#include <vector>

namespace weft {

/// Errors of name resolution: std::system_error("resolve nosuch.example: Name or service not
/// known"). Values are EAI_*.
const std::error_category& resolve_category() noexcept;

/// The addresses of a host, in the order in which to try them (RFC 6724). A numeric address needs
/// no look-up; a service is a number, a name ("http"), or empty (port 0).
///
/// Runs getaddrinfo on the blocking pool: a worker never waits for it. Throws std::system_error
/// with resolve_category(), std::invalid_argument for text with a NUL inside.
/// Cancellation: returns at once, the look-up ends by itself.
[[nodiscard]] task<std::vector<socket_address>> resolve(std::string_view host,
                                                        std::string_view service);

}  // namespace weft
