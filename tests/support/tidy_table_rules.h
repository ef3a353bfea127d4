#pragma once

// The tables that say which test holds a promise: what they name has to exist, and what they count
// has to be so.

#include "tidy_complaints.h"

#include <array>
#include <cstddef>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::tidy {

inline std::string at_line(const std::string& document, std::size_t index, std::string_view what) {
  return document + ":" + std::to_string(index + 1) + ": " + std::string(what);
}

/// Calls add(suite, name) for each model of a file: `const registered_model x("Suite", "Name", ...`.
template <class F>
void for_each_model(const source_file& file, F add) {
  static const std::regex declaration(R"re(registered_model\s+\w+\(\s*"(\w+)",\s*"(\w+)")re");
  std::string text;
  for (const std::string& line : file.lines) text += line + '\n';
  for (std::sregex_iterator each(text.begin(), text.end(), declaration), end; each != end; ++each)
    add((*each)[1].str(), (*each)[2].str());
}

/// "Suite.Name" of every test and model of a file, and "Suite.*" of its suites.
inline std::set<std::string> tests_of(const source_file& file) {
  std::set<std::string> found;
  for_each_model(file, [&found](const std::string& suite, const std::string& name) {
    found.insert(suite + "." + name);
    found.insert(suite + ".*");
  });
  for (const std::string& line : file.code) {
    std::smatch match;
    if (!std::regex_search(line, match, test_declaration())) continue;
    found.insert(match[1].str() + "." + match[2].str());
    found.insert(match[1].str() + ".*");
  }
  return found;
}

/// `file: Suite.Name` in a document, file below tests/; those behind it in the line may leave the
/// file out.
inline complaints named_tests_that_do_not_exist(const source_tree& tree,
                                                const std::string& document) {
  static const std::regex reference(R"(`(?:([\w/]+\.cpp): )?([A-Z]\w*\.(?:[A-Z]\w*|\*))`)");
  complaints found;
  std::map<std::string, std::set<std::string>> known;
  const std::vector<std::string>& lines = tree.document(document);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string path;
    for (std::sregex_iterator each(lines[i].begin(), lines[i].end(), reference), end; each != end;
         ++each) {
      const std::string name = (*each)[2];
      if ((*each)[1].matched) path = "tests/" + (*each)[1].str();
      if (!tree.has(path)) {
        found.push_back(at_line(document, i, name + " is in no file, \"" + path + "\""));
        continue;
      }
      if (!known.contains(path)) known[path] = tests_of(tree.files().at(path));
      if (!known[path].contains(name))
        found.push_back(at_line(document, i, name + " is not in " + path));
    }
  }
  return found;
}

/// What a row of the contracts says beside its tests, and how the summary calls these rows.
struct verdict {
  std::string_view mark;
  std::string_view label;
};
inline constexpr std::array verdicts{
    verdict{"**differs**", "held, but ours differs"},
    verdict{"**does not apply**", "do not apply to C++"},
    verdict{"**not built yet**", "not built yet"},
    verdict{"**not met**", "not met"},
};
inline constexpr std::string_view held_label = "held as they are";
inline constexpr std::string_view total_label = "together";

/// The label of the summary under which a row counts; empty: it has neither a test nor a verdict.
inline std::string_view label_of(const std::string& row) {
  for (const verdict& each : verdicts) {
    if (row.find(each.mark) != std::string::npos) return each.label;
  }
  return row.find(".cpp: ") == std::string::npos ? std::string_view() : held_label;
}

/// Rows `| C7 | ...` come once each, from 1 to `count`, and say something; the summary, rows
/// `| label | number |`, counts them.
inline complaints contracts_without_answer(const source_tree& tree, const std::string& document,
                                           std::size_t count) {
  static const std::regex row(R"(^\| C(\d+) \|)");
  static const std::regex summary(R"(^\| ([a-z][\w +,]*) \| (\d+) \|$)");
  complaints found;
  std::map<std::string, std::size_t> counted, claimed;
  const std::vector<std::string>& lines = tree.document(document);
  std::size_t last = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::smatch match;
    if (std::regex_search(lines[i], match, summary)) claimed[match[1]] = std::stoul(match[2]);
    if (!std::regex_search(lines[i], match, row)) continue;
    if (std::stoul(match[1]) != ++last)
      found.push_back(at_line(document, i, "C" + std::to_string(last) + " was expected"));
    const std::string_view label = label_of(lines[i]);
    if (label.empty()) found.push_back(at_line(document, i, "neither a test nor a reason"));
    ++counted[std::string(label)];
    ++counted[std::string(total_label)];
  }
  if (last != count)
    found.push_back(document + ": ends with C" + std::to_string(last) + ", of " +
                    std::to_string(count));
  for (const auto& [label, number] : claimed) {
    if (counted[label] != number)
      found.push_back(document + ": " + label + ": " + std::to_string(number) + " are claimed, " +
                      std::to_string(counted[label]) + " are there");
  }
  return found;
}

}  // namespace weft::tidy
