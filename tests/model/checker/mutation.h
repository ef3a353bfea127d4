#pragma once

// How good are the models? Weakens each memory order that they reach, one at a time and by one step,
// and sees whether one of them fails. The sources stay as they are: the checker takes another order
// than the one that is asked for.

#include <cstdio>
#include <string_view>

namespace weft::model {

/// Every so many orders one, for several processes: those whose number leaves `first` modulo
/// `step`; of files whose path contains `of_file`.
struct mutation_part {
  unsigned first = 0;
  unsigned step = 1;
  std::string_view of_file = {};
};

/// Writes a line for each weakened order to `report`:
///
///   file  line  operation  order  weaker order  models that reach it  model that failed, or "-"
///
/// with tabs in between, as soon as it is known.
void run_mutations(std::FILE* report, mutation_part part);

}  // namespace weft::model
