#pragma once

// What the operations on an open file do. All run while they hold it; see serial_file.h.

#include "../../runtime/bytes.h"
#include "../file_stat.h"
#include "file_call.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace weft::detail {

class serial_file;

/// "read data/a": what an error is called.
std::string describe_file(const char* operation, const serial_file* at);

struct read_request {
  using value_type = std::size_t;
  static constexpr const char* waits_as = "fs::file::read_some()";

  serial_file* at;
  byte_span into;
  std::optional<std::uint64_t> offset = std::nullopt;  // none: at the position
  std::size_t count = 0;

  int cached() noexcept;
  int run() noexcept;
  [[nodiscard]] std::string describe() const { return describe_file("read", at); }
  [[nodiscard]] std::size_t take() const noexcept { return count; }
};

struct write_some_request {
  using value_type = std::size_t;
  static constexpr const char* waits_as = "fs::file::write_some()";

  serial_file* at;
  byte_view from;
  std::size_t count = 0;

  int run() noexcept;
  [[nodiscard]] std::string describe() const { return describe_file("write", at); }
  [[nodiscard]] std::size_t take() const noexcept { return count; }
};

struct write_all_request {
  using value_type = void;
  static constexpr const char* waits_as = "fs::file::write_all()";

  serial_file* at;
  byte_view from;
  std::optional<std::uint64_t> offset = std::nullopt;  // none: at the position

  int run() noexcept;
  [[nodiscard]] std::string describe() const { return describe_file("write", at); }
  void take() const noexcept {}
};

struct seek_request {
  using value_type = std::uint64_t;
  static constexpr const char* waits_as = "fs::file::seek()";

  serial_file* at;
  std::int64_t offset;
  int whence;
  std::uint64_t position = 0;

  int cached() noexcept;
  int run() noexcept;
  [[nodiscard]] std::string describe() const { return describe_file("seek", at); }
  [[nodiscard]] std::uint64_t take() const noexcept { return position; }
};

struct sync_request {
  using value_type = void;
  static constexpr const char* waits_as = "fs::file::sync()";

  serial_file* at;

  int run() noexcept;
  [[nodiscard]] std::string describe() const { return describe_file("sync", at); }
  void take() const noexcept {}
};

struct truncate_request {
  using value_type = void;
  static constexpr const char* waits_as = "fs::file::truncate()";

  serial_file* at;
  std::uint64_t size;

  int run() noexcept;
  [[nodiscard]] std::string describe() const { return describe_file("truncate", at); }
  void take() const noexcept {}
};

struct stat_request {
  using value_type = fs::file_stat;
  static constexpr const char* waits_as = "fs::file::stat()";

  serial_file* at;
  fs::file_stat found = {};

  int run() noexcept;
  [[nodiscard]] std::string describe() const { return describe_file("stat", at); }
  [[nodiscard]] fs::file_stat take() const noexcept { return found; }
};

struct close_request {
  using value_type = void;
  static constexpr const char* waits_as = "fs::file::close()";

  serial_file* at;

  int run() noexcept;
  [[nodiscard]] std::string describe() const { return describe_file("close", at); }
  void take() const noexcept {}
};

/// Writes all of it at the position: 0 or an errno.
int write_fully(int fd, byte_view from) noexcept;

}  // namespace weft::detail
