#pragma once

#include <weft/runtime/task.h>

#include <chrono>

namespace weft::tools {

/// What the runtime's basic operations cost, each the best of several rounds.
struct micro_costs {
  using nanoseconds = std::chrono::duration<double, std::nano>;

  nanoseconds spawn_and_join{0};  // one of a thousand tasks at a time
  nanoseconds await_task{0};      // of a child that returns at once
  nanoseconds timer{0};           // armed and cancelled
  nanoseconds lock{0};            // and unlock, of a free mutex
};

/// Measures them; right on a runtime with one worker. Takes about a second.
[[nodiscard]] task<micro_costs> measure_micro_costs();

}  // namespace weft::tools
