#include "whole_file.h"

#include "../runtime/detail/sys_file.h"
#include "detail/file_requests.h"
#include "detail/fresh_name.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>

namespace weft::detail {
namespace {

constexpr mode_t new_file_mode = 0666;
constexpr mode_t mode_bits = 07777;
/// More than this is not copied on a worker.
constexpr std::size_t cached_bytes_max = std::size_t{128} << 10;
constexpr std::size_t chunk_bytes = std::size_t{64} << 10;

bool is_file(const struct stat& found) noexcept {
  return S_ISREG(found.st_mode);
}

}  // namespace

// ---- Reading ------------------------------------------------------------------------------------

/// 0: open, and a regular file.
int read_whole::open_cached() noexcept {
  fd_.reset(sys::open_cached(path_.c_str()));
  if (!fd_) return -fd_.release();
  struct stat found{};
  if (sys::stat_cached(fd(), found) == 0 && is_file(found)) {
    size_ = static_cast<std::size_t>(found.st_size);
    stage_ = "read";
    return 0;
  }
  fd_.reset();
  return EAGAIN;
}

int read_whole::open_now() noexcept {
  if (fd_) return 0;
  fd_.reset(sys::open_file(path_.c_str(), O_RDONLY, 0));
  if (!fd_) return -fd_.release();
  stage_ = "read";
  struct stat found{};
  if (const int failed = sys::stat_file(fd(), found); failed < 0) return -failed;
  if (is_file(found)) size_ = static_cast<std::size_t>(found.st_size);
  return 0;
}

std::string read_whole::describe() const {
  return std::string(stage_) + " " + path_.string();
}

/// Room for what there is, and for a byte more: a read that leaves it empty has seen the end.
bool read_file_request::make_room() noexcept {
  const std::size_t wanted = count_ == 0 ? size() + 1 : count_ + std::max(count_, chunk_bytes);
  try {
    bytes_.resize(wanted);
  } catch (const std::exception&) {  // bad_alloc, length_error
    return false;
  }
  return true;
}

int read_file_request::cached() noexcept {
  if (const int error = open_cached(); error != 0) return error;
  if (size() > cached_bytes_max) return EAGAIN;
  if (!make_room()) return ENOMEM;
  const ssize_t count = sys::read_cached(fd(), bytes_.data(), bytes_.size(), sys::at_position);
  if (count > 0) count_ = static_cast<std::size_t>(count);
  // A size of nothing may be a lie, as in /proc.
  if (count <= 0 || count_ != size()) return EAGAIN;
  bytes_.resize(count_);
  close();
  return 0;
}

int read_file_request::run() noexcept {
  if (const int error = open_now(); error != 0) return error;
  for (;;) {
    if (count_ == bytes_.size() && !make_room()) return ENOMEM;
    const ssize_t count = sys::read_file(fd(), bytes_.data() + count_, bytes_.size() - count_);
    if (count < 0) return static_cast<int>(-count);
    if (count == 0) break;
    count_ += static_cast<std::size_t>(count);
  }
  bytes_.resize(count_);
  close();
  return 0;
}

int read_into_request::cached() noexcept {
  if (const int error = open_cached(); error != 0) return error;
  const std::size_t wanted = std::min(size(), into_.size());
  if (wanted == 0 || wanted > cached_bytes_max) return EAGAIN;
  const ssize_t count = sys::read_cached(fd(), into_.data(), wanted, sys::at_position);
  if (count > 0) count_ = static_cast<std::size_t>(count);
  if (count_ != wanted) return EAGAIN;
  close();
  return 0;
}

int read_into_request::run() noexcept {
  if (const int error = open_now(); error != 0) return error;
  while (count_ < into_.size()) {
    const byte_span rest = into_.subspan(count_);
    const ssize_t count = sys::read_file(fd(), rest.data(), rest.size());
    if (count < 0) return static_cast<int>(-count);
    if (count == 0) break;
    count_ += static_cast<std::size_t>(count);
  }
  close();
  return 0;
}

// ---- Writing ------------------------------------------------------------------------------------

namespace {

int write_and_close(unique_fd fd, byte_view bytes) noexcept {
  if (const int error = write_fully(fd.get(), bytes); error != 0) return error;
  return -sys::close_file(fd.release());
}

int write_in_place(const char* path, byte_view bytes) noexcept {
  unique_fd fd(sys::open_file(path, O_WRONLY | O_CREAT | O_TRUNC, new_file_mode));
  return fd ? write_and_close(std::move(fd), bytes) : -fd.release();
}

/// The folder that holds a path: "a" of "a/b", "." of "b".
std::string folder_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(path.substr(0, std::max<std::size_t>(slash, 1)));
}

/// A folder says on the disk what it contains.
int sync_folder(const std::string& folder) noexcept {
  unique_fd fd(sys::open_file(folder.c_str(), O_RDONLY | O_DIRECTORY, 0));
  return fd ? -sys::sync_file(fd.get()) : -fd.release();
}

int fill_and_sync(unique_fd fd, byte_view bytes, const struct stat* old) noexcept {
  if (old != nullptr) {
    if (const int failed = sys::set_mode(fd.get(), old->st_mode & mode_bits); failed < 0)
      return -failed;
  }
  if (const int error = write_fully(fd.get(), bytes); error != 0) return error;
  if (const int failed = sys::sync_file(fd.get()); failed < 0) return -failed;
  return -sys::close_file(fd.release());
}

int write_atomically(const std::string& path, byte_view bytes) {
  struct stat old{};
  const bool replaces = sys::stat_path(path.c_str(), old) == 0;
  // Who may not read the old file must not open the new one while it has no permissions of its own.
  const mode_t mode_at_first = replaces ? S_IRUSR | S_IWUSR : new_file_mode;
  std::string beside;
  unique_fd fd;
  const int made = with_fresh_name(path + ".", beside, [&](const char* name) noexcept {
    fd.reset(sys::open_file(name, O_WRONLY | O_CREAT | O_EXCL, mode_at_first));
    return fd ? 0 : -fd.release();
  });
  if (made != 0) return made;
  int error = fill_and_sync(std::move(fd), bytes, replaces ? &old : nullptr);
  if (error == 0) error = -sys::rename_path(beside.c_str(), path.c_str());
  if (error != 0) {
    (void)sys::remove_path(beside.c_str());
    return error;
  }
  return sync_folder(folder_of(path));
}

}  // namespace

int write_file_request::run() noexcept {
  if (!options_.atomic) return write_in_place(path_.c_str(), bytes_);
  try {
    return write_atomically(path_.string(), bytes_);
  } catch (const std::exception&) {  // no memory for the names
    return ENOMEM;
  }
}

// ---- Copying ------------------------------------------------------------------------------------

namespace {

/// Where the kernel cannot do it by itself.
int copy_through_memory(int from, int to) noexcept {
  const std::unique_ptr<char[]> chunk(new (std::nothrow) char[chunk_bytes]);
  if (chunk == nullptr) return ENOMEM;
  for (;;) {
    const ssize_t count = sys::read_file(from, chunk.get(), chunk_bytes);
    if (count <= 0) return static_cast<int>(-count);
    const byte_view got(chunk.get(), static_cast<std::size_t>(count));
    if (const int error = write_fully(to, got); error != 0) return error;
  }
}

int copy_contents(int from, int to) noexcept {
  constexpr std::size_t at_once = std::size_t{1} << 30;
  for (bool begun = false;; begun = true) {
    const ssize_t count = sys::copy_range(from, to, at_once);
    if (count > 0) continue;
    const bool cannot = count == -EXDEV || count == -EINVAL || count == -EOPNOTSUPP ||
                        count == -ENOSYS || count == -EPERM;
    // Files that pretend to be empty, as in /proc, copy as nothing.
    if (cannot || (count == 0 && !begun)) return copy_through_memory(from, to);
    return static_cast<int>(-count);
  }
}

}  // namespace

int copy_file_request::run() noexcept {
  const unique_fd from(sys::open_file(from_.c_str(), O_RDONLY, 0));
  if (!from) return -from.get();
  struct stat source{};
  if (const int failed = sys::stat_file(from.get(), source); failed < 0) return -failed;
  if (S_ISDIR(source.st_mode)) return EISDIR;
  const mode_t mode = source.st_mode & mode_bits;
  unique_fd to(sys::open_file(to_.c_str(), O_WRONLY | O_CREAT, mode));
  if (!to) return -to.get();
  struct stat target{};
  if (const int failed = sys::stat_file(to.get(), target); failed < 0) return -failed;
  if (target.st_dev == source.st_dev && target.st_ino == source.st_ino) return EINVAL;
  if (is_file(target)) {
    if (const int failed = sys::truncate_file(to.get(), 0); failed < 0) return -failed;
    if (const int failed = sys::set_mode(to.get(), mode); failed < 0) return -failed;
  }
  if (const int error = copy_contents(from.get(), to.get()); error != 0) return error;
  return -sys::close_file(to.release());
}

}  // namespace weft::detail
