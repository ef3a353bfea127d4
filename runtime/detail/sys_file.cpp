#include "sys_file.h"

#include "atomic.h"
#include "sys.h"

#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/openat2.h>

namespace weft::detail::sys {
namespace {

/// 0, or the errno a test wants.
int injected(call which, int fd) noexcept {
  const interposer_function ask = interposer.load(std::memory_order_relaxed);  // see interposer
  return ask == nullptr ? 0 : ask(which, fd);
}

/// Repeats after EINTR; -errno on failure, also on that which a test wants.
template <class Call>
auto checked(call which, int fd, Call make) noexcept {
  using value_type = decltype(make());
  if (const int error = injected(which, fd)) return static_cast<value_type>(-error);
  for (;;) {
    const value_type value = make();
    if (value >= 0) return value;
    if (errno != EINTR) return static_cast<value_type>(-errno);
  }
}

int counted(int fd) noexcept {
  if (fd >= 0) opened();
  return fd;
}

// Set once the kernel has refused openat2 (before 5.6) or RESOLVE_CACHED (5.12), or a filter has
// forbidden it. Relaxed: a hint.
constinit atomic<bool> cannot_open_cached{false};

}  // namespace

// ---- What a worker may call ---------------------------------------------------------------------

int open_cached(const char* path) noexcept {
  if (cannot_open_cached.load(std::memory_order_relaxed)) return -EAGAIN;  // a hint
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  how.resolve = RESOLVE_CACHED;
  const int fd = checked(call::file_open_cached, -1, [&] {
    return static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how));
  });
  if (fd == -ENOSYS || fd == -EINVAL || fd == -EPERM) {
    cannot_open_cached.store(true, std::memory_order_relaxed);  // a hint
    return -EAGAIN;
  }
  return counted(fd);
}

int stat_cached(int fd, struct stat& into) noexcept {
  struct statx found;
  const int failed = checked(call::file_stat, fd, [&] {
    return ::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_SIZE, &found);
  });
  if (failed < 0) return failed;
  into.st_mode = found.stx_mode;
  into.st_size = static_cast<off_t>(found.stx_size);
  return 0;
}

ssize_t read_cached(int fd, void* into, std::size_t size, std::int64_t offset) noexcept {
  const iovec part{.iov_base = into, .iov_len = size};
  return checked(call::file_read_cached, fd,
                 [&] { return ::preadv2(fd, &part, 1, offset, RWF_NOWAIT); });
}

std::int64_t seek_file(int fd, std::int64_t offset, int whence) noexcept {
  return checked(call::file_seek, fd, [&] { return std::int64_t{::lseek(fd, offset, whence)}; });
}

// ---- What may wait ------------------------------------------------------------------------------

int open_file(const char* path, int flags, mode_t mode) noexcept {
  return counted(checked(call::file_open, -1,
                         [&] { return ::open(path, flags | O_CLOEXEC | O_NOCTTY, mode); }));
}

int close_file(int fd) noexcept {
  const int wanted = injected(call::file_close, fd);
  errno = 0;
  close(fd);  // never repeated
  return wanted != 0 ? -wanted : errno == EINTR ? 0 : -errno;
}

ssize_t read_file(int fd, void* into, std::size_t size) noexcept {
  return checked(call::file_read, fd, [&] { return ::read(fd, into, size); });
}

ssize_t read_file_at(int fd, void* into, std::size_t size, std::int64_t offset) noexcept {
  return checked(call::file_read, fd, [&] { return ::pread(fd, into, size, offset); });
}

ssize_t write_file(int fd, const void* from, std::size_t size) noexcept {
  return checked(call::file_write, fd, [&] { return ::write(fd, from, size); });
}

ssize_t write_file_at(int fd, const void* from, std::size_t size, std::int64_t offset) noexcept {
  return checked(call::file_write, fd, [&] { return ::pwrite(fd, from, size, offset); });
}

ssize_t copy_range(int from, int to, std::size_t size) noexcept {
  return checked(call::file_write, to,
                 [&] { return ::copy_file_range(from, nullptr, to, nullptr, size, 0); });
}

int sync_file(int fd) noexcept {
  return checked(call::file_sync, fd, [&] { return ::fsync(fd); });
}

int truncate_file(int fd, std::uint64_t size) noexcept {
  return checked(call::file_truncate, fd,
                 [&] { return ::ftruncate(fd, static_cast<off_t>(size)); });
}

int set_mode(int fd, mode_t mode) noexcept {
  return checked(call::path_change, fd, [&] { return ::fchmod(fd, mode); });
}

int stat_file(int fd, struct stat& into) noexcept {
  return checked(call::file_stat, fd, [&] { return ::fstat(fd, &into); });
}

int stat_path(const char* path, struct stat& into) noexcept {
  return checked(call::file_stat, -1, [&] { return ::stat(path, &into); });
}

int rename_path(const char* from, const char* to) noexcept {
  return checked(call::path_change, -1, [&] { return ::rename(from, to); });
}

int remove_path(const char* path) noexcept {
  return checked(call::path_change, -1, [&] { return std::remove(path); });
}

int make_folder(const char* path, mode_t mode) noexcept {
  return checked(call::path_change, -1, [&] { return ::mkdir(path, mode); });
}

int watch_path(int watch, const char* path, std::uint32_t events) noexcept {
  return checked(call::path_change, watch,
                 [&] { return ::inotify_add_watch(watch, path, events); });
}

int watch_create() noexcept {
  return counted(
      checked(call::watch_create, -1, [] { return ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK); }));
}

int copy_above_standard(int fd) noexcept {
  return counted(checked(call::file_open, fd,
                         [&] { return ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1); }));
}

}  // namespace weft::detail::sys
