// weft-demo: shows in a few seconds what weft costs. It starts weft-httpd as a
// process of its own, opens connections to it, loads it, and prints one table.
//
//   weft-demo --seconds 3 --connections 1000

#include "support/arguments.h"
#include "support/child_process.h"
#include "support/format.h"
#include "support/load_generator.h"
#include "support/load_statistics.h"
#include "support/load_target.h"
#include "support/micro_costs.h"
#include "support/process_usage.h"
#include "support/program.h"
#include "support/progress.h"
#include "support/shutdown_signal.h"
#include <weft/net/address.h>
#include <weft/net/tcp.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/select.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/task.h>
#include <weft/sync/event.h>

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

constexpr auto start_limit = 10s;
constexpr auto stop_limit = 20s;
constexpr auto settle_time = 300ms;  // until a server that was asked once is idle again
constexpr auto progress_period = 250ms;
constexpr std::size_t spare_descriptors = 64;

struct settings {
  std::size_t connections = 1000;
  std::size_t workers = 1;
  std::chrono::milliseconds seconds{3'000};
};

struct measurements {
  std::uint64_t requests = 0;
  std::uint64_t errors = 0;
  std::string first_error;
  std::chrono::duration<double> elapsed{0};
  tools::histogram latency;
  tools::process_usage used;  // while it was loaded
  double idle_bytes = 0;      // of one connection
  tools::micro_costs costs;
};

// ---- The server ---------------------------------------------------------------------------------

class server_process {
 public:
  explicit server_process(const settings& chosen)
      : child_({tools::sibling_program("weft-httpd"), "--listen", "127.0.0.1:0", "--workers",
                std::to_string(chosen.workers)}),
        url_("http://" + read_address() + "/plaintext") {}

  [[nodiscard]] const std::string& url() const noexcept { return url_; }
  [[nodiscard]] tools::process_usage usage() const { return tools::usage_of(child_.pid()); }

  void stop() {
    const int code = child_.stop(stop_limit);
    if (code != 0) throw std::runtime_error("weft-httpd ended with " + std::to_string(code));
  }

 private:
  std::string read_address() {
    constexpr std::string_view greeting = "listening on ";
    const auto line = child_.read_line(start_limit);
    if (!line || !line->starts_with(greeting)) {
      throw std::runtime_error("weft-httpd does not start");
    }
    return line->substr(greeting.size());
  }

  tools::child_process child_;
  std::string url_;
};

// ---- The load -----------------------------------------------------------------------------------

tools::process_usage difference(const tools::process_usage& before,
                                const tools::process_usage& after) {
  return {.cpu = after.cpu - before.cpu,
          .context_switches = after.context_switches - before.context_switches,
          .resident_bytes = after.resident_bytes - before.resident_bytes};
}

weft::task<> show_load(const tools::load_statistics& seen, tools::progress_line& line) {
  std::uint64_t before = 0;
  for (;;) {
    co_await weft::sleep(progress_period);
    const std::uint64_t requests = seen.messages();
    const auto rate = static_cast<double>(requests - before) /
                      std::chrono::duration<double>(progress_period).count();
    line.show("loading weft-httpd: " + tools::grouped(static_cast<std::uint64_t>(rate)) +
              " requests/s");
    before = requests;
  }
}

/// Asks once on each connection, and lets the server come to rest.
weft::task<> ask_once(std::vector<weft::tcp_stream>& connections, const tools::load_target& target,
                      weft::event& stop) {
  tools::load_statistics seen;
  const tools::load_plan once{.messages_each = 1};
  (void)co_await tools::drive(connections, target, once, seen, stop);
  if (seen.errors() > 0) throw std::runtime_error(seen.first_error());
  co_await weft::sleep(settle_time);
}

weft::task<measurements> measure(const settings& chosen, const server_process& server,
                                 tools::progress_line& line) {
  weft::event stop;
  const auto target = tools::load_target::parse(server.url());
  const weft::socket_address address = co_await tools::find_address(target);
  measurements found;

  line.show("starting");
  auto first = co_await tools::connect_all(address, 1, stop);
  co_await ask_once(first, target, stop);
  const tools::process_usage fresh = server.usage();

  line.show("opening " + tools::grouped(chosen.connections) + " connections");
  auto connections = co_await tools::connect_all(address, chosen.connections, stop);
  co_await ask_once(connections, target, stop);
  const tools::process_usage idle = server.usage();
  found.idle_bytes = static_cast<double>(difference(fresh, idle).resident_bytes) /
                     static_cast<double>(chosen.connections);

  tools::load_statistics seen;
  const tools::load_plan plan{.length = chosen.seconds};
  const auto ended = co_await weft::select(tools::drive(connections, target, plan, seen, stop),
                                           show_load(seen, line));
  found.used = difference(idle, server.usage());
  found.elapsed = std::get<0>(ended);
  found.requests = seen.messages();
  found.errors = seen.errors();
  found.first_error = seen.first_error();
  found.latency = seen.latency();
  found.latency.correct(seen.mean_interval(std::get<0>(ended), connections.size()));

  line.show("measuring tasks, timers and locks");
  found.costs = co_await tools::measure_micro_costs();
  co_return found;
}

weft::task<std::optional<measurements>> measure_until_signal(const settings& chosen,
                                                             const server_process& server,
                                                             tools::progress_line& line) {
  tools::shutdown_signal signal;
  auto ended = co_await weft::select(measure(chosen, server, line), signal.wait());
  if (ended.index() != 0) co_return std::nullopt;
  co_return std::get<0>(std::move(ended));
}

// ---- The table ----------------------------------------------------------------------------------

std::string nanoseconds(tools::micro_costs::nanoseconds cost) {
  return tools::fixed(cost.count(), 1) + " ns";
}

void print(const settings& chosen, const measurements& found) {
  const auto requests = static_cast<double>(found.requests);
  const auto per_request = [requests](double sum) { return requests > 0 ? sum / requests : 0; };
  const double cpu = per_request(static_cast<double>(found.used.cpu.count()));
  const double switches = per_request(static_cast<double>(found.used.context_switches));
  const auto rate = static_cast<std::uint64_t>(requests / found.elapsed.count());

  tools::print_table(
      std::cout, {
                     {"weft-httpd, " + tools::grouped(chosen.connections) +
                          " connections, workers: " + std::to_string(chosen.workers),
                      ""},
                     {"requests/s", tools::grouped(rate)},
                     {"errors", tools::grouped(found.errors)},
                     {"latency p50", tools::short_time(found.latency.percentile(0.5))},
                     {"latency p99", tools::short_time(found.latency.percentile(0.99))},
                     {"latency p99.9", tools::short_time(found.latency.percentile(0.999))},
                     {"CPU per request", tools::fixed(cpu / 1e3, 2) + " us"},
                     {"context switches per request", tools::fixed(switches, 4)},
                     {"memory per idle connection", tools::fixed(found.idle_bytes, 0) + " bytes"},
                     {"the runtime itself, one worker", ""},
                     {"spawn and join a task", nanoseconds(found.costs.spawn_and_join)},
                     {"await a child", nanoseconds(found.costs.await_task)},
                     {"arm and cancel a timer", nanoseconds(found.costs.timer)},
                     {"lock and unlock a mutex", nanoseconds(found.costs.lock)},
                 });
}

int run(const settings& chosen) {
  tools::require_descriptors(chosen.connections + spare_descriptors);
  server_process server(chosen);  // first, while this process has one thread
  std::optional<measurements> found;
  {
    tools::progress_line line(tools::progress_line::mode::on);
    found = weft::run(measure_until_signal(chosen, server, line),
                      {.workers = 1, .handle_sigint = false});
  }
  server.stop();
  if (!found) return 0;
  print(chosen, *found);
  if (found->errors == 0) return 0;
  std::cerr << "weft-demo: " << found->errors << " errors, the first: " << found->first_error
            << '\n';
  return tools::exit_failed;
}

}  // namespace

int main(int argc, char** argv) {
  tools::expect_shutdown_signals();
  settings chosen;
  tools::arguments line("weft-demo", "Starts weft-httpd, loads it and shows what it costs.");
  line.seconds("--seconds", "S", chosen.seconds, "how long to load, default 3");
  line.number("--connections", "N", chosen.connections, {1, 1'000'000}, "default 1000");
  line.workers(chosen.workers, "threads of the server that run tasks");
  if (const auto code = line.parse(argc, argv, std::cout, std::cerr)) return *code;
  if (chosen.seconds.count() <= 0) {
    std::cerr << "weft-demo: --seconds: must be more than 0\n";
    return tools::arguments::bad_usage;
  }
  return tools::run_program("weft-demo", [&chosen] { return run(chosen); });
}
