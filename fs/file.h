#pragma once

#include "../runtime/async_generator.h"
#include "../runtime/bytes.h"
#include "detail/file_requests.h"
#include "detail/serial_file.h"
#include "file_stat.h"
#include "path_view.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace weft::fs {

/// How to open a file. `append` implies write; `create` makes one if there is none, with the mode
/// that the umask leaves of 0666, `exclusive` fails if there is one.
enum class open_flags : unsigned {
  read = 1,
  write = 2,
  create = 4,
  truncate = 8,
  append = 16,
  exclusive = 32
};
constexpr open_flags operator|(open_flags a, open_flags b) noexcept {
  return static_cast<open_flags>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}

class file;

}  // namespace weft::fs

namespace weft::detail {

struct open_request {
  using value_type = fs::file;
  static constexpr const char* waits_as = "fs::file::open()";

  owned_path path;
  fs::open_flags flags;
  serial_file* opened = nullptr;

  open_request(fs::path_view where, fs::open_flags how) : path(where), flags(how) {}
  open_request(open_request&& other) noexcept
      : path(std::move(other.path)),
        flags(other.flags),
        opened(std::exchange(other.opened, nullptr)) {}
  open_request& operator=(open_request&&) = delete;
  ~open_request();

  int cached() noexcept;
  int run() noexcept;
  [[nodiscard]] std::string describe() const { return "open " + path.string(); }
  fs::file take() noexcept;

 private:
  int keep(int fd) noexcept;
};

}  // namespace weft::detail

namespace weft::fs {

/// An open file.
///
/// What may wait for a disk runs on a thread of the runtime's blocking pool, each operation as one
/// job; what is known not to wait, above all reads of what the kernel has in memory, is done at
/// once. Meant for regular files: an operation on a named pipe or a device may occupy a thread for
/// as long as that likes, and cannot be cancelled meanwhile; see standard_input for streams.
///
/// Order: operations on one file are carried out one after the other, in the order in which they
/// were awaited, by however many tasks.
/// Errors: std::system_error that names operation and path: "read data/a: Input/output error". A
/// file that was moved from, or closed, fails with EBADF.
/// Cancellation: an operation that still waits for its turn or for a thread does nothing. Once it
/// has begun it cannot be cancelled: it is carried out, its result is delivered, and the request
/// stays pending. So the position of the file is always known.
/// Threads: any. It may be moved while operations are on their way, and is destroyed when all have
/// ended. Destroying it closes it on the pool; what a late write error would say is lost: sync() or
/// close() tell.
/// Cost: opening allocates once; operations do not allocate.
class file {
 public:
  /// Not open.
  file() noexcept = default;
  explicit file(detail::serial_file* opened) noexcept : core_(opened) {}
  file(file&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  file& operator=(file&& other) noexcept {
    if (this != &other) drop(std::exchange(core_, std::exchange(other.core_, nullptr)));
    return *this;
  }
  ~file() { drop(core_); }

  /// Opens a file. Fails with EINVAL for flags with neither read, write nor append, and for
  /// truncate without write.
  [[nodiscard]] static detail::file_operation<detail::open_request> open(
      path_view where, open_flags flags = open_flags::read) {
    return detail::file_operation<detail::open_request>(detail::open_request(where, flags));
  }

  /// Reads from the position on, at least one byte: how many. 0 is the end.
  detail::file_operation<detail::read_request> read_some(byte_span into) noexcept {
    return {core_, detail::read_request{core_, into}};
  }
  /// Writes at the position (with append, at the end), at least one byte: how many.
  detail::file_operation<detail::write_some_request> write_some(byte_view from) noexcept {
    return {core_, detail::write_some_request{core_, from}};
  }
  /// Writes everything, at the position. An error may have left a part behind.
  detail::file_operation<detail::write_all_request> write_all(byte_view from) noexcept {
    return {core_, detail::write_all_request{core_, from}};
  }
  /// As read_some, from `offset` on; the position stays.
  detail::file_operation<detail::read_request> read_at(byte_span into,
                                                       std::uint64_t offset) noexcept {
    return {core_, detail::read_request{core_, into, offset}};
  }
  /// As write_all, at `offset`; the position stays. (Linux writes at the end of a file that is open
  /// with append, whatever the offset.)
  detail::file_operation<detail::write_all_request> write_at(byte_view from,
                                                             std::uint64_t offset) noexcept {
    return {core_, detail::write_all_request{core_, from, offset}};
  }
  /// Moves the position, relative to the begin (SEEK_SET), to itself (SEEK_CUR), or to the end of
  /// the file (SEEK_END): where it is then.
  detail::file_operation<detail::seek_request> seek(std::int64_t offset, int whence = 0) noexcept {
    return {core_, detail::seek_request{core_, offset, whence}};
  }
  /// What was written so far is on the disk when this ends (fsync).
  detail::file_operation<detail::sync_request> sync() noexcept {
    return {core_, detail::sync_request{core_}};
  }
  /// Cuts the file, or extends it with zeros. The position stays.
  detail::file_operation<detail::truncate_request> truncate(std::uint64_t size) noexcept {
    return {core_, detail::truncate_request{core_, size}};
  }
  detail::file_operation<detail::stat_request> stat() noexcept {
    return {core_, detail::stat_request{core_}};
  }

  /// The lines from the position on, without their ends ("\n" or "\r\n"); the last one may lack it.
  /// Reads ahead: the position is only known when the last line was given. The file stays where it
  /// is meanwhile.
  [[nodiscard]] async_generator<std::string> lines() { return lines_of(*this); }

  /// Closes it. Fails with what the kernel could not write (EIO, ENOSPC); it is closed even then.
  /// Cancelled before it has begun: the file is open, and its destructor closes it.
  detail::file_operation<detail::close_request> close() noexcept {
    return {core_, detail::close_request{core_}};
  }
  /// Not while close() is on its way.
  [[nodiscard]] bool is_open() const noexcept { return native_handle() >= 0; }
  [[nodiscard]] int native_handle() const noexcept { return core_ == nullptr ? -1 : core_->fd(); }

 private:
  static async_generator<std::string> lines_of(file& self);
  static void drop(detail::serial_file* core) noexcept {
    if (core != nullptr) core->close();
  }

  detail::serial_file* core_ = nullptr;
};

}  // namespace weft::fs

namespace weft::detail {

inline fs::file open_request::take() noexcept {
  return fs::file(std::exchange(opened, nullptr));
}

}  // namespace weft::detail
