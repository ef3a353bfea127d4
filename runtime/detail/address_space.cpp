#include "address_space.h"

#include "../error.h"
#include "io_source.h"

#include <cerrno>
#include <cstdio>

#include <pthread.h>

namespace weft::detail {

out_of_memory::out_of_memory(const char* part, std::size_t bytes) noexcept {
  std::snprintf(what_, sizeof what_,
                "weft: no memory for %s, of which %zu KiB are needed at a time (is the address "
                "space limited? see ulimit -v)",
                part, (bytes + 1023) / 1024);
}

std::string thread_needs() {
  pthread_attr_t usual;
  std::size_t stack_bytes = 0;
  if (pthread_attr_init(&usual) == 0) {
    (void)pthread_attr_getstacksize(&usual, &stack_bytes);
    (void)pthread_attr_destroy(&usual);
  }
  return "(needs " + std::to_string(stack_bytes / 1024) +
         " KiB of address space, see ulimit -v and -u)";
}

void throw_no_thread(int error, const std::string& which) {
  throw_system_error(error, "thread of " + which + " " + thread_needs());
}

void throw_no_source(int fd, const std::string& operation) {
  const int error = io_source::open_error(fd);
  if (error != ENOMEM) throw_system_error(error, operation);
  throw_system_error(error, operation + " (the table of descriptors needs " +
                                std::to_string(io_source::part_bytes / 1024) +
                                " KiB more, see ulimit -v)");
}

}  // namespace weft::detail
