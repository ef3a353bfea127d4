#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>

struct stat;

namespace weft::fs {

/// What the file system knows of a file.
struct file_stat {
  std::uint64_t size = 0;  // in bytes
  std::filesystem::file_type type = std::filesystem::file_type::none;
  std::filesystem::perms permissions = std::filesystem::perms::none;
  std::chrono::system_clock::time_point modified;

  [[nodiscard]] bool is_file() const noexcept {
    return type == std::filesystem::file_type::regular;
  }
  [[nodiscard]] bool is_directory() const noexcept {
    return type == std::filesystem::file_type::directory;
  }
};

}  // namespace weft::fs

namespace weft::detail {

fs::file_stat to_file_stat(const struct ::stat& from) noexcept;

}  // namespace weft::detail
