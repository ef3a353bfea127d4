#include "path_operations.h"

#include "../runtime/detail/sys_file.h"

#include <cerrno>
#include <cstddef>
#include <new>

#include <sys/stat.h>

namespace weft::detail {

int stat_path_request::run() noexcept {
  struct stat now{};
  const int error = -sys::stat_path(path.c_str(), now);
  if (error == 0) found = to_file_stat(now);
  return error;
}

int exists_request::run() noexcept {
  struct stat now{};
  const int error = -sys::stat_path(path.c_str(), now);
  found = error == 0;
  return error == ENOENT || error == ENOTDIR ? 0 : error;
}

int rename_request::run() noexcept {
  return -sys::rename_path(from.c_str(), to.c_str());
}

int remove_request::run() noexcept {
  return -sys::remove_path(path.c_str());
}

namespace {

constexpr mode_t new_folder_mode = 0777;

/// 0 also when it is there.
int make_folder(const std::string& path) noexcept {
  const int error = -sys::make_folder(path.c_str(), new_folder_mode);
  if (error != EEXIST) return error;
  struct stat found{};
  const bool is_folder = sys::stat_path(path.c_str(), found) == 0 && S_ISDIR(found.st_mode);
  return is_folder ? 0 : ENOTDIR;
}

/// From the top on, but only if the last one cannot be made at once.
int make_folders(const std::string& path) {
  int error = make_folder(path);
  if (error != ENOENT || path.empty()) return error;
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    error = make_folder(path.substr(0, slash));
    if (error != 0) return error;
  }
  return make_folder(path);
}

}  // namespace

int create_directories_request::run() noexcept {
  try {
    return make_folders(path.string());
  } catch (const std::bad_alloc&) {
    return ENOMEM;
  }
}

}  // namespace weft::detail
