// The command line of weft-stress and of programs like it.

#include "../support/arguments.h"
#include "../support/program.h"
#include "disturbance.h"
#include "interruption.h"
#include "session.h"
#include <weft/runtime/detail/idle_set.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iostream>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>

namespace weft::stress {

namespace {

struct command_line {
  session_options session;
  std::string workload = "all";
  std::string planted;
  std::string seed;
  bool lists_workloads = false;
  bool lists_plants = false;
};

void add_options(tools::arguments& line, command_line& into) {
  session_options& session = into.session;
  line.text("--workload", "NAME", into.workload, "one of --list-workloads; default all, in turn");
  line.number("--workers", "N", session.workers, {0, detail::idle_set::workers_max},
              "threads that run tasks; default 0: another number in each epoch");
  line.seconds("--seconds", "S", session.length,
               "how long, for all workloads together; default 10");
  line.text("--seed", "X", into.seed, "repeats the plan of an earlier run; default: a new one");
  line.number("--chaos", "LEVEL", session.chaos, {0, chaos_level_max},
              "how much threads are disturbed: 0 (not) to 3; default 1");
  line.seconds("--patience", "S", session.patience,
               "who does nothing for so long hangs; default 20");
  line.text("--plant", "NAME", into.planted,
            "build in a fault, one of --list-plants: the run must then fail");
  line.flag("--json", session.is_json, "print one JSON object at the end");
  line.flag("--progress", session.shows_progress, "show progress even if stderr is no terminal");
  line.flag("--quiet", session.is_quiet, "show no progress");
  line.flag("--list-workloads", into.lists_workloads, "print their names");
  line.flag("--list-plants", into.lists_plants,
            "print the names of the faults that can be built in");
}

std::uint64_t read_seed(const std::string& text) {
  if (text.empty()) return std::random_device()();
  std::uint64_t seed = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, seed);
  if (error == std::errc{} && stopped == end) return seed;
  throw std::invalid_argument("--seed: \"" + text + "\" is not a whole number");
}

/// Leaves the chosen one in the list.
void choose(std::vector<workload_entry>& all, const std::string& name) {
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const workload_entry& each) { return each.name == name; });
  if (found == all.end()) {
    throw std::invalid_argument("--workload: \"" + name + "\" is not one of --list-workloads");
  }
  workload_entry chosen = std::move(*found);
  all.clear();
  all.push_back(std::move(chosen));
}

/// A fault is built into one workload, which is then the one to run.
void choose_plant(command_line& chosen) {
  const plant_info& info = [&]() -> const plant_info& {
    try {
      return find_plant(chosen.planted);
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument(std::string("--plant: ") + error.what());
    }
  }();
  if (chosen.workload != "all" && chosen.workload != info.workload) {
    throw std::invalid_argument("--plant: \"" + chosen.planted + "\" is built into workload " +
                                std::string(info.workload) + ", not " + chosen.workload);
  }
  chosen.workload = info.workload;
  chosen.session.planted = info.which;
}

void complete(command_line& chosen, const std::string& program) {
  session_options& session = chosen.session;
  session.seed = read_seed(chosen.seed);
  if (!chosen.planted.empty()) choose_plant(chosen);
  if (chosen.workload != "all") choose(session.workloads, chosen.workload);
  if (session.length.count() <= 0) throw std::invalid_argument("--seconds: must be more than 0");
  if (session.patience.count() < 1000)
    throw std::invalid_argument("--patience: must be at least 1");
  const auto seconds = std::to_string((session.length.count() + 999) / 1000);
  session.replay = program + " --workload " + chosen.workload + " --workers " +
                   std::to_string(session.workers) + " --seconds " + seconds + " --seed " +
                   std::to_string(session.seed) + " --chaos " + std::to_string(session.chaos) +
                   (session.patience == session_options().patience
                        ? ""
                        : " --patience " + std::to_string(session.patience.count() / 1000)) +
                   (chosen.planted.empty() ? "" : " --plant " + chosen.planted);
}

void list_names(const command_line& chosen) {
  if (chosen.lists_workloads) {
    for (const workload_entry& each : chosen.session.workloads) std::cout << each.name << '\n';
  }
  if (chosen.lists_plants) {
    for (const plant_info& each : all_plants()) std::cout << each.name << '\n';
  }
}

void announce(const session_options& session) {
  if (session.is_quiet) return;
  std::cerr << "weft-stress: seed " << session.seed << ", chaos level " << session.chaos << ", "
            << (has_chaos_points() ? "chaos points are built in"
                                   : "chaos points are not built in (WEFT_CHAOS=ON does that): "
                                     "the preemptor and the workloads' own pauses remain")
            << std::endl;
}

}  // namespace

int stress_main(int argc, char** argv, std::vector<workload_entry> workloads) {
  expect_interruption();
  command_line chosen;
  chosen.session.workloads = std::move(workloads);
  // Programs with workloads of their own are called otherwise.
  const std::string program =
      argc > 0 ? std::filesystem::path(argv[0]).filename().string() : "weft-stress";
  tools::arguments line(program, "Uses the library hard and checks that its promises hold.");
  add_options(line, chosen);
  if (const auto code = line.parse(argc, argv, std::cout, std::cerr)) return *code;
  if (chosen.lists_workloads || chosen.lists_plants) {
    list_names(chosen);
    return 0;
  }
  try {
    complete(chosen, program);
  } catch (const std::invalid_argument& error) {
    std::cerr << program << ": " << error.what() << " (try " << program << " --help)\n";
    return tools::arguments::bad_usage;
  }
  announce(chosen.session);
  return tools::run_program(
      program, [&chosen] { return run_session(chosen.session) ? 0 : tools::exit_failed; });
}

}  // namespace weft::stress
