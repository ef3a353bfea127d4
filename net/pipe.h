#pragma once

#include "detail/descriptor.h"
#include "detail/stream_operations.h"

#include <utility>

namespace weft {

/// The end of a kernel pipe from which bytes come out. One task reads at a time.
class pipe_reader {
 public:
  /// Takes over the reading end of a pipe or FIFO, and makes it non-blocking. Throws
  /// std::system_error; it is closed then.
  static pipe_reader adopt(int fd);

  /// What there is, at least one byte; 0 once all writers are gone. Cancellation: takes nothing.
  detail::read_operation read_some(byte_span into) noexcept {
    return {end_.source(), into, &detail::pipe_name, detail::read_operation::read};
  }
  /// A waiting read fails with ECANCELED.
  void close() noexcept { end_.close(); }
  [[nodiscard]] int native_handle() const noexcept { return end_.fd(); }

  /// For pipe().
  explicit pipe_reader(detail::descriptor end) noexcept : end_(std::move(end)) {}

 private:
  detail::descriptor end_;
};

/// The end into which bytes go. One task writes at a time. When nobody reads, writing fails with
/// EPIPE; no signal is raised.
class pipe_writer {
 public:
  /// Takes over the writing end of a pipe or FIFO, and makes it non-blocking. Throws
  /// std::system_error; it is closed then.
  static pipe_writer adopt(int fd);

  /// Writes what the pipe takes, at least one byte: how many. Cancellation: takes nothing.
  detail::write_some_operation write_some(byte_view from) noexcept {
    return {end_.source(), from, &detail::pipe_name, detail::write_some_operation::write};
  }
  /// Cancellation: may have transferred part.
  detail::write_all_operation write_all(byte_view from) noexcept {
    return {end_.source(), from, &detail::pipe_name, detail::write_all_operation::write};
  }
  /// The reader sees the end of the stream after what was written.
  void close() noexcept { end_.close(); }
  void shutdown_write() noexcept { end_.close(); }
  [[nodiscard]] int native_handle() const noexcept { return end_.fd(); }

  /// For pipe().
  explicit pipe_writer(detail::descriptor end) noexcept : end_(std::move(end)) {}

 private:
  detail::descriptor end_;
};

struct pipe_ends {
  pipe_reader reader;
  pipe_writer writer;
};

/// A pipe of the kernel, 64 KiB as a rule. Throws std::system_error.
[[nodiscard]] pipe_ends pipe();

}  // namespace weft
