#pragma once

#include <weft/net/server.h>
#include <weft/runtime/signal_set.h>
#include <weft/runtime/task.h>

#include <chrono>

namespace weft::tools {

/// While no shutdown_signal lives, SIGINT and SIGTERM do nothing by themselves: one that comes before
/// the first is the first that it gives, after the last the program is ending already. Call it first
/// in main.
void expect_shutdown_signals() noexcept;

/// SIGINT and SIGTERM, for programs that stop gracefully. Make it before telling anyone that the
/// program runs.
class shutdown_signal {
 public:
  shutdown_signal();

  /// Waits for the next of them, and gives it.
  [[nodiscard]] task<int> wait();

 private:
  signal_set signals_;
};

/// Closes the server: nothing is accepted any more, connections have `grace` to end by themselves,
/// the rest is aborted. A signal, or `idle` ending, cuts the grace short.
[[nodiscard]] task<> drain(server& closing, std::chrono::milliseconds grace,
                           shutdown_signal& impatience, task<> idle);

/// The same, where an idle connection cannot be told from a busy one.
[[nodiscard]] task<> drain(server& closing, std::chrono::milliseconds grace,
                           shutdown_signal& impatience);

}  // namespace weft::tools
