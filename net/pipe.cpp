#include "pipe.h"

#include "../runtime/detail/address_space.h"
#include "../runtime/detail/sys.h"
#include "../runtime/error.h"

namespace weft {

pipe_ends pipe() {
  int ends[2];
  if (const int failed = detail::sys::pipe(ends); failed < 0)
    detail::throw_system_error(-failed, "pipe");
  detail::descriptor out(ends[0], true);
  detail::descriptor in(ends[1], true);
  if (!out || !in) detail::throw_no_source(ends[out ? 1 : 0], "pipe");
  return {.reader = pipe_reader(std::move(out)), .writer = pipe_writer(std::move(in))};
}

}  // namespace weft
