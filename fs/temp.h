#pragma once

// Files and directories that are gone at the end of a scope.

#include "detail/file_call.h"
#include "detail/owned_path.h"
#include "detail/removal.h"
#include "file.h"
#include "path_view.h"

#include <memory>
#include <string>
#include <utility>

namespace weft::fs {
class temp_file;
class temp_directory;
}  // namespace weft::fs

namespace weft::detail {

/// A place for something temporary: the folder, and what was made there.
class temp_request {
 public:
  [[nodiscard]] std::string describe() const { return "make a temporary file in " + where(); }

 protected:
  explicit temp_request(fs::path_view folder) : folder_(folder) {}

  /// Calls make(name), of a function that makes what has that name: 0 or an errno.
  template <class Make>
  int make_fresh(bool tree, Make make) noexcept;
  [[nodiscard]] std::string where() const;

  removal_ticket made_;

 private:
  owned_path folder_;  // empty: that of the system
};

class temp_file_request : public temp_request {
 public:
  using value_type = fs::temp_file;
  static constexpr const char* waits_as = "fs::temp_file::create()";

  explicit temp_file_request(fs::path_view folder) : temp_request(folder) {}
  int run() noexcept;
  [[nodiscard]] fs::temp_file take() noexcept;

 private:
  fs::file file_;
};

class temp_directory_request : public temp_request {
 public:
  using value_type = fs::temp_directory;
  static constexpr const char* waits_as = "fs::temp_directory::create()";

  explicit temp_directory_request(fs::path_view folder) : temp_request(folder) {}
  int run() noexcept;
  [[nodiscard]] fs::temp_directory take() noexcept;
};

struct remove_tree_request {
  using value_type = void;
  static constexpr const char* waits_as = "fs::temp_directory::remove()";

  removal_ticket what;

  int run() noexcept { return what.remove_now(); }
  [[nodiscard]] std::string describe() const { return "remove " + what.path(); }
  void take() const noexcept {}
};

}  // namespace weft::detail

namespace weft::fs {

/// An open file, for reading and writing, with a name that nobody had before; only this user may
/// open it. It is removed when this object goes.
///
/// Destroying it removes the file on the blocking pool, at the latest when the runtime ends;
/// outside of a runtime, at once. That does not wait and reports no error: remove() does both.
class temp_file : public file {
 public:
  temp_file(file opened, detail::removal_ticket ticket) noexcept
      : file(std::move(opened)), ticket_(std::move(ticket)) {}

  /// In this folder, or in that of the system for temporary files. Errors: std::system_error.
  [[nodiscard]] static detail::file_operation<detail::temp_file_request> create(
      path_view folder = "") {
    return detail::file_operation<detail::temp_file_request>(detail::temp_file_request(folder));
  }

  /// Empty once it is kept or removed.
  [[nodiscard]] std::string path() const { return ticket_.path(); }
  /// It stays where it is, and is this program's no more.
  void keep() noexcept { ticket_.drop(); }
  /// Removes the name now; the file itself stays open.
  [[nodiscard]] detail::file_operation<detail::remove_tree_request> remove() noexcept {
    return detail::file_operation<detail::remove_tree_request>({.what = std::move(ticket_)});
  }

 private:
  detail::removal_ticket ticket_;
};

/// A new directory, for this user alone. It is removed with all that is in it when this object
/// goes; see temp_file.
class temp_directory {
 public:
  explicit temp_directory(detail::removal_ticket ticket) noexcept : ticket_(std::move(ticket)) {}

  [[nodiscard]] static detail::file_operation<detail::temp_directory_request> create(
      path_view folder = "") {
    return detail::file_operation<detail::temp_directory_request>(
        detail::temp_directory_request(folder));
  }

  [[nodiscard]] std::string path() const { return ticket_.path(); }
  void keep() noexcept { ticket_.drop(); }
  /// Removes it now. Cancelled before it has begun, and if it fails half-way, what is left is
  /// removed as by the destructor.
  [[nodiscard]] detail::file_operation<detail::remove_tree_request> remove() noexcept {
    return detail::file_operation<detail::remove_tree_request>({.what = std::move(ticket_)});
  }

 private:
  detail::removal_ticket ticket_;
};

}  // namespace weft::fs

namespace weft::detail {

inline fs::temp_file temp_file_request::take() noexcept {
  return {std::move(file_), std::move(made_)};
}
inline fs::temp_directory temp_directory_request::take() noexcept {
  return fs::temp_directory(std::move(made_));
}

}  // namespace weft::detail
