#pragma once

#include <weft/net/server.h>
#include <weft/runtime/signal_set.h>
#include <weft/runtime/task.h>

#include <chrono>

namespace weft::tools {

/// What SIGINT and SIGTERM do while no shutdown_signal lives: before the first one, they end the
/// program with exit code 0, since it has begun nothing that would have to be ended; once drain()
/// has been called they do nothing, since it is ending already. Call it first in main.
void expect_shutdown_signals() noexcept;

/// SIGINT and SIGTERM, for programs that stop gracefully. While it lives they
/// do nothing by themselves; make it before telling anyone that the program
/// runs.
class shutdown_signal {
 public:
  shutdown_signal();

  /// Waits for the next of them, and gives it.
  [[nodiscard]] auto wait() { return signals_.wait(); }

 private:
  signal_set signals_;
};

/// Closes the server: nothing is accepted any more, connections have `grace` to
/// end by themselves, the rest is aborted. A signal, or `idle` ending, cuts the
/// grace short.
[[nodiscard]] task<> drain(server& closing, std::chrono::milliseconds grace,
                           shutdown_signal& impatience, task<> idle);

/// The same, where an idle connection cannot be told from a busy one.
[[nodiscard]] task<> drain(server& closing, std::chrono::milliseconds grace,
                           shutdown_signal& impatience);

}  // namespace weft::tools
