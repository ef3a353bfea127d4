// weft-load: loads an echo or HTTP server and says how long it took to answer.
//
//   weft-load --target 127.0.0.1:7000 --connections 1000 --seconds 10
//   weft-load --target http://127.0.0.1:8080/plaintext --connections 64 --seconds 10 --rate 50000

#include "support/arguments.h"
#include "support/format.h"
#include "support/load_generator.h"
#include "support/load_statistics.h"
#include "support/load_target.h"
#include "support/program.h"
#include "support/progress.h"
#include "support/shutdown_signal.h"
#include <weft/net/address.h>
#include <weft/net/tcp.h>
#include <weft/runtime/clock.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/select.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/task.h>
#include <weft/sync/event.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace tools = weft::tools;

constexpr auto progress_period = 500ms;
constexpr std::size_t spare_descriptors = 64;  // besides one for each connection

struct settings {
  tools::load_target target;
  std::size_t connections = 100;
  std::size_t workers = 1;
  tools::load_plan plan{.length = 10s};
  bool json = false;
  bool quiet = false;
  bool progress = false;

  [[nodiscard]] bool is_open_loop() const noexcept { return plan.rate > 0; }
};

struct report {
  weft::clock::duration elapsed{0};
  std::uint64_t messages = 0;
  std::uint64_t errors = 0;
  std::string first_error;
  std::uint64_t held_up = 0;             // planned and not sent
  std::chrono::nanoseconds interval{0};  // between two messages of a connection, on average
  tools::histogram latency;              // corrected for coordinated omission

  [[nodiscard]] double seconds() const noexcept {
    return std::chrono::duration<double>(elapsed).count();
  }
  [[nodiscard]] double messages_per_second() const noexcept {
    return elapsed > 0ns ? static_cast<double>(messages) / seconds() : 0;
  }
};

// ---- The run ------------------------------------------------------------------------------------

/// The first signal ends the run, and its results are shown; at the second this ends, and with it
/// the program.
weft::task<> watch_signals(weft::event& stop) {
  tools::shutdown_signal signal;
  (void)co_await signal.wait();
  stop.set();
  (void)co_await signal.wait();
}

/// Goes on until it is cancelled.
weft::task<> show_progress(const settings& chosen, const tools::load_statistics& seen) {
  const bool is_wanted = !chosen.quiet && (chosen.progress || tools::progress_line::is_terminal());
  tools::progress_line line(is_wanted ? tools::progress_line::mode::on
                                      : tools::progress_line::mode::off);
  const weft::clock::time_point begin = weft::clock::now();
  std::uint64_t before = 0;
  for (;;) {
    co_await weft::sleep(progress_period);
    const std::uint64_t messages = seen.messages();
    const double seconds = std::chrono::duration<double>(weft::clock::now() - begin).count();
    const double rate = static_cast<double>(messages - before) /
                        std::chrono::duration<double>(progress_period).count();
    line.show(tools::fixed(seconds, 1) + " s   " +
              tools::grouped(static_cast<std::uint64_t>(rate)) + " messages/s   " +
              tools::grouped(seen.errors()) + " errors");
    before = messages;
  }
}

weft::task<report> load(const settings& chosen, weft::event& stop) {
  tools::load_statistics seen;
  const weft::socket_address address = co_await tools::find_address(chosen.target);
  auto connections = co_await tools::connect_all(address, chosen.connections, stop);
  const auto ended =
      co_await weft::select(tools::drive(connections, chosen.target, chosen.plan, seen, stop),
                            show_progress(chosen, seen));
  report found{.elapsed = std::get<0>(ended),
               .messages = seen.messages(),
               .errors = seen.errors(),
               .first_error = seen.first_error(),
               .interval = seen.mean_interval(std::get<0>(ended), connections.size()),
               .latency = seen.latency()};
  found.held_up = found.latency.count() - found.messages;
  if (!chosen.is_open_loop()) found.latency.correct(found.interval);
  co_return found;
}

weft::task<std::optional<report>> load_until_signal(const settings& chosen) {
  weft::event stop;
  auto ended = co_await weft::select(load(chosen, stop), watch_signals(stop));
  if (ended.index() != 0) co_return std::nullopt;
  co_return std::get<0>(std::move(ended));
}

// ---- Its report ---------------------------------------------------------------------------------

struct percentile {
  std::string_view name;
  double fraction;
};
constexpr std::array percentiles{percentile{"p50", 0.5}, percentile{"p90", 0.9},
                                 percentile{"p99", 0.99}, percentile{"p99.9", 0.999}};

std::string describe(const settings& chosen) {
  std::string text = chosen.target.name + ", " + tools::grouped(chosen.connections) +
                     (chosen.connections == 1 ? " connection" : " connections");
  if (!chosen.target.is_http()) text += ", " + tools::grouped(chosen.plan.size) + " bytes";
  return text;
}

/// How latency is kept free of coordinated omission.
std::string describe_loop(const settings& chosen, const report& result) {
  if (chosen.is_open_loop()) {
    return "open loop, " + tools::fixed(chosen.plan.rate, 0) +
           " messages/s planned: latency counts from the planned time of sending";
  }
  return "closed loop, a message each " + tools::short_time(result.interval) +
         " on a connection: latency counts what a longer wait held up, too";
}

void print_text(const settings& chosen, const report& result) {
  std::vector<tools::table_row> rows{
      {"messages", tools::grouped(result.messages)},
      {"messages/s", tools::grouped(static_cast<std::uint64_t>(result.messages_per_second()))},
      {"errors", tools::grouped(result.errors)},
  };
  if (result.held_up > 0) rows.push_back({"not sent in time", tools::grouped(result.held_up)});
  for (const auto& [name, fraction] : percentiles) {
    rows.push_back(
        {"latency " + std::string(name), tools::short_time(result.latency.percentile(fraction))});
  }
  rows.push_back({"latency max", tools::short_time(result.latency.max())});
  std::cout << describe(chosen) << ", " << tools::fixed(result.seconds(), 1) << " s\n"
            << describe_loop(chosen, result) << "\n\n";
  tools::print_table(std::cout, rows);
}

std::string microseconds(std::chrono::nanoseconds value) {
  return tools::fixed(std::chrono::duration<double, std::micro>(value).count(), 3);
}

void print_json(const settings& chosen, const report& result) {
  std::cout << "{\"target\": " << tools::json_string(chosen.target.name)
            << ", \"loop\": " << (chosen.is_open_loop() ? "\"open\"" : "\"closed\"")
            << ", \"connections\": " << chosen.connections
            << ", \"seconds\": " << tools::fixed(result.seconds(), 3)
            << ", \"messages\": " << result.messages
            << ", \"messages_per_second\": " << tools::fixed(result.messages_per_second(), 1)
            << ", \"errors\": " << result.errors << ", \"not_sent\": " << result.held_up
            << ", \"latency_us\": {";
  for (const auto& [name, fraction] : percentiles) {
    std::cout << '"' << name << "\": " << microseconds(result.latency.percentile(fraction)) << ", ";
  }
  std::cout << "\"max\": " << microseconds(result.latency.max()) << "}}\n";
}

// ---- The command line ---------------------------------------------------------------------------

double read_rate(std::string_view text) {
  double rate = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, rate);
  if (error == std::errc{} && stopped == end && rate > 0 && rate <= 1e9) return rate;
  throw std::invalid_argument('"' + std::string(text) + "\" is not a number of messages a second");
}

void add_options(tools::arguments& line, settings& into) {
  line.custom(
      "--target", "TARGET",
      [&into](std::string_view text) { into.target = tools::load_target::parse(text); },
      "HOST:PORT of an echo server, or http://HOST:PORT/PATH");
  line.number("--connections", "N", into.connections, {1, 1'000'000}, "default 100");
  line.seconds("--seconds", "S", into.plan.length, "how long, default 10");
  line.custom(
      "--rate", "R", [&into](std::string_view text) { into.plan.rate = read_rate(text); },
      "messages a second over all connections; else the next follows each "
      "answer");
  line.number("--size", "BYTES", into.plan.size, {1, 64 * 1024 * 1024},
              "of a message to an echo server, default 64");
  line.workers(into.workers, "threads that run tasks");
  line.flag("--json", into.json, "print one JSON object instead of a table");
  line.flag("--progress", into.progress, "show progress even if stderr is no terminal");
  line.flag("--quiet", into.quiet, "show no progress");
}

int run(const settings& chosen) {
  tools::require_descriptors(chosen.connections + spare_descriptors);
  const std::optional<report> ended =
      weft::run(load_until_signal(chosen), {.workers = chosen.workers, .handle_sigint = false});
  if (!ended) return 0;
  const report& result = *ended;
  chosen.json ? print_json(chosen, result) : print_text(chosen, result);
  if (result.errors == 0) return 0;
  std::cerr << "weft-load: " << tools::grouped(result.errors)
            << " errors, the first: " << result.first_error << '\n';
  return tools::exit_failed;
}

}  // namespace

int main(int argc, char** argv) {
  tools::expect_shutdown_signals();
  settings chosen;
  tools::arguments line("weft-load",
                        "Loads a server, checks its answers and measures how long they take.");
  add_options(line, chosen);
  if (const auto code = line.parse(argc, argv, std::cout, std::cerr)) return *code;
  if (chosen.target.name.empty()) {
    std::cerr << "weft-load: --target is missing (try weft-load --help)\n";
    return tools::arguments::bad_usage;
  }
  if (chosen.plan.length <= 0ms) {
    std::cerr << "weft-load: --seconds: must be more than 0\n";
    return tools::arguments::bad_usage;
  }
  return tools::run_program("weft-load", [&chosen] { return run(chosen); });
}
