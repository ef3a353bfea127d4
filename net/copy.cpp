#include "copy.h"

#include "../runtime/detail/sys.h"

#include <algorithm>
#include <cerrno>

namespace weft {

namespace detail {

io_progress send_file_operation::step(io_operation& self) noexcept {
  // One call: short enough that others get their turn, long enough to be worth it.
  constexpr std::uint64_t call_bytes_max = std::uint64_t{1} << 20;
  auto& operation = static_cast<send_file_operation&>(self);
  while (operation.left_ > 0) {
    auto offset = static_cast<off_t>(operation.offset_ + operation.sent_);
    const auto asked = static_cast<std::size_t>(std::min(operation.left_, call_bytes_max));
    const ssize_t count = sys::send_file(operation.source_->fd(), operation.file_, &offset, asked);
    if (count == -EAGAIN) return io_progress::blocked;
    if (count < 0) return operation.finish_ready(io_direction::write, count);
    if (count == 0) break;  // the file ends here
    operation.sent_ += static_cast<std::uint64_t>(count);
    operation.left_ -= static_cast<std::uint64_t>(count);
  }
  return operation.finish_ready(io_direction::write, 0);
}

}  // namespace detail

detail::send_file_operation sendfile(detail::socket_stream& to, int file, std::uint64_t offset,
                                     std::uint64_t count) noexcept {
  return {to.source(), file, offset, count};
}

}  // namespace weft
