#pragma once

#include "task_listing.h"

#include <chrono>
#include <string>

namespace weft::tools {

/// "runtime NAME: 2 workers, 5 tasks".
std::string runtime_headline(const listed_runtime& runtime);

/// What a runtime does, from two looks at it with `between` in between: its headline, what its
/// tasks do, its counters by the second, and what most of them wait for.
std::string runtime_summary(const listed_runtime& before, const listed_runtime& now,
                            std::chrono::duration<double> between);

}  // namespace weft::tools
