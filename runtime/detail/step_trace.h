#pragma once

#include "await_chain.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

namespace weft::detail {

struct task_state;

/// What the workers of a runtime have run and when, written as Chrome trace events when it ends:
/// ui.perfetto.dev and chrome://tracing show one row a worker. Nothing is written while the runtime
/// lives, so that the trace does not change what it shows; the oldest steps of a worker make room.
/// Format: "Trace Event Format", Duncan and others, Google, 2016.
class step_trace {
 public:
  /// Creates the file; throws std::system_error that names it. `process` may be empty. A worker
  /// keeps the last `steps_max` steps, 40 MiB, and at most twice as many names of tasks.
  step_trace(std::string path, std::string process, unsigned workers,
             std::size_t steps_max = std::size_t{1} << 20);
  /// Writes it. A failure is told to standard error.
  ~step_trace();
  step_trace(const step_trace&) = delete;
  step_trace& operator=(const step_trace&) = delete;

  /// On this worker, `task`, which the caller holds, ran from `begin` to `end`, in ns of the
  /// steady clock. A step for which there is no memory is left out.
  void add(unsigned worker, std::uint64_t begin, std::uint64_t end, const resume_point& from,
           task_state& task) noexcept;

 private:
  struct step {
    std::uint64_t begin;
    std::uint64_t end;
    std::uint64_t task;
    resume_point from;
  };
  /// Of one worker; touched by it alone until all have ended.
  struct alignas(64) row {
    std::deque<step> steps;
    std::unordered_map<std::uint64_t, std::string> names;  // of tasks that were given one
  };

  static void forget_names(row& of);
  void write() const;
  void write_row(std::string& text, std::size_t worker) const;
  void put(const std::string& text) const;

  const std::string path_;
  const std::string process_;
  const std::uint64_t started_;
  const std::size_t steps_max_;
  const int fd_;
  std::vector<row> rows_;
};

}  // namespace weft::detail
