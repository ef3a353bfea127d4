#pragma once

#include "io_source.h"
#include "sys.h"

#include <cstdint>
#include <utility>

namespace weft::detail {

/// Owns an open descriptor together with its readiness: from the moment the kernel returns it until
/// it is closed, once.
///
/// Closing it under a waiting operation fails that one with ECANCELED.
/// Threads: one at a time. Size: a pointer.
class descriptor {
 public:
  descriptor() noexcept = default;
  /// Takes over what sys returned. Empty when `fd` is an error, or beyond the table of sources
  /// (then it is closed). `read_ready`: the first read is worth trying before an event says so.
  descriptor(int fd, bool read_ready) noexcept
      : source_(fd < 0 ? nullptr : io_source::open(fd, read_ready)) {
    if (fd >= 0 && source_ == nullptr) sys::close(fd);
  }
  descriptor(descriptor&& other) noexcept : source_(std::exchange(other.source_, nullptr)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    if (this != &other) {
      close();
      source_ = std::exchange(other.source_, nullptr);
    }
    return *this;
  }
  ~descriptor() { close(); }

  void close() noexcept {
    if (source_ == nullptr) return;
    const int number = fd();
    std::exchange(source_, nullptr)->close();
    sys::close(number);
  }

  /// Null once closed.
  [[nodiscard]] io_source* source() const noexcept { return source_; }
  [[nodiscard]] int fd() const noexcept { return source_ == nullptr ? -1 : source_->fd(); }
  explicit operator bool() const noexcept { return source_ != nullptr; }

 private:
  io_source* source_ = nullptr;
};

}  // namespace weft::detail
