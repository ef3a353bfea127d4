#pragma once

#include "plants.h"
#include "workload.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace weft::stress {

/// What the user asked for.
struct session_options {
  std::vector<workload_entry> workloads;
  std::size_t workers = 0;  // 0: another number in each epoch
  std::chrono::milliseconds length{10'000};
  std::uint64_t seed = 0;
  std::size_t chaos = 1;
  std::chrono::milliseconds patience{20'000};
  plant planted = plant::none;
  bool is_json = false;
  bool is_quiet = false;
  bool shows_progress = false;
  std::string replay;  // the command that repeats this
};

/// Runs the workloads one after the other, watches the invariants and prints the report. True: all
/// of them held. Ends the process with exit code 1 when something hangs, for a hung task cannot be
/// ended.
[[nodiscard]] bool run_session(const session_options& options);

/// weft-stress with these workloads: reads the command line, runs, gives the exit code. For programs
/// with workloads of their own.
[[nodiscard]] int stress_main(int argc, char** argv, std::vector<workload_entry> workloads);

}  // namespace weft::stress
