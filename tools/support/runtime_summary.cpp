#include "runtime_summary.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::tools {
namespace {

/// One of something, or several.
std::string counted(std::size_t count, std::string_view what) {
  return std::to_string(count) + ' ' + std::string(what) + (count == 1 ? "" : "s");
}

std::uint64_t metric(const listed_runtime& of, const char* name) {
  const auto found = of.metrics.find(name);
  return found == of.metrics.end() ? 0 : found->second;
}

/// "2 running, 0 ready, 3 suspended".
std::string activities(const listed_runtime& of) {
  std::string text;
  for (const char* const state : {"running", "ready", "suspended"}) {
    const auto count = std::ranges::count(of.tasks, state, &listed_task::state);
    text += (text.empty() ? "" : ", ") + std::to_string(count) + ' ' + state;
  }
  return text;
}

/// A counter and what it is called.
struct rate {
  const char* name;
  const char* unit;
};
constexpr rate rates[] = {{"polls_total", "steps/s"},
                          {"tasks_spawned_total", "spawned/s"},
                          {"reactor_polls_total", "reactor looks/s"},
                          {"parks_total", "sleeps/s"},
                          {"notifications_total", "wake-ups/s"},
                          {"steals_total", "steals/s"},
                          {"rescues_total", "rescues/s"}};

std::string rates_text(const listed_runtime& before, const listed_runtime& now,
                       std::chrono::duration<double> between) {
  std::string text;
  for (const rate& each : rates) {
    const std::uint64_t was = metric(before, each.name);
    const std::uint64_t is = std::max(was, metric(now, each.name));
    const auto by_second = std::llround(static_cast<double>(is - was) / between.count());
    text += (text.empty() ? "" : ", ") + std::to_string(by_second) + ' ' + each.unit;
  }
  return text;
}

/// The most frequent first.
std::vector<std::pair<std::string, std::size_t>> what_is_waited_for(const listed_runtime& of) {
  std::map<std::string, std::size_t> counts;
  for (const listed_task& each : of.tasks) {
    if (!each.where.empty()) ++counts[each.where];
  }
  std::vector<std::pair<std::string, std::size_t>> sorted(counts.begin(), counts.end());
  std::ranges::sort(sorted, [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  return sorted;
}

}  // namespace

std::string runtime_headline(const listed_runtime& runtime) {
  const std::string name = runtime.name.empty() ? "runtime" : "runtime " + runtime.name;
  return name + ": " + counted(runtime.workers, "worker") + ", " +
         counted(runtime.tasks.size(), "task");
}

std::string runtime_summary(const listed_runtime& before, const listed_runtime& now,
                            std::chrono::duration<double> between) {
  constexpr std::size_t waits_shown = 10;
  std::string text = runtime_headline(now) + ": " + activities(now) + '\n';
  text += "  " + rates_text(before, now, between) + '\n';
  text += "  " + counted(metric(now, "timers_armed"), "timer") + ", " +
          counted(metric(now, "blocking_threads"), "blocking thread") + '\n';
  const auto waits = what_is_waited_for(now);
  for (std::size_t i = 0; i < waits.size() && i < waits_shown; ++i)
    text += "  " + std::to_string(waits[i].second) + " in " + waits[i].first + '\n';
  return text;
}

}  // namespace weft::tools
