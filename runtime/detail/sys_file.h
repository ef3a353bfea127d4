#pragma once

// The system calls of fs/, in the manner of sys.h: retried after EINTR, CLOEXEC always, errors as
// negative errno values, faults put in by the same interposer. Those of the first group never wait
// for a disk or for anybody else; all others may, and belong to a thread that may block.

#include <cstddef>
#include <cstdint>

#include <sys/stat.h>
#include <sys/types.h>

namespace weft::detail::sys {

// ---- What a worker may call ---------------------------------------------------------------------

/// Opens for reading what the kernel finds without waiting: -EAGAIN for all else, also where the
/// kernel cannot tell (before 5.12, or forbidden). What is no regular file must not be read through
/// it: it is open with O_NONBLOCK.
int open_cached(const char* path) noexcept;
/// What the kernel knows of an open file without asking a server.
int stat_cached(int fd, struct stat& into) noexcept;
inline constexpr std::int64_t at_position = -1;
/// As read_file and read_file_at, but only what lies in the page cache: -EAGAIN if that begins with
/// nothing, -EOPNOTSUPP where the file system cannot tell.
ssize_t read_cached(int fd, void* into, std::size_t size, std::int64_t offset) noexcept;
/// SEEK_SET and SEEK_CUR look at nothing but the position.
std::int64_t seek_file(int fd, std::int64_t offset, int whence) noexcept;

// ---- What may wait ------------------------------------------------------------------------------

/// Never makes a terminal the controlling one.
int open_file(const char* path, int flags, mode_t mode) noexcept;
/// Closes it in any case; an error tells that what was written before is lost.
int close_file(int fd) noexcept;
ssize_t read_file(int fd, void* into, std::size_t size) noexcept;
ssize_t read_file_at(int fd, void* into, std::size_t size, std::int64_t offset) noexcept;
/// For threads of the blocking pool, where SIGPIPE is blocked.
ssize_t write_file(int fd, const void* from, std::size_t size) noexcept;
ssize_t write_file_at(int fd, const void* from, std::size_t size, std::int64_t offset) noexcept;
/// Inside the kernel; -EXDEV, -EINVAL or -EOPNOTSUPP where it cannot.
ssize_t copy_range(int from, int to, std::size_t size) noexcept;
int sync_file(int fd) noexcept;
int truncate_file(int fd, std::uint64_t size) noexcept;
int set_mode(int fd, mode_t mode) noexcept;
int stat_file(int fd, struct stat& into) noexcept;
int stat_path(const char* path, struct stat& into) noexcept;
int rename_path(const char* from, const char* to) noexcept;
/// A file, or an empty folder.
int remove_path(const char* path) noexcept;
int make_folder(const char* path, mode_t mode) noexcept;
/// Begins to watch a path with an inotify descriptor: its number there.
int watch_path(int watch, const char* path, std::uint32_t events) noexcept;

// ---- Descriptors that no disk is behind ---------------------------------------------------------

/// An inotify descriptor, non-blocking.
int watch_create() noexcept;
/// Another number, above 2, for the same open file.
int copy_above_standard(int fd) noexcept;

}  // namespace weft::detail::sys
