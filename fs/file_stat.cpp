#include "file_stat.h"

#include <sys/stat.h>

namespace weft::detail {
namespace {

std::filesystem::file_type type_of(mode_t mode) noexcept {
  using std::filesystem::file_type;
  switch (mode & S_IFMT) {
    case S_IFREG:
      return file_type::regular;
    case S_IFDIR:
      return file_type::directory;
    case S_IFLNK:
      return file_type::symlink;
    case S_IFBLK:
      return file_type::block;
    case S_IFCHR:
      return file_type::character;
    case S_IFIFO:
      return file_type::fifo;
    case S_IFSOCK:
      return file_type::socket;
    default:
      return file_type::unknown;
  }
}

}  // namespace

fs::file_stat to_file_stat(const struct ::stat& from) noexcept {
  const auto since_epoch =
      std::chrono::seconds(from.st_mtim.tv_sec) + std::chrono::nanoseconds(from.st_mtim.tv_nsec);
  return {.size = static_cast<std::uint64_t>(from.st_size),
          .type = type_of(from.st_mode),
          .permissions = static_cast<std::filesystem::perms>(from.st_mode & 07777),
          .modified = std::chrono::system_clock::time_point(
              std::chrono::duration_cast<std::chrono::system_clock::duration>(since_epoch))};
}

}  // namespace weft::detail
