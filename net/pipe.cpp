#include "pipe.h"

#include "../runtime/detail/sys.h"
#include "../runtime/error.h"

#include <cerrno>

namespace weft {
namespace {

/// Whoever made it may share its status flags with others, who chose them; but a read that blocks
/// would stop a worker.
detail::descriptor adopt_end(int fd) {
  detail::sys::opened();
  const int failed = detail::sys::set_nonblocking(fd);
  if (failed < 0) {
    detail::sys::close(fd);
    detail::throw_system_error(-failed, "pipe");
  }
  detail::descriptor end(fd, true);
  if (!end) detail::throw_system_error(EMFILE, "pipe");
  return end;
}

}  // namespace

pipe_reader pipe_reader::adopt(int fd) {
  return pipe_reader(adopt_end(fd));
}
pipe_writer pipe_writer::adopt(int fd) {
  return pipe_writer(adopt_end(fd));
}

pipe_ends pipe() {
  int ends[2];
  const int failed = detail::sys::pipe(ends);
  if (failed < 0) detail::throw_system_error(-failed, "pipe");
  detail::descriptor reading(ends[0], true);
  detail::descriptor writing(ends[1], true);
  if (!reading || !writing) detail::throw_system_error(EMFILE, "pipe");
  return {.reader = pipe_reader(std::move(reading)), .writer = pipe_writer(std::move(writing))};
}

}  // namespace weft
