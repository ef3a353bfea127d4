// weft-ps: the tasks of a running weft program.
//
//   WEFT_PS=1 weft-echo --listen 127.0.0.1:0 &
//   weft-ps $!          a line a task: name, state, what it waits for, and the coroutines it is in
//   weft-ps --tree $!   who waits for whom
//
// Tasks that wait for each other in a ring are named below. The program goes on meanwhile.

#include "support/arguments.h"
#include "support/inspected_process.h"
#include "support/program.h"
#include "support/runtime_summary.h"
#include "support/task_listing.h"

#include <cstddef>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

#include <sys/types.h>

namespace weft::tools {
namespace {

struct ps_options {
  std::size_t process = 0;
  bool tree = false;
};

/// "task-3 [3]".
std::string title(const listed_runtime& runtime, task_number id) {
  for (const listed_task& each : runtime.tasks) {
    if (each.id == id) return each.name + " [" + std::to_string(id) + ']';
  }
  return std::to_string(id);
}

std::string ring_text(const listed_runtime& runtime, const std::vector<task_number>& ring) {
  std::string text = "cycle: ";
  for (const task_number each : ring) text += title(runtime, each) + " -> ";
  return text + title(runtime, ring.front());
}

void print(const listed_runtime& runtime, bool as_tree) {
  std::cout << runtime_headline(runtime) << '\n'
            << (as_tree ? task_tree(runtime) : task_table(runtime));
  for (const auto& ring : await_cycles(runtime)) std::cout << ring_text(runtime, ring) << '\n';
}

int run(const ps_options& options) {
  const std::string answer = ask_for_tasks(static_cast<pid_t>(options.process));
  for (const listed_runtime& each : read_task_listing(answer)) print(each, options.tree);
  require_output();
  return 0;
}

}  // namespace
}  // namespace weft::tools

int main(int argc, char** argv) {
  using namespace weft::tools;
  constexpr std::size_t pid_max = std::numeric_limits<pid_t>::max();
  ps_options options;
  arguments line("weft-ps",
                 "The tasks of a running weft program, which was started with WEFT_PS=1 in its "
                 "environment.");
  line.operand("PID", options.process, {1, pid_max}, "the process");
  line.flag("--tree", options.tree, "who waits for whom, instead of a table");
  return run_program("weft-ps", [&] {
    if (const auto code = line.parse(argc, argv, std::cout, std::cerr)) return *code;
    return run(options);
  });
}
