#pragma once

// The smallest descriptor that tasks can wait for, without net/.

#include <weft/runtime/detail/io_operation.h>
#include <weft/runtime/detail/io_source.h>
#include <weft/runtime/detail/sys.h>
#include <weft/runtime/task.h>

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace weft::testing {

/// A read of up to 16 bytes; counts its system calls.
class read_operation : public detail::io_operation {
 public:
  read_operation(detail::io_source* source, std::string& into, std::atomic<int>& calls)
      : io_operation(source, detail::io_direction::read, step), into_(&into), calls_(&calls) {}
  std::int64_t await_resume() const {
    check_outcome();
    return value;
  }

 private:
  static detail::io_progress step(detail::io_operation& self) noexcept {
    auto& read = static_cast<read_operation&>(self);
    char bytes[16];
    ++*read.calls_;
    const ssize_t count = detail::sys::read(read.source_->fd(), bytes, sizeof bytes);
    if (count == -EAGAIN) return detail::io_progress::blocked;
    read.value = count;
    if (count > 0) read.into_->append(bytes, static_cast<std::size_t>(count));
    if (count > 0) read.source_->put_ready(detail::io_direction::read);
    return detail::io_progress::done;
  }
  std::string* into_;
  std::atomic<int>* calls_;
};

/// A pipe whose reading end waits in the runtime.
class readable_pipe {
 public:
  readable_pipe() {
    EXPECT_EQ(detail::sys::pipe(ends_), 0);
    source_ = detail::io_source::open(ends_[0], true);
  }
  ~readable_pipe() {
    close();
    if (ends_[1] >= 0) detail::sys::close(ends_[1]);
  }
  readable_pipe(const readable_pipe&) = delete;
  readable_pipe& operator=(const readable_pipe&) = delete;

  [[nodiscard]] read_operation read() { return {source_, text, calls}; }
  void write(std::string_view bytes) const {
    EXPECT_EQ(detail::sys::write(ends_[1], bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }
  void end_writing() { detail::sys::close(std::exchange(ends_[1], -1)); }
  void close() {
    if (ends_[0] < 0) return;
    source_->close();
    detail::sys::close(std::exchange(ends_[0], -1));
  }
  [[nodiscard]] detail::io_source& source() { return *source_; }

  std::string text;  // read so far
  std::atomic<int> calls{0};

 private:
  int ends_[2] = {-1, -1};
  detail::io_source* source_;
};

inline task<std::int64_t> read_once(readable_pipe& from) {
  co_return co_await from.read();
}

}  // namespace weft::testing
