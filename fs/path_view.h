#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace weft::fs {

/// What every function of this module takes as a path: text, or anything with the native() of a
/// std::filesystem::path. Paths are bytes; a relative one begins at the working directory of the
/// process.
///
/// Refers to the text, of which an operation makes its own copy when it is made. An operation given
/// a path with a NUL inside throws std::invalid_argument then.
class path_view {
 public:
  path_view(const char* text) noexcept : text_(text) {}  // NOLINT(google-explicit-constructor)
  path_view(std::string_view text) noexcept              // NOLINT(google-explicit-constructor)
      : text_(text) {}
  path_view(const std::string& text) noexcept  // NOLINT(google-explicit-constructor)
      : text_(text) {}
  template <class P>
    requires requires(const P& p) {
      { p.native() } -> std::same_as<const std::string&>;
    }
  path_view(const P& path) noexcept  // NOLINT(google-explicit-constructor)
      : text_(path.native()) {}

  [[nodiscard]] std::string_view text() const noexcept { return text_; }

 private:
  std::string_view text_;
};

}  // namespace weft::fs
