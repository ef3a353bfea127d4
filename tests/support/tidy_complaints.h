#pragma once

// What the rules of the house share. A rule takes a source tree and returns its complaints, one a
// line, "path:line: what": an empty answer is a tidy tree.

#include "source_tree.h"

#include <cstddef>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace weft::tidy {

using complaints = std::vector<std::string>;

inline std::string at(const source_file& file, std::size_t index, std::string_view what) {
  return file.path + ":" + std::to_string(index + 1) + ": " + std::string(what);
}

inline bool in_library(const source_file& file) {
  static const std::set<std::string> modules{"runtime", "sync", "net", "fs"};
  return modules.contains(file.module());
}

inline bool is_detail(const std::string& path) {
  return path.find("/detail/") != std::string::npos;
}

/// The line that begins a test: its suite and its name.
inline const std::regex& test_declaration() {
  static const std::regex pattern(R"(^(?:TEST|TEST_F|TEST_P|TYPED_TEST)\((\w+),\s*(\w+)\))");
  return pattern;
}

}  // namespace weft::tidy
