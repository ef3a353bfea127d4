#pragma once

#include <atomic>

namespace weft::stress {

/// True once the user wants to stop.
//   written by  the handler of SIGINT and SIGTERM, on any thread
//   read by     stages and the session; relaxed: no data hangs on it
[[nodiscard]] const std::atomic<bool>& interruption() noexcept;

/// From now on the first SIGINT or SIGTERM sets it; a second one ends the process.
void expect_interruption() noexcept;

}  // namespace weft::stress
