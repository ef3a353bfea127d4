#pragma once

#include "detail/socket_stream.h"
#include "detail/stream_operations.h"

#include <cstdint>
#include <limits>

namespace weft {

/// A count of bytes: those that were sent, fewer than asked for only where the file ends.
class [[nodiscard]] send_file_operation : public detail::stream_operation {
 public:
  send_file_operation(detail::io_source* source, int file, std::uint64_t offset,
                      std::uint64_t count, const detail::peer_name* peer) noexcept
      : stream_operation(source, detail::io_direction::write, step, peer),
        file_(file),
        offset_(offset),
        count_(count) {}
  bool await_ready() { return io_operation::await_ready() || (count_ == 0 && source_ != nullptr); }
  [[nodiscard]] std::uint64_t await_resume() const {
    check_outcome();
    if (failed()) [[unlikely]]
      fail("sendfile");
    return sent_;
  }
  [[nodiscard]] result<std::uint64_t> await_resume_result() const {
    check_outcome();
    if (failed()) return {error(), describe("sendfile")};
    return sent_;
  }

  /// What was sent so far; also when it has failed or was cancelled.
  [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }

 private:
  static detail::io_progress step(io_operation& self) noexcept;
  std::int64_t send_part() noexcept;
  std::int64_t copy_part() noexcept;

  int file_;
  bool copies_ = false;  // the kernel cannot send from this file by itself
  std::uint64_t offset_;
  std::uint64_t count_;
  std::uint64_t sent_ = 0;
};

/// Sends a file, or `count` bytes of it from `offset` on, without copying them through this
/// process: how many. Where the kernel cannot do that, they are copied. `file` is an open
/// descriptor that can be read at any place; its own position is neither used nor moved.
///
/// It is a write of the stream: another one meanwhile fails with EBUSY. What a buffered_writer
/// still has is not sent before it: flush() first. Errors throw std::system_error that names the
/// peer. Who wants to know how much was sent before one keeps the operation, awaits that, and asks
/// for its sent().
/// What is not in the page cache is read from the disk by the calling worker.
/// Cancellation: may have transferred part; sent() says how much.
[[nodiscard]] send_file_operation sendfile(
    detail::socket_stream& to, int file, std::uint64_t offset = 0,
    std::uint64_t count = std::numeric_limits<std::uint64_t>::max()) noexcept;

}  // namespace weft
