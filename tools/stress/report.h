#pragma once

#include "invariants.h"
#include "session.h"

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace weft::stress {

/// What became of one workload.
struct workload_report {
  std::string name;
  std::uint64_t epochs = 0;
  std::uint64_t cut_short = 0;  // epochs that a shutdown ended at a random instant
  std::uint64_t operations = 0;
  std::chrono::nanoseconds elapsed{0};
  std::int64_t live_bytes = 0;               // after its last epoch
  std::chrono::nanoseconds idle_cpu_max{0};  // of a second without work
  double idle_wakeups_max = 0;               // in a second without work, of all workers
  std::chrono::nanoseconds shutdown_max{0};
};

struct session_report {
  std::vector<workload_report> workloads;
  std::vector<violation> violations;  // the first ones
  std::uint64_t violation_count = 0;
  bool is_complete = false;  // false: something hung
};

void print_text(std::ostream& out, const session_options& options, const session_report& report);
void print_json(std::ostream& out, const session_options& options, const session_report& report);

}  // namespace weft::stress
