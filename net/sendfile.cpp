#include "sendfile.h"

#include "../runtime/detail/sys.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>

#include <sys/types.h>

namespace weft {

using detail::io_direction;
using detail::io_progress;
namespace sys = detail::sys;

io_progress send_file_operation::step(io_operation& self) noexcept {
  auto& operation = static_cast<send_file_operation&>(self);
  while (operation.sent_ < operation.count_) {
    const std::int64_t count = operation.send_part();
    if (count == -EAGAIN) return io_progress::blocked;
    if (count < 0) return operation.finish_ready(io_direction::write, count);
    if (count == 0) break;  // the file ends here
    operation.sent_ += static_cast<std::uint64_t>(count);
  }
  return operation.finish_ready(io_direction::write, 0);
}

/// How many, or -errno.
std::int64_t send_file_operation::send_part() noexcept {
  constexpr std::uint64_t call_bytes_max = std::uint64_t{1} << 20;
  if (copies_) return copy_part();
  auto offset = static_cast<off_t>(offset_ + sent_);
  const auto asked = static_cast<std::size_t>(std::min(count_ - sent_, call_bytes_max));
  const std::int64_t count = sys::send_file(source_->fd(), file_, &offset, asked);
  const bool impossible = count == -EINVAL || count == -ENOSYS || count == -EOPNOTSUPP;
  if (!impossible) return count;
  copies_ = true;
  return copy_part();
}

/// What the socket does not take is read again.
std::int64_t send_file_operation::copy_part() noexcept {
  std::array<std::byte, std::size_t{16} * 1024> buffer;
  const auto asked =
      static_cast<std::size_t>(std::min<std::uint64_t>(count_ - sent_, buffer.size()));
  const std::int64_t count =
      sys::read_at(file_, buffer.data(), asked, static_cast<off_t>(offset_ + sent_));
  if (count <= 0) return count;
  return sys::send(source_->fd(), buffer.data(), static_cast<std::size_t>(count));
}

send_file_operation sendfile(detail::socket_stream& to, int file, std::uint64_t offset,
                             std::uint64_t count) noexcept {
  return {to.source(), file, offset, count, &to.peer()};
}

}  // namespace weft
