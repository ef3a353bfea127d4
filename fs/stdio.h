#pragma once

// The standard streams of the process.

#include "../runtime/bytes.h"
#include "../runtime/detail/descriptor.h"
#include "../runtime/task.h"
#include "file.h"

#include <cstddef>

namespace weft::detail {

/// One of the descriptors 0, 1 and 2. What is a pipe or a terminal is opened once more, so that it
/// can be waited for in the reactor and nothing changes for others who have it; all else is used as
/// a file, on the blocking pool.
class standard_stream {
 public:
  enum class direction : bool { in, out };
  /// Throws std::system_error if it is not open.
  standard_stream(int fd, direction way, const char* name);

  task<std::size_t> read_some(byte_span into);
  task<std::size_t> write_some(byte_view from);
  task<> write_all(byte_view from);
  [[nodiscard]] bool is_polled() const noexcept { return static_cast<bool>(polled_); }

 private:
  const char* name_;
  descriptor polled_;
  fs::file file_;
};

}  // namespace weft::detail

namespace weft::fs {

/// What comes in at descriptor 0: an async_reader, for buffered_reader too.
///
/// A read from a pipe or a terminal waits in the reactor, can be cancelled, and then takes nothing.
/// A file, or what cannot be opened a second time (a socket, a terminal of another user), is read
/// on the blocking pool: see fs::file.
/// Threads: one reader at a time. Beside std::cin, each has what it has read ahead.
class standard_input {
 public:
  /// Throws std::system_error if descriptor 0 is closed.
  standard_input() : stream_(0, detail::standard_stream::direction::in, "standard input") {}
  /// At least one byte: how many. 0 is the end.
  [[nodiscard]] task<std::size_t> read_some(byte_span into) { return stream_.read_some(into); }

 private:
  detail::standard_stream stream_;
};

/// What goes out at descriptor 1: an async_writer. Nothing is buffered here; what std::cout holds
/// goes out when that is flushed.
///
/// Writing to a pipe or a terminal that is full waits in the reactor. A reader that has gone is
/// EPIPE, without a signal. Cancellation: may have transferred part.
/// Threads: one writer at a time.
class standard_output {
 public:
  standard_output() : standard_output(1, "standard output") {}
  [[nodiscard]] task<std::size_t> write_some(byte_view from) { return stream_.write_some(from); }
  [[nodiscard]] task<> write_all(byte_view from) { return stream_.write_all(from); }

 protected:
  standard_output(int fd, const char* name)
      : stream_(fd, detail::standard_stream::direction::out, name) {}

 private:
  detail::standard_stream stream_;
};

/// The same for descriptor 2.
class standard_error : public standard_output {
 public:
  standard_error() : standard_output(2, "standard error") {}
};

}  // namespace weft::fs
