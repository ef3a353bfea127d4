#pragma once

#include <cstdint>
#include <string_view>

namespace weft::tools {

/// One line on the error stream that says how far a program is. On a terminal it is written over,
/// elsewhere each state is a line of its own.
class progress_line {
 public:
  enum class mode : std::uint8_t { off, on };

  explicit progress_line(mode chosen) noexcept;
  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;

  /// Removes the line from a terminal.
  ~progress_line();

  void show(std::string_view text);

  /// The error stream is a terminal.
  [[nodiscard]] static bool is_terminal() noexcept;

 private:
  mode mode_;
  bool is_terminal_;
};

}  // namespace weft::tools
