/* A GET is answered with a fixed response; keep-alive and pipelining work, bodies and errors do not
 * exist. Every contender shares this scanner, so what differs is the I/O; a real HTTP server is a
 * contender of its own. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PLAINTEXT_RESPONSE       \
  "HTTP/1.1 200 OK\r\n"          \
  "Content-Type: text/plain\r\n" \
  "Content-Length: 13\r\n"       \
  "\r\n"                         \
  "Hello, World!"

enum {
  http_buffer = 4096,
  response_size = sizeof PLAINTEXT_RESPONSE - 1,
  pipelined_max = 256 /* more requests than fit into one read */
};

/* As many copies of the response as one read can ask for, so that a pipelined batch is one send. */
static inline const char* plaintext_responses(void) {
  static char responses[pipelined_max * response_size];
  if (responses[0] == '\0') {
    for (int i = pipelined_max - 1; i >= 0; --i) {
      memcpy(responses + (size_t)i * response_size, PLAINTEXT_RESPONSE, response_size);
    }
  }
  return responses;
}

/* How many requests end within `input`. `*matched` carries, from one read to the next, how much of
 * the blank line has been seen; it starts at 0. */
static inline size_t count_requests(size_t* matched, const char* input, size_t size) {
  static const char blank_line[] = "\r\n\r\n";
  size_t requests = 0;
  for (size_t i = 0; i < size; ++i) {
    if (input[i] != blank_line[*matched]) {
      *matched = input[i] == '\r';
    } else if (++*matched == 4) {
      *matched = 0;
      ++requests;
    }
  }
  return requests;
}
