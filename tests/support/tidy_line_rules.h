#pragma once

// What stands in the files: a test for each header, comments where they are owed, nothing that is
// banned.

#include "tidy_complaints.h"

#include <algorithm>
#include <cstddef>
#include <regex>
#include <span>
#include <string>
#include <string_view>

namespace weft::tidy {

// ---- Files and their tests ----------------------------------------------------------------------

inline complaints headers_without_pragma_once(const source_tree& tree) {
  complaints found;
  for (const auto& [path, file] : tree.files()) {
    if (file.is_header() &&
        std::find(file.lines.begin(), file.lines.end(), "#pragma once") == file.lines.end()) {
      found.push_back(path + ": has no #pragma once");
    }
  }
  return found;
}

/// A header that has no test file of its own, the test that covers it, and why.
struct covered_elsewhere {
  std::string_view header;
  std::string_view test;
  std::string_view reason;
};

/// A header X/y.h has its tests in tests/X/y_test.cpp, or an entry in `elsewhere`; an entry names
/// what exists.
inline complaints headers_without_test(const source_tree& tree,
                                       std::span<const covered_elsewhere> elsewhere) {
  complaints found;
  for (const auto& [path, file] : tree.files()) {
    if (!in_library(file) || !file.is_header()) continue;
    const std::string test =
        "tests/" + (file.folder() / (file.stem() + "_test.cpp")).generic_string();
    const bool listed =
        std::any_of(elsewhere.begin(), elsewhere.end(),
                    [&](const covered_elsewhere& entry) { return entry.header == path; });
    if (!listed && !tree.has(test)) found.push_back(path + ": has no test, " + test);
    if (listed && tree.has(test))
      found.push_back(path + ": is listed as covered elsewhere, but has " + test);
  }
  for (const covered_elsewhere& entry : elsewhere) {
    for (const std::string_view path : {entry.header, entry.test}) {
      if (!tree.has(std::string(path)))
        found.push_back(std::string(path) + ": listed, but does not exist");
    }
    if (entry.reason.empty())
      found.push_back(std::string(entry.header) + ": listed without a reason");
  }
  return found;
}

// ---- Lines --------------------------------------------------------------------------------------

/// Every line of code (no comments, no literals) of the chosen files in which `pattern` is found.
template <class Choose>
complaints lines_with(const source_tree& tree, const std::regex& pattern, std::string_view what,
                      Choose&& choose) {
  complaints found;
  for (const auto& [path, file] : tree.files()) {
    if (!choose(file)) continue;
    for (std::size_t i = 0; i < file.code.size(); ++i) {
      if (std::regex_search(file.code[i], pattern)) found.push_back(at(file, i, what));
    }
  }
  return found;
}

/// An order stronger than relaxed says why: a comment on the line or on one of the three above.
inline complaints uncommented_memory_orders(const source_tree& tree) {
  static const std::regex order(
      R"(\bmemory_order(?:_|::)(?:acquire|release|acq_rel|seq_cst|consume)\b)");
  constexpr std::size_t reach = 3;
  complaints found;
  for (const auto& [path, file] : tree.files()) {
    if (!in_library(file)) continue;
    for (std::size_t i = 0; i < file.code.size(); ++i) {
      if (!std::regex_search(file.code[i], order)) continue;
      bool commented = false;
      for (std::size_t k = i - std::min(i, reach); k <= i; ++k) {
        commented = commented || file.lines[k].find("//") != std::string::npos;
      }
      if (!commented) found.push_back(at(file, i, "a memory order without its reason"));
    }
  }
  return found;
}

inline complaints function_like_macros(const source_tree& tree) {
  static const std::regex macro(R"(^\s*#\s*define\s+\w+\()");
  return lines_with(tree, macro, "a function-like macro", [](const source_file&) { return true; });
}

/// Tests wait for events, or use the virtual clock. Stress runs and the samples of users may sleep.
inline complaints sleeping_tests(const source_tree& tree) {
  static const std::regex sleeping(R"(\b(?:sleep_for|sleep_until|usleep|nanosleep)\s*\()");
  return lines_with(tree, sleeping, "a test that really sleeps", [](const source_file& file) {
    return file.path.starts_with("tests/") && !file.path.starts_with("tests/stress/") &&
           !file.path.starts_with("tests/samples/");
  });
}

/// g++ 12 lays out the frame wrongly when a condition awaits and the coroutine has no named local:
/// name the value.
inline complaints awaits_in_conditions(const source_tree& tree) {
  static const std::regex condition(R"(\b(?:if|while|switch)\s*\([!(\s]*co_await\b)");
  return lines_with(
      tree, condition, "co_await in a condition: name the value first",
      [](const source_file& file) { return in_library(file) || file.module() == "tools"; });
}

/// Marks of unfinished work, in comments too.
inline complaints unfinished_work(const source_tree& tree) {
  static const std::regex mark(std::string(R"(\b(?:TO)") + "DO|FIX" + R"(ME)\b)");
  complaints found;
  for (const auto& [path, file] : tree.files()) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      if (std::regex_search(file.lines[i], mark)) found.push_back(at(file, i, "unfinished"));
    }
  }
  return found;
}

/// TEST(Semaphore, Release_WakesTheOldestWaiter): the subject, an underscore, what it does.
inline complaints test_names_that_say_little(const source_tree& tree) {
  static const std::regex shape("[A-Z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+");
  complaints found;
  for (const auto& [path, file] : tree.files()) {
    for (std::size_t i = 0; i < file.code.size(); ++i) {
      std::smatch match;
      if (!std::regex_search(file.code[i], match, test_declaration())) continue;
      const std::string name = match[2];
      if (!std::regex_match(name, shape))
        found.push_back(at(file, i, name + " is not Subject_Behaviour"));
    }
  }
  return found;
}

/// Headers over 300 lines and sources over 600: there are usually two concepts inside. A hint, not
/// a rule.
inline complaints long_files(const source_tree& tree) {
  constexpr std::size_t header_lines_max = 300;
  constexpr std::size_t source_lines_max = 600;
  complaints found;
  for (const auto& [path, file] : tree.files()) {
    const std::size_t limit = file.is_header() ? header_lines_max : source_lines_max;
    if (file.lines.size() > limit)
      found.push_back(path + ": " + std::to_string(file.lines.size()) + " lines");
  }
  return found;
}

}  // namespace weft::tidy
