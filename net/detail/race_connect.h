#pragma once

#include "../tcp.h"

#include <chrono>
#include <string>
#include <vector>

namespace weft::detail {

/// RFC 8305: the time an attempt has for itself before the next one begins beside it.
inline constexpr std::chrono::milliseconds attempt_delay{250};

/// IPv6 and IPv4 in turn, beginning with the family that comes first; else in their order.
std::vector<socket_address> interleave_families(const std::vector<socket_address>& addresses);

/// Connects to the first address that answers. The next attempt begins when the one before has
/// failed, or after `delay`; all others are given up, and have ended, when it returns. When all
/// fail it throws the first failure, with a text that names each. `name`: what is connected to, for
/// that text.
/// Requires: `addresses` is not empty.
task<tcp_stream> race_connect(std::string name, std::vector<socket_address> addresses,
                              std::chrono::milliseconds delay);

}  // namespace weft::detail
