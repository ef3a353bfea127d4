#include "report.h"

#include "../support/format.h"
#include "disturbance.h"

#include <ostream>
#include <string_view>

namespace weft::stress {

namespace {

double seconds(std::chrono::nanoseconds value) {
  return std::chrono::duration<double>(value).count();
}

std::string_view yes_or_no(bool value) {
  return value ? "true" : "false";
}

std::string_view planted_name(const session_options& options) {
  for (const plant_info& each : all_plants()) {
    if (each.which == options.planted) return each.name;
  }
  return "";
}

void print_workload(std::ostream& out, const workload_report& each) {
  out << "{\"name\": " << tools::json_string(each.name) << ", \"epochs\": " << each.epochs
      << ", \"cut_short\": " << each.cut_short << ", \"operations\": " << each.operations
      << ", \"seconds\": " << tools::fixed(seconds(each.elapsed), 3)
      << ", \"live_bytes\": " << each.live_bytes
      << ", \"idle_cpu_ms_per_s\": " << tools::fixed(seconds(each.idle_cpu_max) * 1e3, 3)
      << ", \"idle_wakeups_per_s\": " << tools::fixed(each.idle_wakeups_max, 1)
      << ", \"longest_shutdown_ms\": " << tools::fixed(seconds(each.shutdown_max) * 1e3, 3) << '}';
}

void print_violation(std::ostream& out, const violation& each) {
  out << "{\"invariant\": " << tools::json_string(name_of(each.which))
      << ", \"workload\": " << tools::json_string(each.workload)
      << ", \"what\": " << tools::json_string(each.what) << '}';
}

template <class T, class Print>
void print_list(std::ostream& out, const std::vector<T>& list, Print print) {
  out << '[';
  for (const T& each : list) {
    if (&each != list.data()) out << ", ";
    print(out, each);
  }
  out << ']';
}

}  // namespace

void print_text(std::ostream& out, const session_options& options, const session_report& report) {
  std::uint64_t epochs = 0;
  std::uint64_t operations = 0;
  for (const workload_report& each : report.workloads) {
    epochs += each.epochs;
    operations += each.operations;
  }
  out << "seed " << options.seed << ", chaos " << options.chaos
      << (has_chaos_points() ? "" : " (without chaos points)") << ": "
      << tools::grouped(report.workloads.size()) << " workloads, " << tools::grouped(epochs)
      << " epochs, " << tools::grouped(operations) << " operations, "
      << tools::grouped(report.violation_count) << " violations\n";
  if (report.violation_count > 0) out << "replay with: " << options.replay << '\n';
}

void print_json(std::ostream& out, const session_options& options, const session_report& report) {
  out << "{\"ok\": " << yes_or_no(report.is_complete && report.violation_count == 0)
      << ", \"seed\": " << options.seed << ", \"workers\": " << options.workers
      << ", \"chaos\": " << options.chaos << ", \"chaos_points\": " << yes_or_no(has_chaos_points())
      << ", \"plant\": " << tools::json_string(planted_name(options))
      << ", \"complete\": " << yes_or_no(report.is_complete) << ", \"workloads\": ";
  print_list(out, report.workloads, print_workload);
  out << ", \"violation_count\": " << report.violation_count << ", \"violations\": ";
  print_list(out, report.violations, print_violation);
  out << ", \"replay\": " << tools::json_string(options.replay) << "}\n";
}

}  // namespace weft::stress
