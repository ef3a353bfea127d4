#pragma once

#include <array>
#include <ctime>
#include <string_view>

namespace weft::tools {

/// The time as HTTP writes it, "Sun, 06 Nov 1994 08:49:37 GMT", made anew only when the second has
/// changed.
///
/// Threads: one at a time; give each worker its own.
class http_date {
 public:
  /// Valid until the next call.
  [[nodiscard]] std::string_view now() noexcept;

  /// The text for one moment, seconds since 1970. Valid until the next call.
  [[nodiscard]] std::string_view at(std::time_t second) noexcept;

  /// The second that the last call was about.
  [[nodiscard]] std::time_t second() const noexcept { return second_; }

 private:
  std::time_t second_ = -1;
  std::array<char, 32> text_{};
};

}  // namespace weft::tools
