#include "stdio.h"

#include "../runtime/detail/io_operation.h"
#include "../runtime/detail/sys.h"
#include "../runtime/detail/sys_file.h"
#include "../runtime/error.h"
#include "detail/serial_file.h"
#include "detail/unique_fd.h"

#include <cerrno>
#include <cstdint>
#include <new>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

namespace weft::detail {
namespace {

/// A transfer through the reactor: a count of bytes, or minus an errno.
class polled_transfer : public io_operation {
 public:
  polled_transfer(io_source* source, byte_span into) noexcept
      : io_operation(source, io_direction::read, read), data_(into.data()), size_(into.size()) {}
  polled_transfer(io_source* source, byte_view from) noexcept
      : io_operation(source, io_direction::write, write),
        data_(const_cast<std::byte*>(from.data())),  // write() only reads it
        size_(from.size()) {}

  [[nodiscard]] std::int64_t await_resume() const {
    check_outcome();
    return value;
  }

 private:
  static io_progress read(io_operation& self) noexcept {
    auto& transfer = static_cast<polled_transfer&>(self);
    const int fd = transfer.source_->fd();
    return transfer.end(sys::read(fd, transfer.data_, transfer.size_), io_direction::read);
  }
  static io_progress write(io_operation& self) noexcept {
    auto& transfer = static_cast<polled_transfer&>(self);
    const int fd = transfer.source_->fd();
    return transfer.end(sys::write(fd, transfer.data_, transfer.size_), io_direction::write);
  }
  io_progress end(ssize_t count, io_direction direction) noexcept {
    if (count == -EAGAIN) return io_progress::blocked;
    source_->put_ready(direction);
    value = count;
    return io_progress::done;
  }

  std::byte* data_;
  std::size_t size_;
};

bool can_be_polled(int fd) noexcept {
  struct stat found{};
  if (sys::stat_file(fd, found) < 0) return false;
  return S_ISFIFO(found.st_mode) || S_ISCHR(found.st_mode);
}

/// Another open of the same pipe or terminal, with flags of its own; empty where that is refused.
descriptor open_again(int fd, int access) noexcept {
  if (!can_be_polled(fd)) return {};
  const std::string path = "/proc/self/fd/" + std::to_string(fd);  // short: no allocation
  return {sys::open_file(path.c_str(), access | O_NONBLOCK, 0), true};
}

std::size_t checked(std::int64_t count, const std::string& what) {
  if (count < 0) throw_system_error(static_cast<int>(-count), what);
  return static_cast<std::size_t>(count);
}

}  // namespace

standard_stream::standard_stream(int fd, direction way, const char* name)
    : name_(name), polled_(open_again(fd, way == direction::in ? O_RDONLY : O_WRONLY)) {
  if (polled_) return;
  unique_fd copy(sys::copy_above_standard(fd));
  if (!copy) throw_system_error(-copy.get(), name);
  serial_file* opened = serial_file::make(std::move(copy), owned_path(fs::path_view(name)));
  if (opened == nullptr) throw std::bad_alloc();
  file_ = fs::file(opened);
}

task<std::size_t> standard_stream::read_some(byte_span into) {
  if (!polled_) co_return co_await file_.read_some(into);
  const std::int64_t count = co_await polled_transfer(polled_.source(), into);
  co_return checked(count, std::string("read ") + name_);
}

task<std::size_t> standard_stream::write_some(byte_view from) {
  if (!polled_) co_return co_await file_.write_some(from);
  const std::int64_t count = co_await polled_transfer(polled_.source(), from);
  co_return checked(count, std::string("write ") + name_);
}

task<> standard_stream::write_all(byte_view from) {
  while (!from.empty()) {
    const std::size_t count = co_await write_some(from);
    from = from.subspan(count);
  }
}

}  // namespace weft::detail
