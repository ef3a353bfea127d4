#define _GNU_SOURCE /* accept4 */

#include "config.h"

enum { input_capacity = http_buffer };
#include "../support/epoll_loop.h"

static size_t respond(struct connection* connection, const char* input, size_t size,
                      const char** output, uint64_t* messages) {
  const size_t requests = count_requests(&connection->carried, input, size);
  *output = plaintext_responses();
  *messages += requests;
  return requests * response_size;
}

int main(int argc, char** argv) {
  plaintext_responses(); /* made before there are threads */
  return run_epoll_server(argc, argv);
}
