#include "stream_operations.h"

#include "../../runtime/detail/sys.h"
#include "../../runtime/error.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string>

namespace weft::detail {
namespace {

// One call moves at most this: the kernel would cut a larger one short, and a short count means
// "drained" or "full" here.
constexpr std::size_t call_bytes_max = std::size_t{1} << 30;

/// What the errors of our own making mean.
const char* explanation(int error, const char* operation) noexcept {
  switch (error) {
    case EBADF:
      return " (it is closed)";
    case ECANCELED:
      return " (it was closed while this waited)";
    case EBUSY:
      return *operation == 'w' ? " (another task is writing to it)"
                               : " (another task is reading from it)";
    default:
      return "";
  }
}

}  // namespace

peer_name::peer_name(const socket_address& address) noexcept : family_(address.data()->sa_family) {
  if (family_ == AF_INET) {
    const auto& v4 = *reinterpret_cast<const sockaddr_in*>(address.data());
    std::memcpy(host_.data(), &v4.sin_addr, sizeof v4.sin_addr);
    port_ = v4.sin_port;
  } else if (family_ == AF_INET6) {
    const auto& v6 = *reinterpret_cast<const sockaddr_in6*>(address.data());
    std::memcpy(host_.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    port_ = v6.sin6_port;
    scope_ = v6.sin6_scope_id;
  }
}

socket_address peer_name::address() const noexcept {
  if (family_ == AF_INET) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = port_;
    std::memcpy(&v4.sin_addr, host_.data(), sizeof v4.sin_addr);
    return {reinterpret_cast<const sockaddr*>(&v4), sizeof v4};
  }
  if (family_ == AF_INET6) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = port_;
    v6.sin6_scope_id = scope_;
    std::memcpy(&v6.sin6_addr, host_.data(), sizeof v6.sin6_addr);
    return {reinterpret_cast<const sockaddr*>(&v6), sizeof v6};
  }
  return {};
}

std::string peer_name::to_string() const {
  if (family_ == AF_INET || family_ == AF_INET6) return address().to_string();
  return family_ == AF_UNIX ? "unix socket" : "stream";
}

std::string stream_operation::describe(const char* operation) const {
  const int number = static_cast<int>(-value);
  // A stream that was closed may be gone: its name too.
  const bool gone = number == ECANCELED || number == EBADF;
  const std::string object = gone || peer_ == nullptr ? "stream" : peer_->to_string();
  return std::string(operation) + " " + object + explanation(number, operation);
}

void stream_operation::fail(const char* operation) const {
  throw_system_error(static_cast<int>(-value), describe(operation));
}

namespace {

/// The rules of the table in the header. `short_read_drains`: an event follows when more arrives.
io_progress after_read(io_source& source, std::int64_t count, std::size_t asked,
                       bool short_read_drains) noexcept {
  if (count == -EAGAIN) return io_progress::blocked;
  const bool drained = count > 0 && static_cast<std::size_t>(count) < asked && short_read_drains &&
                       !source.hung_up();
  if (!drained) source.put_ready(io_direction::read);
  return io_progress::done;
}

}  // namespace

io_progress read_operation::receive(io_operation& self) noexcept {
  auto& operation = static_cast<read_operation&>(self);
  const std::size_t asked = std::min(operation.into_.size(), call_bytes_max);
  operation.value = sys::receive(operation.source_->fd(), operation.into_.data(), asked);
  return after_read(*operation.source_, operation.value, asked, true);
}

io_progress read_operation::read(io_operation& self) noexcept {
  auto& operation = static_cast<read_operation&>(self);
  const std::size_t asked = std::min(operation.into_.size(), call_bytes_max);
  operation.value = sys::read(operation.source_->fd(), operation.into_.data(), asked);
  return after_read(*operation.source_, operation.value, asked, false);
}

template <auto Write, write_core::amount Amount>
io_progress write_core::step(io_operation& self) noexcept {
  auto& operation = static_cast<write_core&>(self);
  for (;;) {
    const std::size_t asked = std::min(operation.from_.size() - operation.sent_, call_bytes_max);
    const ssize_t count =
        Write(operation.source_->fd(), operation.from_.data() + operation.sent_, asked);
    if (count == -EAGAIN) return io_progress::blocked;
    if (count < 0) return operation.finish_ready(io_direction::write, count);
    operation.sent_ += static_cast<std::size_t>(count);
    const bool full = static_cast<std::size_t>(count) < asked;
    if (operation.sent_ == operation.from_.size() || (Amount == amount::some && !full)) {
      return operation.finish_ready(io_direction::write, 0);
    }
    if (full) return Amount == amount::some ? operation.finish(0) : io_progress::blocked;
  }
}

io_progress write_some_operation::send(io_operation& self) noexcept {
  return step<sys::send, amount::some>(self);
}
io_progress write_some_operation::write(io_operation& self) noexcept {
  return step<sys::write, amount::some>(self);
}
io_progress write_all_operation::send(io_operation& self) noexcept {
  return step<sys::send, amount::all>(self);
}
io_progress write_all_operation::write(io_operation& self) noexcept {
  return step<sys::write, amount::all>(self);
}

/// Drops `sent` bytes from the front, and empty parts with them.
void write_parts_operation::skip(std::size_t sent) noexcept {
  offset_ += sent;
  while (!parts_.empty() && offset_ >= parts_.front().size()) {
    offset_ -= parts_.front().size();
    parts_ = parts_.subspan(1);
  }
}

io_progress write_parts_operation::step(io_operation& self) noexcept {
  auto& operation = static_cast<write_parts_operation&>(self);
  while (!operation.parts_.empty()) {
    iovec batch[IOV_MAX];
    std::size_t used = 0;
    std::size_t asked = 0;
    for (const byte_view& part : operation.parts_) {
      if (used == IOV_MAX || asked >= call_bytes_max) break;
      const byte_view rest = used == 0 ? part.subspan(operation.offset_) : part;
      const std::size_t size = std::min(rest.size(), call_bytes_max - asked);
      batch[used++] = {.iov_base = const_cast<std::byte*>(rest.data()), .iov_len = size};
      asked += size;
    }
    const ssize_t count = sys::send_vector(operation.source_->fd(), batch, used);
    if (count == -EAGAIN) return io_progress::blocked;
    if (count < 0) return operation.finish_ready(io_direction::write, count);
    operation.skip(static_cast<std::size_t>(count));
    if (static_cast<std::size_t>(count) < asked) return io_progress::blocked;
  }
  return operation.finish_ready(io_direction::write, 0);
}

io_progress ready_operation::see_readable(io_operation& self) noexcept {
  return static_cast<ready_operation&>(self).finish_ready(io_direction::read, 0);
}
io_progress ready_operation::see_writable(io_operation& self) noexcept {
  return static_cast<ready_operation&>(self).finish_ready(io_direction::write, 0);
}

namespace {

/// False: known not to be ready. A source without a poller has been told nothing yet, so it is
/// worth a try.
bool worth_trying(io_source& source, io_direction direction) noexcept {
  return source.take_ready(direction) || !source.registered();
}

}  // namespace

std::int64_t try_receive(io_source* source, byte_span into) noexcept {
  if (source == nullptr) return -EBADF;
  if (into.empty()) return 0;
  if (!worth_trying(*source, io_direction::read)) return -EAGAIN;
  const std::size_t asked = std::min(into.size(), call_bytes_max);
  const std::int64_t count = sys::receive(source->fd(), into.data(), asked);
  (void)after_read(*source, count, asked, true);
  return count;
}

std::int64_t try_send(io_source* source, byte_view from) noexcept {
  if (source == nullptr) return -EBADF;
  if (from.empty()) return 0;
  if (!worth_trying(*source, io_direction::write)) return -EAGAIN;
  const std::size_t asked = std::min(from.size(), call_bytes_max);
  const std::int64_t count = sys::send(source->fd(), from.data(), asked);
  const bool full = count == -EAGAIN || (count >= 0 && static_cast<std::size_t>(count) < asked);
  if (!full) source->put_ready(io_direction::write);
  return count;
}

}  // namespace weft::detail
