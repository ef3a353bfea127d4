#define _GNU_SOURCE /* accept4 */

#include "config.h"

enum { input_capacity = echo_buffer };
#include "../support/epoll_loop.h"

static size_t respond(struct connection* connection, const char* input, size_t size,
                      const char** output, uint64_t* messages) {
  (void)connection;
  *output = input;
  ++*messages;
  return size;
}

int main(int argc, char** argv) {
  return run_epoll_server(argc, argv);
}
