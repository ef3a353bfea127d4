#pragma once

// Which file may include which.

#include "tidy_complaints.h"

#include <algorithm>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace weft::tidy {

// ---- Includes -----------------------------------------------------------------------------------

struct include_line {
  std::size_t index;
  bool angled;
  std::string name;
};

inline std::vector<include_line> includes_of(const source_file& file) {
  static const std::regex directive(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"].*)");
  std::vector<include_line> found;
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    std::smatch match;
    if (std::regex_match(file.lines[i], match, directive)) {
      found.push_back({i, match[1] == "<", match[2]});
    }
  }
  return found;
}

/// The path below the root that a quoted include of `file` names.
inline std::string target_of(const source_file& file, const include_line& line) {
  return (file.folder() / line.name).lexically_normal().generic_string();
}

// ---- Ranks: the tables of runtime/detail/README.md ----------------------------------------------

/// What runtime/detail/README.md says. A table row with a cell "L0" to "L3" ranks the names in
/// backticks beside it; a row with a cell "shared" lists the names that sync, net and fs may use.
struct house_plan {
  std::map<std::string, int> rank;
  std::set<std::string> shared;
};

inline house_plan read_plan(const source_tree& tree) {
  static const std::regex name(R"(`(?:[a-z_]+/)*([a-z0-9_]+)(?:\.h|\.cpp)?`)");
  static const std::regex rank_cell(R"(\|\s*L([0-3])\s*\|)");
  static const std::regex shared_cell(R"(\|\s*shared\s*\|)");
  house_plan plan;
  for (const std::string& line : tree.document("runtime/detail/README.md")) {
    std::smatch match;
    const bool ranks = std::regex_search(line, match, rank_cell);
    const bool shares = !ranks && std::regex_search(line, shared_cell);
    if (!ranks && !shares) continue;
    for (std::sregex_iterator i(line.begin(), line.end(), name), end; i != end; ++i) {
      if (ranks) plan.rank[(*i)[1]] = std::stoi(match[1]);
      if (shares) plan.shared.insert((*i)[1]);
    }
  }
  return plan;
}

constexpr int api_rank = 4;

/// L0 to L3 for what the plan lists, L4 for the public API, nothing for an internal file that the
/// plan forgot.
inline std::optional<int> rank_of(const source_file& file, const house_plan& plan) {
  const auto listed = plan.rank.find(file.stem());
  if (listed != plan.rank.end()) return listed->second;
  if (is_detail(file.path)) return std::nullopt;
  return api_rank;
}

// ---- Layers -------------------------------------------------------------------------------------

inline bool may_include(const std::string& from, const std::string& to) {
  static const std::map<std::string, std::set<std::string>> below{{"runtime", {}},
                                                                  {"sync", {"runtime"}},
                                                                  {"net", {"runtime", "sync"}},
                                                                  {"fs", {"runtime", "sync"}}};
  const auto allowed = below.find(from);
  return from == to || (allowed != below.end() && allowed->second.contains(to));
}

/// Whether a library file may include <name>: the standard library and the OS, and OpenSSL in net.
inline bool may_include_angled(const source_file& file, const std::string& name) {
  static const std::regex standard("[a-z_]+");
  static const std::regex system(R"((?:(?:sys|netinet|arpa|net|linux|sanitizer)/)?[a-z0-9_]+\.h)");
  static const std::set<std::string> third_party{"uv.h", "mimalloc.h", "zlib.h", "benchmark.h"};
  if (file.module() == "net" && name.starts_with("openssl/")) return true;
  if (third_party.contains(name)) return false;
  return std::regex_match(name, standard) || std::regex_match(name, system);
}

/// Includes point down: runtime <- sync <- {net, fs}; the detail folder of a module is its own.
inline complaints layer_violations(const source_tree& tree) {
  const house_plan plan = read_plan(tree);
  complaints found;
  for (const auto& [path, file] : tree.files()) {
    if (!in_library(file)) continue;
    for (const include_line& line : includes_of(file)) {
      if (line.angled) {
        if (!may_include_angled(file, line.name)) {
          found.push_back(at(file, line.index,
                             "<" + line.name + "> is neither the standard library nor the OS"));
        }
        continue;
      }
      const std::string target = target_of(file, line);
      const auto included = tree.files().find(target);
      if (included == tree.files().end()) {
        found.push_back(
            at(file, line.index, "\"" + line.name + "\" is not a path relative to this file"));
        continue;
      }
      const bool same_module = included->second.module() == file.module();
      const bool is_shared =
          target.starts_with("runtime/detail/") && plan.shared.contains(included->second.stem());
      if (!may_include(file.module(), included->second.module())) {
        found.push_back(at(file, line.index, file.module() + " must not include " + target));
      } else if (is_detail(target) && !same_module && !is_shared) {
        found.push_back(at(file, line.index, target + " is private to its module"));
      }
    }
  }
  return found;
}

/// Inside the runtime, a file includes only its own rank and those below.
inline complaints rank_violations(const source_tree& tree) {
  const house_plan plan = read_plan(tree);
  complaints found;
  for (const auto& [path, file] : tree.files()) {
    if (file.module() != "runtime") continue;
    const std::optional<int> own = rank_of(file, plan);
    if (!own) {
      found.push_back(path + ": has no rank in runtime/detail/README.md");
      continue;
    }
    for (const include_line& line : includes_of(file)) {
      if (line.angled) continue;
      const auto included = tree.files().find(target_of(file, line));
      if (included == tree.files().end()) continue;
      const std::optional<int> other = rank_of(included->second, plan);
      if (other && *other > *own) {
        const std::string step =
            "L" + std::to_string(*own) + " includes L" + std::to_string(*other) + ", ";
        found.push_back(at(file, line.index, step + included->first));
      }
    }
  }
  return found;
}

/// Include cycles between files of the library, each reported once.
inline complaints include_cycles(const source_tree& tree) {
  enum class visit { new_file, open, done };
  std::map<std::string, visit> state;
  std::vector<std::string> trail;
  complaints found;
  const auto walk = [&](const auto& self, const std::string& path) -> void {
    state[path] = visit::open;
    trail.push_back(path);
    const source_file& file = tree.files().at(path);
    for (const include_line& line : includes_of(file)) {
      const std::string target = target_of(file, line);
      if (line.angled || !tree.has(target)) continue;
      if (state[target] == visit::open) {
        std::string cycle;
        for (auto i = std::find(trail.begin(), trail.end(), target); i != trail.end(); ++i)
          cycle += *i + " -> ";
        found.push_back(cycle + target);
      } else if (state[target] == visit::new_file) {
        self(self, target);
      }
    }
    trail.pop_back();
    state[path] = visit::done;
  };
  for (const auto& [path, file] : tree.files()) {
    if (in_library(file) && state[path] == visit::new_file) walk(walk, path);
  }
  return found;
}

}  // namespace weft::tidy
