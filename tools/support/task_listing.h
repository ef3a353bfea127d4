#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace weft::tools {

using task_number = std::uint64_t;

/// A task of another process, as that has told of it.
struct listed_task {
  task_number id = 0;
  task_number parent = 0;  // 0: not known
  std::string state;
  std::string name;
  std::string where;                    // what it waits for; may be empty
  std::vector<task_number> awaits;      // the tasks whose ends, or lock, it waits for
  std::vector<std::string> coroutines;  // that it waits in, the innermost first
  std::size_t more_coroutines = 0;      // left out
};

struct listed_runtime {
  std::string name;  // may be empty
  std::size_t workers = 0;
  std::map<std::string, std::uint64_t> metrics;
  std::vector<listed_task> tasks;  // by id
};

/// Reads what a process tells about its tasks; the format is that of runtime/detail/inspection.h.
/// Throws std::runtime_error that says what is wrong with it: another version, or cut off.
std::vector<listed_runtime> read_task_listing(std::string_view text);

/// Tasks that wait for each other, each ring once: {1, 2} is 1 -> 2 -> 1.
std::vector<std::vector<task_number>> await_cycles(const listed_runtime& runtime);

/// A line a task: what it does, what it waits for, and the coroutines it waits in.
std::string task_table(const listed_runtime& runtime);

/// Who waits for whom: below each task its coroutines, the outermost first, and the tasks that it
/// waits for. A task that was drawn already is only named.
std::string task_tree(const listed_runtime& runtime);

}  // namespace weft::tools
