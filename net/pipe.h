#pragma once

#include "bytes.h"
#include "detail/descriptor.h"
#include "detail/stream_operations.h"

#include <cstddef>
#include <utility>

namespace weft {

/// The end of a pipe that bytes come out of.
///
/// Threads: one reader at a time; a second one fails with EBUSY. It stays where it is while an
/// operation waits. Cost: no allocation.
class pipe_reader {
 public:
  pipe_reader() noexcept = default;
  explicit pipe_reader(detail::descriptor end) noexcept : end_(std::move(end)) {}

  /// Reads what there is, at least one byte: how many. 0 is the end: all writers have closed.
  /// Throws std::system_error. Cancellation: takes nothing.
  detail::read_operation read_some(byte_span into) noexcept {
    return {end_.source(), into, nullptr, detail::read_operation::read};
  }
  /// A waiting operation fails with ECANCELED.
  void close() noexcept { end_.close(); }
  [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(end_); }
  [[nodiscard]] int native_handle() const noexcept { return end_.fd(); }

 private:
  detail::descriptor end_;
};

/// The end of a pipe that bytes go into. A pipe without readers fails with EPIPE; there is no
/// SIGPIPE, whatever the program does about it.
///
/// Threads: one writer at a time; as pipe_reader.
class pipe_writer {
 public:
  pipe_writer() noexcept = default;
  explicit pipe_writer(detail::descriptor end) noexcept : end_(std::move(end)) {}

  /// Writes what fits, at least one byte: how many. Throws std::system_error. Cancellation: takes
  /// nothing.
  detail::write_some_operation write_some(byte_view from) noexcept {
    return {end_.source(), from, nullptr, detail::write_some_operation::write};
  }
  /// Writes everything. Cancellation: may have transferred part.
  detail::write_all_operation write_all(byte_view from) noexcept {
    return {end_.source(), from, nullptr, detail::write_all_operation::write};
  }
  /// The reader gets the end of the stream after all that was written; a waiting operation fails
  /// with ECANCELED.
  void close() noexcept { end_.close(); }
  /// The same: a pipe has one direction.
  void shutdown_write() noexcept { close(); }
  [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(end_); }
  [[nodiscard]] int native_handle() const noexcept { return end_.fd(); }

 private:
  detail::descriptor end_;
};

/// Both ends.
struct pipe_ends {
  pipe_reader reader;
  pipe_writer writer;
};

/// A pipe inside this process; its bound is the kernel's, usually 64 KiB. Throws std::system_error
/// when descriptors have run out.
[[nodiscard]] pipe_ends pipe();

}  // namespace weft
