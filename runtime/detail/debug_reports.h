#pragma once

#include <cstddef>
#include <cstdint>

namespace weft {
struct exception_context;
}

namespace weft::detail {

class scheduler;
struct resume_point;
struct task_state;

/// Is WEFT_DEBUG set, to anything but 0 and the empty string?
bool debug_by_environment() noexcept;

/// One line to standard error. Never throws.
void print_report(const exception_context& context) noexcept;

/// The task is about to end with so many locks.
void report_held_locks(scheduler& home, task_state& task, std::size_t count) noexcept;

/// A step of the task, which the caller holds, has kept its worker for so long.
void report_slow_step(scheduler& home, task_state& task, std::uint64_t took_ns,
                      const resume_point& from) noexcept;

}  // namespace weft::detail
