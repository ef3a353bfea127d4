// weft-top: what a running weft program does, again and again.
//
//   WEFT_PS=1 weft-echo --listen 127.0.0.1:0 &
//   weft-top $!
//
// Each second: how many tasks there are and what they do, how often the workers went a step, slept
// and woke each other, and what most tasks wait for. Ends with the program, or by SIGINT or
// SIGTERM.

#include "support/arguments.h"
#include "support/inspected_process.h"
#include "support/program.h"
#include "support/runtime_summary.h"
#include "support/task_listing.h"

#include <chrono>
#include <csignal>
#include <cstddef>
#include <ctime>
#include <iostream>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

namespace weft::tools {
namespace {

using clock = std::chrono::steady_clock;

struct top_options {
  std::size_t process = 0;
  std::size_t count = 0;
  std::chrono::milliseconds interval{1000};
};

/// What the process said at a time.
struct look {
  std::vector<listed_runtime> runtimes;
  clock::time_point when;
};
look look_at(pid_t process) {
  std::vector<listed_runtime> runtimes = read_task_listing(ask_for_tasks(process));
  return {.runtimes = std::move(runtimes), .when = clock::now()};
}

/// The signals that end the program wait until somebody asks for them.
sigset_t blocked_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

/// False: it is time to end.
bool pause(const sigset_t& signals, std::chrono::milliseconds interval) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(interval);
  const std::chrono::nanoseconds rest = interval - seconds;
  const timespec limit{.tv_sec = seconds.count(), .tv_nsec = rest.count()};
  return sigtimedwait(&signals, nullptr, &limit) < 0;
}

void print(const look& before, const look& now) {
  if (::isatty(STDOUT_FILENO) != 0) std::cout << "\x1b[H\x1b[2J";
  for (std::size_t i = 0; i < now.runtimes.size(); ++i) {
    // Runtimes that begin or end in between change places: then a rate is wrong once.
    const listed_runtime& then = i < before.runtimes.size() ? before.runtimes[i] : now.runtimes[i];
    std::cout << runtime_summary(then, now.runtimes[i], now.when - before.when);
  }
  std::cout << std::endl;
  require_output();
}

int run(const top_options& options) {
  const sigset_t signals = blocked_signals();
  const auto process = static_cast<pid_t>(options.process);
  look before = look_at(process);
  for (std::size_t shown = 0; options.count == 0 || shown < options.count; ++shown) {
    if (!pause(signals, options.interval)) return 0;
    std::optional<look> now;
    try {
      now = look_at(process);
    } catch (const std::runtime_error& error) {  // it has ended, most likely
      std::cerr << "weft-top: " << error.what() << std::endl;
      return shown > 0 ? 0 : exit_failed;
    }
    print(before, *now);
    before = std::move(*now);
  }
  return 0;
}

}  // namespace
}  // namespace weft::tools

int main(int argc, char** argv) {
  using namespace weft::tools;
  constexpr std::size_t pid_max = std::numeric_limits<pid_t>::max();
  constexpr std::size_t count_max = 1'000'000'000;
  top_options options;
  arguments line("weft-top",
                 "What a running weft program does, which was started with WEFT_PS=1 in its "
                 "environment.");
  line.operand("PID", options.process, {1, pid_max}, "the process");
  line.seconds("--interval", "SECONDS", options.interval, "from one look to the next (default 1)");
  line.number("--count", "N", options.count, {0, count_max}, "looks (default 0: until it ends)");
  return run_program("weft-top", [&] {
    if (const auto code = line.parse(argc, argv, std::cout, std::cerr)) return *code;
    if (options.interval.count() <= 0) {
      std::cerr << "weft-top: --interval: must be more than 0\n";
      return int{arguments::bad_usage};
    }
    return run(options);
  });
}
