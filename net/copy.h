#pragma once

#include "../runtime/gather.h"
#include "../runtime/task.h"
#include "detail/read_buffer.h"
#include "stream.h"
#include "tcp.h"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace weft {

namespace detail {

/// All of `from`, however many writes it takes.
template <async_writer W>
task<> write_everything(W& to, byte_view from) {
  while (!from.empty()) {
    const std::size_t taken = co_await to.write_some(from);
    from = from.subspan(taken);
  }
}

template <class S>
concept poll_readable = requires(S& s, byte_span into) {
  { s.readable() } -> awaitable;
  { s.try_read_some(into) } -> std::same_as<std::optional<std::size_t>>;
};

/// Adds to `total` as bytes arrive at their destination, so that the count is right whatever ends
/// the copying.
template <async_reader R, async_writer W>
task<> copy_counting(R& from, W& to, std::uint64_t& total) {
  for (;;) {
    read_buffer buffer;  // none while it waits, where `from` can tell that it is readable
    std::size_t count = 0;
    if constexpr (poll_readable<R>) {
      co_await from.readable();
      const std::optional<std::size_t> got = from.try_read_some(buffer.room());
      if (!got) continue;
      count = *got;
    } else {
      count = co_await from.read_some(buffer.room());
    }
    if (count == 0) co_return;
    buffer.commit(count);
    if constexpr (requires { to.write_all(byte_view()); }) {
      co_await to.write_all(buffer.view());
    } else {
      co_await write_everything(to, buffer.view());
    }
    total += count;
  }
}

/// One direction of copy_bidirectional: the end of `from` becomes the end of `to`.
template <async_reader R, async_writer W>
task<> copy_to_end(R& from, W& to, std::uint64_t& total) {
  co_await copy_counting(from, to, total);
  if constexpr (requires {
                  { to.shutdown_write() } -> awaitable;
                }) {
    co_await to.shutdown_write();
  } else {
    to.shutdown_write();
  }
}

}  // namespace detail

/// Copies from one stream to another until the first one ends: how many bytes. The second one stays
/// open.
///
/// A buffer is held only while there is something in it, where `from` can tell that it is readable.
/// Cancellation: what was read may be lost, unless it was written.
template <async_reader R, async_writer W>
[[nodiscard]] task<std::uint64_t> copy(R& from, W& to) {
  std::uint64_t total = 0;
  co_await detail::copy_counting(from, to, total);
  co_return total;
}

/// What has gone each way.
struct copied_bytes {
  std::uint64_t first_to_second = 0;
  std::uint64_t second_to_first = 0;
};

/// Connects two streams: what one reads the other writes, both ways at once, until both directions
/// have ended. The end of one direction is passed on, and the other direction goes on.
///
/// An error on either side ends both directions and is thrown; `copied` is right then too.
/// Cancellation: as copy, for both.
template <class First, class Second>
  requires async_reader<First> && async_writer<First> && async_reader<Second> &&
           async_writer<Second>
[[nodiscard]] task<> copy_bidirectional(First& first, Second& second, copied_bytes& copied) {
  co_await gather(detail::copy_to_end(first, second, copied.first_to_second),
                  detail::copy_to_end(second, first, copied.second_to_first));
}
template <class First, class Second>
  requires async_reader<First> && async_writer<First> && async_reader<Second> &&
           async_writer<Second>
[[nodiscard]] task<copied_bytes> copy_bidirectional(First& first, Second& second) {
  copied_bytes copied;
  co_await copy_bidirectional(first, second, copied);
  co_return copied;
}

namespace detail {

/// Sends part of a file without bringing it into this process.
class [[nodiscard]] send_file_operation : public stream_operation {
 public:
  send_file_operation(io_source* source, int file, std::uint64_t offset,
                      std::uint64_t count) noexcept
      : stream_operation(source, io_direction::write, step, nullptr),
        file_(file),
        offset_(offset),
        left_(count) {}
  bool await_ready() { return io_operation::await_ready() || (left_ == 0 && source_ != nullptr); }
  [[nodiscard]] std::uint64_t await_resume() const {
    check_outcome();
    if (failed()) fail("sendfile to");
    return sent_;
  }

 private:
  static io_progress step(io_operation& self) noexcept;

  int file_;
  std::uint64_t offset_;
  std::uint64_t left_;
  std::uint64_t sent_ = 0;
};

}  // namespace detail

/// Sends `count` bytes of a file from `offset` on, without copying them through this process: how
/// many, fewer only where the file ends. `file` is an open descriptor of a regular file, whose own
/// position is not used.
///
/// What is not in the page cache is read from the disk by the calling worker.
/// Cancellation: may have transferred part.
[[nodiscard]] detail::send_file_operation sendfile(detail::socket_stream& to, int file,
                                                   std::uint64_t offset,
                                                   std::uint64_t count) noexcept;

}  // namespace weft
