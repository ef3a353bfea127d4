#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace weft::tools {

/// Buffers that a worker lends to whichever connection it serves at the moment, so that thousands
/// of idle connections need none. A buffer is the borrower's until it suspends: another connection
/// may use it then, and the borrower may go on elsewhere.
///
/// Ask again after every co_await. The functions are never inlined: a compiler may keep the address
/// of a thread's variable across a suspension, and so across threads.
[[nodiscard]] std::span<char> worker_read_buffer() noexcept;

/// Empty, with the room it had at its last use.
[[nodiscard]] std::string& worker_write_buffer() noexcept;

}  // namespace weft::tools
