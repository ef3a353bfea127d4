#pragma once

#include <cstdint>
#include <string>

namespace weft {

/// Counters of a runtime since its start. Exact while nothing runs, a moment behind otherwise.
struct runtime_metrics {
  std::uint64_t tasks_spawned = 0;
  std::uint64_t tasks_alive = 0;
  std::uint64_t polls = 0;             // resumptions of tasks
  std::uint64_t steals = 0;            // successful ones
  std::uint64_t parks = 0;             // times a worker fell asleep
  std::uint64_t rescues = 0;           // times an idle worker took over from one that stood still
  std::uint64_t notifications = 0;     // times a worker woke another one
  std::uint64_t reactor_polls = 0;     // looks at the descriptors
  std::uint64_t timers_armed = 0;      // waiting now
  std::uint64_t blocking_threads = 0;  // also those for name look-ups
};

/// In Prometheus' text format, names begin with "weft_".
std::string to_prometheus(const runtime_metrics& metrics);

/// What is alive in the process: all zero when every runtime is gone and nothing was left behind.
struct ledger {
  std::int64_t tasks = 0;          // spawned and not ended
  std::int64_t frames = 0;         // coroutine frames, and results that a handle still holds
  std::int64_t timers = 0;         // armed
  std::int64_t waiters = 0;        // tasks suspended in an operation
  std::int64_t registrations = 0;  // descriptors registered with a poller
  std::int64_t fds = 0;            // descriptors the library has opened and not closed
  std::int64_t bytes = 0;          // memory of frames
};

/// Walks the frame memory of the process: exact while nothing runs. Any thread.
ledger take_ledger() noexcept;

}  // namespace weft
