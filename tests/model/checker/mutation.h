#pragma once

// How good are the models? Weakens each memory order that they reach, one at a time and by one step,
// and sees whether one of them fails. The sources stay as they are: the checker takes another order
// than the one that is asked for.

#include <string_view>

namespace weft::model {

struct mutation_run {
  /// Where the results go, a line for each weakened order as soon as it is known:
  ///
  ///   file line column operation order weaker models seconds found
  ///
  /// with tabs in between; `models`: how many reach it, `found`: the one that failed, or "-". What it
  /// has of an interrupted run is not done again, unless it is older than the program. A file that is
  /// there and is not such a report is refused.
  const char* report = nullptr;
  /// A report of the other program, or null: what it has found is left out.
  const char* known = nullptr;
  /// Only orders of files with such a path: "runtime/future.cpp", or one line: "...:88".
  std::string_view where = {};
  unsigned processes = 2;
};

/// Prints its progress. Returns the exit status.
int run_mutations(const mutation_run& how);

}  // namespace weft::model
