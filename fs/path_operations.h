#pragma once

// What is done to paths, without opening a file.

#include "detail/file_call.h"
#include "detail/owned_path.h"
#include "file_stat.h"
#include "path_view.h"

#include <string>

namespace weft::detail {

struct stat_path_request {
  using value_type = fs::file_stat;
  static constexpr const char* waits_as = "fs::stat()";

  owned_path path;
  fs::file_stat found = {};

  int run() noexcept;
  [[nodiscard]] std::string describe() const { return "stat " + path.string(); }
  [[nodiscard]] fs::file_stat take() const noexcept { return found; }
};

struct exists_request {
  using value_type = bool;
  static constexpr const char* waits_as = "fs::exists()";

  owned_path path;
  bool found = false;

  int run() noexcept;
  [[nodiscard]] std::string describe() const { return "stat " + path.string(); }
  [[nodiscard]] bool take() const noexcept { return found; }
};

struct rename_request {
  using value_type = void;
  static constexpr const char* waits_as = "fs::rename()";

  owned_path from;
  owned_path to;

  int run() noexcept;
  [[nodiscard]] std::string describe() const {
    return "rename " + from.string() + " to " + to.string();
  }
  void take() const noexcept {}
};

struct remove_request {
  using value_type = void;
  static constexpr const char* waits_as = "fs::remove()";

  owned_path path;

  int run() noexcept;
  [[nodiscard]] std::string describe() const { return "remove " + path.string(); }
  void take() const noexcept {}
};

struct create_directories_request {
  using value_type = void;
  static constexpr const char* waits_as = "fs::create_directories()";

  owned_path path;

  int run() noexcept;
  [[nodiscard]] std::string describe() const { return "create directories " + path.string(); }
  void take() const noexcept {}
};

}  // namespace weft::detail

namespace weft::fs {

// Each is one job for the blocking pool. Errors: std::system_error with the path.
// Cancellation: before the job has begun nothing happens; from then on it cannot be cancelled.

/// Of what the path leads to: symbolic links are followed.
[[nodiscard]] inline detail::file_operation<detail::stat_path_request> stat(path_view where) {
  return detail::file_operation<detail::stat_path_request>({.path = detail::owned_path(where)});
}
/// Does the path lead to anything? Fails where that cannot be told (EACCES).
[[nodiscard]] inline detail::file_operation<detail::exists_request> exists(path_view where) {
  return detail::file_operation<detail::exists_request>({.path = detail::owned_path(where)});
}
/// Gives it another name in the same file system; a file that has the name is replaced, at once for
/// all who look.
[[nodiscard]] inline detail::file_operation<detail::rename_request> rename(path_view from,
                                                                           path_view to) {
  return detail::file_operation<detail::rename_request>(
      {.from = detail::owned_path(from), .to = detail::owned_path(to)});
}
/// Removes a file, a symbolic link, or an empty directory. Fails with ENOENT if there is none.
[[nodiscard]] inline detail::file_operation<detail::remove_request> remove(path_view where) {
  return detail::file_operation<detail::remove_request>({.path = detail::owned_path(where)});
}
/// Makes a directory, and those above it that are missing. Not an error if it is there already.
[[nodiscard]] inline detail::file_operation<detail::create_directories_request> create_directories(
    path_view where) {
  return detail::file_operation<detail::create_directories_request>(
      {.path = detail::owned_path(where)});
}

}  // namespace weft::fs
