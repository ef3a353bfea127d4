#pragma once

#include "../runtime/detail/wait_node.h"
#include "bytes.h"
#include "detail/byte_channel.h"

#include <cstddef>
#include <memory>
#include <utility>

namespace weft {

/// One end of a connection inside the process: a stream like a socket's, without one. For tests,
/// and to put code that speaks a protocol in front of other code.
///
/// One reader and one writer at a time; a second one fails with EBUSY. The ends may be used by
/// different workers.
class duplex_stream {
 public:
  /// Reads what there is, at least one byte; 0 is the end of the stream. Cancellation: takes
  /// nothing.
  detail::channel_read read_some(byte_span into) noexcept { return {incoming_.get(), into}; }
  /// Writes what there is room for, at least one byte. Fails with EPIPE when the other end is
  /// closed. Cancellation: takes nothing.
  detail::channel_write_some write_some(byte_view from) noexcept { return {outgoing_.get(), from}; }
  /// Cancellation: may have transferred part.
  detail::channel_write_all write_all(byte_view from) noexcept { return {outgoing_.get(), from}; }
  /// The other end reads the end of the stream after what was written.
  void shutdown_write() noexcept {
    if (outgoing_ != nullptr) outgoing_->end();
  }
  void close() noexcept;

  duplex_stream(duplex_stream&&) noexcept = default;
  duplex_stream& operator=(duplex_stream&& other) noexcept;
  ~duplex_stream() { close(); }

  /// For duplex().
  duplex_stream(std::shared_ptr<detail::byte_channel> incoming,
                std::shared_ptr<detail::byte_channel> outgoing) noexcept
      : incoming_(std::move(incoming)), outgoing_(std::move(outgoing)) {}

 private:
  std::shared_ptr<detail::byte_channel> incoming_;
  std::shared_ptr<detail::byte_channel> outgoing_;
};

struct duplex_pair {
  duplex_stream first;
  duplex_stream second;
};

/// Two connected ends, with room for `bytes` in each direction. Throws std::invalid_argument for no
/// room.
[[nodiscard]] duplex_pair duplex(std::size_t bytes);

}  // namespace weft
