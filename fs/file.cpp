#include "file.h"

#include "../runtime/detail/sys_file.h"
#include "detail/unique_fd.h"

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

namespace weft {
namespace {

constexpr mode_t new_file_mode = 0666;
constexpr std::size_t lines_chunk_bytes = std::size_t{64} << 10;

bool has(fs::open_flags flags, fs::open_flags wanted) noexcept {
  return (static_cast<unsigned>(flags) & static_cast<unsigned>(wanted)) != 0;
}

/// The kernel's flags; -1 if they make no sense.
int to_kernel(fs::open_flags flags) noexcept {
  using enum fs::open_flags;
  const bool writes = has(flags, write | append);
  if (!writes && (!has(flags, read) || has(flags, truncate))) return -1;
  int kernel = !writes ? O_RDONLY : has(flags, read) ? O_RDWR : O_WRONLY;
  if (has(flags, create)) kernel |= O_CREAT;
  if (has(flags, fs::open_flags::truncate)) kernel |= O_TRUNC;
  if (has(flags, append)) kernel |= O_APPEND;
  if (has(flags, exclusive)) kernel |= O_CREAT | O_EXCL;
  return kernel;
}

}  // namespace

namespace detail {

open_request::~open_request() {
  if (opened != nullptr) opened->close();
}

int open_request::keep(int fd) noexcept {
  if (fd < 0) return -fd;
  unique_fd owned(fd);
  opened = serial_file::make(std::move(owned), std::move(path));
  return opened == nullptr ? ENOMEM : 0;
}

int open_request::cached() noexcept {
  if (flags != fs::open_flags::read) return EAGAIN;
  const int fd = sys::open_cached(path.c_str());
  if (fd < 0) return -fd;
  struct stat found{};
  const bool ordinary = sys::stat_cached(fd, found) == 0 && S_ISREG(found.st_mode);
  if (ordinary) return keep(fd);
  sys::close(fd);  // nothing that was written, so nothing to wait for
  return EAGAIN;
}

int open_request::run() noexcept {
  const int kernel = to_kernel(flags);
  return kernel < 0 ? EINVAL : keep(sys::open_file(path.c_str(), kernel, new_file_mode));
}

}  // namespace detail

namespace fs {

async_generator<std::string> file::lines_of(file& self) {
  std::string ahead(lines_chunk_bytes, '\0');
  std::string line;  // as far as it was read
  for (;;) {
    const std::size_t count = co_await self.read_some(ahead);
    if (count == 0) break;
    std::string_view rest(ahead.data(), count);
    for (auto end = rest.find('\n'); end != rest.npos; end = rest.find('\n')) {
      line += rest.substr(0, end);
      rest.remove_prefix(end + 1);
      if (line.ends_with('\r')) line.pop_back();
      co_yield std::exchange(line, {});
    }
    line += rest;
  }
  if (!line.empty()) co_yield std::move(line);
}

}  // namespace fs
}  // namespace weft
