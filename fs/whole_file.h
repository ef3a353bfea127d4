#pragma once

// Whole files in one operation.

#include "../runtime/bytes.h"
#include "detail/file_call.h"
#include "detail/owned_path.h"
#include "detail/unique_fd.h"
#include "path_view.h"

#include <cstddef>
#include <string>
#include <utility>

namespace weft::fs {

struct write_options {
  /// All or nothing, whatever happens meanwhile: the bytes go to a new file in the same folder,
  /// which takes the place of the old one when they are on the disk. It has the permissions of the
  /// old one. A symbolic link is replaced, not followed.
  bool atomic = false;
};

}  // namespace weft::fs

namespace weft::detail {

/// Opens and reads; what it has begun on the worker it ends on the pool.
class read_whole {
 public:
  [[nodiscard]] std::string describe() const;

 protected:
  explicit read_whole(fs::path_view where) : path_(where) {}

  int open_cached() noexcept;
  int open_now() noexcept;
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  void close() noexcept { fd_.reset(); }

 private:
  owned_path path_;
  unique_fd fd_;
  std::size_t size_ = 0;  // as it was when it was opened
  const char* stage_ = "open";
};

class read_file_request : public read_whole {
 public:
  using value_type = std::string;
  static constexpr const char* waits_as = "fs::read_file()";

  explicit read_file_request(fs::path_view where) : read_whole(where) {}
  int cached() noexcept;
  int run() noexcept;
  [[nodiscard]] std::string take() noexcept { return std::move(bytes_); }

 private:
  bool make_room() noexcept;

  std::string bytes_;
  std::size_t count_ = 0;
};

class read_into_request : public read_whole {
 public:
  using value_type = std::size_t;
  static constexpr const char* waits_as = "fs::read_into()";

  read_into_request(fs::path_view where, byte_span into) : read_whole(where), into_(into) {}
  int cached() noexcept;
  int run() noexcept;
  [[nodiscard]] std::size_t take() const noexcept { return count_; }

 private:
  byte_span into_;
  std::size_t count_ = 0;
};

class write_file_request {
 public:
  using value_type = void;
  static constexpr const char* waits_as = "fs::write_file()";

  write_file_request(fs::path_view where, byte_view bytes, fs::write_options options)
      : path_(where), bytes_(bytes), options_(options) {}
  int run() noexcept;
  [[nodiscard]] std::string describe() const { return "write " + path_.string(); }
  void take() const noexcept {}

 private:
  owned_path path_;
  byte_view bytes_;
  fs::write_options options_;
};

class copy_file_request {
 public:
  using value_type = void;
  static constexpr const char* waits_as = "fs::copy_file()";

  copy_file_request(fs::path_view from, fs::path_view to) : from_(from), to_(to) {}
  int run() noexcept;
  [[nodiscard]] std::string describe() const {
    return "copy " + from_.string() + " to " + to_.string();
  }
  void take() const noexcept {}

 private:
  owned_path from_;
  owned_path to_;
};

}  // namespace weft::detail

namespace weft::fs {

// All are one operation each: open, read or write, close. A small file that the kernel has in
// memory is read at once; all else is one job for the blocking pool. Errors: std::system_error with
// the path. Cancellation: before the job has begun nothing happens; from then on it cannot be
// cancelled.

/// The contents of a file. Costs one allocation, of its size.
[[nodiscard]] inline detail::file_operation<detail::read_file_request> read_file(path_view where) {
  return detail::file_operation<detail::read_file_request>(detail::read_file_request(where));
}
/// The same, by another name: bytes are taken for text as they are, without a conversion or a
/// check.
[[nodiscard]] inline detail::file_operation<detail::read_file_request> read_text(path_view where) {
  return read_file(where);
}
/// Reads the beginning of a file, as much as fits: how many bytes. No allocation.
[[nodiscard]] inline detail::file_operation<detail::read_into_request> read_into(path_view where,
                                                                                 byte_span into) {
  return detail::file_operation<detail::read_into_request>(detail::read_into_request(where, into));
}
/// Makes the file hold these bytes, and nothing else. Without write_options::atomic, a failure may
/// leave a part of them behind.
[[nodiscard]] inline detail::file_operation<detail::write_file_request> write_file(
    path_view where, byte_view bytes, write_options options = {}) {
  return detail::file_operation<detail::write_file_request>(
      detail::write_file_request(where, bytes, options));
}
/// Makes `to` a copy of `from`, contents and permissions, in the kernel where that can. What was
/// there is overwritten; a failure may leave a part behind. Fails with EINVAL if both are the same
/// file.
[[nodiscard]] inline detail::file_operation<detail::copy_file_request> copy_file(path_view from,
                                                                                 path_view to) {
  return detail::file_operation<detail::copy_file_request>(detail::copy_file_request(from, to));
}

}  // namespace weft::fs
