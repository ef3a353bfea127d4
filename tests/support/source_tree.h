#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace weft::tidy {

/// One source file: its path below the root, its lines as written, and its lines with comments and
/// the insides of literals blanked out.
struct source_file {
  std::string path;
  std::vector<std::string> lines;
  std::vector<std::string> code;

  [[nodiscard]] bool is_header() const { return path.ends_with(".h"); }
  [[nodiscard]] std::filesystem::path folder() const {
    return std::filesystem::path(path).parent_path();
  }
  [[nodiscard]] std::string stem() const { return std::filesystem::path(path).stem().string(); }
  [[nodiscard]] std::string module() const { return path.substr(0, path.find('/')); }
};

inline std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// Replaces comments, and what stands between quotes, by spaces; line ends stay.
inline std::string blank_comments_and_literals(std::string text) {
  enum class state { code, line_comment, block_comment, string, character };
  state now = state::code;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (c == '\n') {
      if (now != state::block_comment) now = state::code;
      continue;
    }
    if (now == state::code) {
      const bool separates_digits =
          c == '\'' && i > 0 && std::isalnum(static_cast<unsigned char>(text[i - 1])) != 0;
      if (c == '/' && next == '/') now = state::line_comment;
      if (c == '/' && next == '*') now = state::block_comment;
      if (c == '"') now = state::string;
      if (c == '\'' && !separates_digits) now = state::character;
      if (now == state::line_comment || now == state::block_comment) text[i] = ' ';
      if (now == state::block_comment) text[++i] = ' ';
      continue;
    }
    if (now == state::block_comment && c == '*' && next == '/') {
      text[i] = text[i + 1] = ' ';
      ++i;
      now = state::code;
      continue;
    }
    const bool closes =
        (now == state::string && c == '"') || (now == state::character && c == '\'');
    if (closes) {
      now = state::code;
      continue;
    }
    const bool escapes = c == '\\' && (now == state::string || now == state::character);
    text[i] = ' ';
    if (escapes && next != '\n' && next != '\0') text[++i] = ' ';
  }
  return text;
}

/// The sources of the project, by path: read from a folder, or put together by a test.
class source_tree {
 public:
  source_tree() = default;

  /// Reads every .h, .cpp and .c below the modules, tests, bench and tools of `root`, and the .md
  /// files beside them.
  static source_tree read(const std::filesystem::path& root) {
    source_tree tree;
    if (exists(root / "weft.h")) tree.add("weft.h", contents(root / "weft.h"));
    for (const std::string_view top : {"runtime", "sync", "net", "fs", "tests", "bench", "tools"}) {
      if (!exists(root / top)) continue;
      for (const auto& entry : std::filesystem::recursive_directory_iterator(root / top)) {
        const auto extension = entry.path().extension();
        const bool wanted =
            extension == ".h" || extension == ".cpp" || extension == ".c" || extension == ".md";
        if (wanted && entry.is_regular_file()) {
          tree.add(entry.path().lexically_relative(root).generic_string(), contents(entry.path()));
        }
      }
    }
    return tree;
  }

  void add(const std::string& path, const std::string& text) {
    if (path.ends_with(".md")) {
      documents_[path] = split_lines(text);
    } else {
      files_[path] = {path, split_lines(text), split_lines(blank_comments_and_literals(text))};
    }
  }

  [[nodiscard]] bool has(const std::string& path) const { return files_.contains(path); }
  [[nodiscard]] const std::map<std::string, source_file>& files() const { return files_; }

  [[nodiscard]] const std::vector<std::string>& document(const std::string& path) const {
    static const std::vector<std::string> none;
    const auto found = documents_.find(path);
    return found == documents_.end() ? none : found->second;
  }

 private:
  static std::string contents(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::map<std::string, source_file> files_;
  std::map<std::string, std::vector<std::string>> documents_;
};

}  // namespace weft::tidy
