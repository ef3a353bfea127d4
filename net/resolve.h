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
/// Runs getaddrinfo on threads that the runtime keeps for it, so that neither a worker waits nor a
/// busy blocking pool delays it. Throws std::system_error with resolve_category(), or when no
/// thread could be started; std::invalid_argument for text with a NUL inside.
/// Bound: 32 look-ups at once, further ones wait in line. The threads start with the first one and
/// end after runtime_options::blocking_keep_alive.
/// Cancellation: returns at once, the look-up ends by itself.
[[nodiscard]] task<std::vector<socket_address>> resolve(std::string_view host,
                                                        std::string_view service);

}  // namespace weft
