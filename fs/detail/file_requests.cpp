#include "file_requests.h"

#include "../../runtime/detail/sys_file.h"
#include "serial_file.h"

#include <algorithm>
#include <cerrno>

#include <sys/stat.h>
#include <unistd.h>

namespace weft::detail {
namespace {

/// A copy of this much takes some 20 us: more than that holds a worker up.
constexpr std::size_t cached_bytes_max = std::size_t{128} << 10;

/// Stores a count; 0 or an errno.
int keep(ssize_t counted, std::size_t& count) noexcept {
  if (counted < 0) return static_cast<int>(-counted);
  count = static_cast<std::size_t>(counted);
  return 0;
}

/// The kernel refuses offsets beyond its own type; so do we, before they become negative ones.
bool beyond(std::uint64_t offset, std::size_t size) noexcept {
  constexpr std::uint64_t end = INT64_MAX;
  return offset > end || size > end - offset;
}

}  // namespace

std::string describe_file(const char* operation, const serial_file* at) {
  return std::string(operation) + " " + (at == nullptr ? "a closed file" : at->path().string());
}

// ---- Reading ------------------------------------------------------------------------------------

int read_request::cached() noexcept {
  if (at->reads_may_wait || (offset && beyond(*offset, 0))) return EAGAIN;
  const std::size_t size = std::min(into.size(), cached_bytes_max);
  const std::int64_t from = offset ? static_cast<std::int64_t>(*offset) : sys::at_position;
  const int error = keep(sys::read_cached(at->fd(), into.data(), size, from), count);
  if (error != EOPNOTSUPP) return error;
  at->reads_may_wait = true;
  return EAGAIN;
}

int read_request::run() noexcept {
  if (!offset) return keep(sys::read_file(at->fd(), into.data(), into.size()), count);
  if (beyond(*offset, 0)) return EINVAL;
  const auto from = static_cast<std::int64_t>(*offset);
  return keep(sys::read_file_at(at->fd(), into.data(), into.size(), from), count);
}

// ---- Writing ------------------------------------------------------------------------------------

int write_some_request::run() noexcept {
  return keep(sys::write_file(at->fd(), from.data(), from.size()), count);
}

int write_fully(int fd, byte_view from) noexcept {
  while (!from.empty()) {
    const ssize_t count = sys::write_file(fd, from.data(), from.size());
    if (count < 0) return static_cast<int>(-count);
    from = from.subspan(static_cast<std::size_t>(count));
  }
  return 0;
}

int write_all_request::run() noexcept {
  if (!offset) return write_fully(at->fd(), from);
  if (beyond(*offset, from.size())) return EFBIG;
  auto to = static_cast<std::int64_t>(*offset);
  while (!from.empty()) {
    const ssize_t count = sys::write_file_at(at->fd(), from.data(), from.size(), to);
    if (count < 0) return static_cast<int>(-count);
    from = from.subspan(static_cast<std::size_t>(count));
    to += count;
  }
  return 0;
}

// ---- The rest -----------------------------------------------------------------------------------

int seek_request::cached() noexcept {
  return whence == SEEK_SET || whence == SEEK_CUR ? run() : EAGAIN;
}

int seek_request::run() noexcept {
  const std::int64_t moved = sys::seek_file(at->fd(), offset, whence);
  if (moved < 0) return static_cast<int>(-moved);
  position = static_cast<std::uint64_t>(moved);
  return 0;
}

int sync_request::run() noexcept {
  return -sys::sync_file(at->fd());
}

int truncate_request::run() noexcept {
  return beyond(size, 0) ? EFBIG : -sys::truncate_file(at->fd(), size);
}

int stat_request::run() noexcept {
  struct stat now{};
  const int error = -sys::stat_file(at->fd(), now);
  if (error == 0) found = to_file_stat(now);
  return error;
}

int close_request::run() noexcept {
  return at->fd() < 0 ? EBADF : at->close_now();
}

}  // namespace weft::detail
