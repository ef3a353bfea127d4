#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>

namespace weft::stress {

/// What the process has now, as Linux's /proc tells it.
[[nodiscard]] std::size_t open_descriptors();
[[nodiscard]] std::size_t running_threads();
[[nodiscard]] std::chrono::nanoseconds cpu_time() noexcept;

/// Allocated by new and not deleted, in all threads. Exact while nothing runs. Whoever links this
/// gets an operator new that counts.
[[nodiscard]] std::int64_t live_bytes() noexcept;

/// Every task of the process, and where every thread of it is: for a report about a hang. Reads
/// what other threads may change meanwhile, and stops nobody.
void dump_everything(std::ostream& out);

}  // namespace weft::stress
