/* A closed-loop load generator for the servers of bench/: one thread, one epoll, every connection
 * sends a request when the last answer is complete. Answers are checked.
 *
 *   load_client --connect IP:PORT [--mode echo|churn|http|http-churn] [--connections N]
 *               [--size BYTES] [--pipeline N] [--pause-us N] [--warmup S] [--seconds S]
 *   load_client --connect IP:PORT ... --hold
 *
 *   echo        sends --size bytes and expects them back
 *   http        sends GET and expects "HTTP/1.1 200" with a body as long as Content-Length says;
 *               --pipeline of them at once
 *   ...churn    every message has a connection of its own, which is then reset (so that no port
 *               lingers)
 *   --pause-us  so long between an answer and the next request
 *   --hold      one message on each connection, then prints "holding" and keeps them idle until
 *               its standard input ends
 *
 * Prints one line, counted after the warm-up, all_messages over the whole life:
 *   messages=N seconds=S cpu_ns=N p50_ns=N p99_ns=N p999_ns=N max_ns=N all_messages=N */
#define _GNU_SOURCE /* strcasestr */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { events_per_wait = 256, receive_capacity = 64 * 1024 };

static struct {
  struct sockaddr_in server;
  bool http, churn, hold;
  int connections;
  size_t size, pipeline;
  uint64_t pause_ns;
  double warmup, seconds;
} options = {.connections = 64, .size = 64, .pipeline = 1, .warmup = 0.5, .seconds = 3};

struct connection {
  int fd;
  size_t sent, received; /* of the current request and answer */
  uint64_t started_ns;
  uint64_t due_ns; /* while it pauses */
  struct connection* next_paused;
};

static int epoll_fd;
static char* request;
static size_t request_size;
static size_t
    answer_size; /* of a whole batch; 0: not known yet (http, until the first is complete) */
static size_t single_size; /* http: of one answer */
static char* first_answer; /* http: the first answer; all others begin like it */
static uint64_t messages;
static uint64_t messages_before;                      /* the measured time */
static struct connection *first_paused, *last_paused; /* the pause is the same for all: a queue */
static bool draining; /* no new requests: what is on its way is awaited, so that nothing is reset */
static int outstanding;

/* ---- small helpers ---- */

static void fail(const char* what) {
  fprintf(stderr, "load_client: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void wrong_answer(const char* what) {
  fprintf(stderr, "load_client: wrong answer: %s\n", what);
  exit(1);
}

static uint64_t clock_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- latencies: 64 buckets for each power of two, so within 1.6 % ---- */

enum { sub_bits = 6, buckets = 64 << sub_bits };
static uint64_t histogram[buckets];

static void record(uint64_t ns) {
  int shift = 0;
  while (ns >> shift >= 2u << sub_bits) ++shift;
  histogram[(size_t)shift * (1u << sub_bits) + (size_t)(ns >> shift)]++;
}

static uint64_t bucket_value(size_t bucket) {
  if (bucket < 2u << sub_bits) return bucket;
  const size_t shift = (bucket >> sub_bits) - 1;
  return (uint64_t)(bucket - shift * (1u << sub_bits)) << shift;
}

static uint64_t percentile(double fraction) {
  const double wanted = fraction * (double)(messages / options.pipeline);
  uint64_t seen = 0;
  uint64_t last = 0;
  for (size_t i = 0; i < buckets; ++i) {
    if (histogram[i] == 0) continue;
    seen += histogram[i];
    last = bucket_value(i);
    if ((double)seen >= wanted) break;
  }
  return last;
}

/* ---- one connection ---- */

static void open_connection(struct connection* connection) {
  connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (connection->fd < 0) fail("socket");
  const int on = 1;
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const struct sockaddr* server = (const struct sockaddr*)&options.server;
  if (connect(connection->fd, server, sizeof options.server) != 0 && errno != EINPROGRESS) {
    fail("connect");
  }
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connection};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0) fail("epoll_ctl");
}

static void reset_connection(struct connection* connection) {
  const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
  setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(connection->fd);
}

static void send_some(struct connection* connection) {
  while (connection->sent < request_size) {
    const ssize_t sent = send(connection->fd, request + connection->sent,
                              request_size - connection->sent, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN)) return;
    if (sent < 0) fail("send");
    connection->sent += (size_t)sent;
  }
}

static void start_request(struct connection* connection, uint64_t now) {
  if (draining) return;
  ++outstanding;
  connection->sent = connection->received = 0;
  connection->started_ns = now;
  if (options.churn) open_connection(connection);
  send_some(connection);
}

static void pause_until(struct connection* connection, uint64_t due_ns) {
  connection->due_ns = due_ns;
  connection->next_paused = NULL;
  if (last_paused) {
    last_paused->next_paused = connection;
  } else {
    first_paused = connection;
  }
  last_paused = connection;
}

static void start_paused(uint64_t now) {
  while (first_paused && first_paused->due_ns <= now) {
    struct connection* connection = first_paused;
    first_paused = connection->next_paused;
    if (!first_paused) last_paused = NULL;
    start_request(connection, now);
  }
}

/* An answer has come. */
static void go_on(struct connection* connection, uint64_t now) {
  if (options.hold) return;
  if (options.pause_ns > 0) {
    pause_until(connection, now + options.pause_ns);
  } else {
    start_request(connection, now);
  }
}

/* The first HTTP answer tells how long all are. Only one connection is open then, so it arrives
 * alone. */
static void learn_answer(struct connection* connection, const char* data, size_t size) {
  first_answer = realloc(first_answer, connection->received + size + 1);
  memcpy(first_answer + connection->received, data, size);
  const size_t have = connection->received + size;
  first_answer[have] = '\0';
  const char* body = strstr(first_answer, "\r\n\r\n");
  if (!body) return;
  const char* length = strcasestr(first_answer, "\r\ncontent-length:");
  if (strncmp(first_answer, "HTTP/1.1 200 ", 13) != 0) wrong_answer("status is not 200");
  if (!length || length > body) wrong_answer("no Content-Length");
  const size_t whole = (size_t)(body + 4 - first_answer) + strtoul(length + 17, NULL, 10);
  if (have < whole) return;
  single_size = whole;
  answer_size = whole * options.pipeline;
}

static void check_answer(const struct connection* connection, const char* data, size_t size) {
  if (connection->received + size > answer_size) wrong_answer("longer than expected");
  if (options.http) {
    /* A Date may change; the status and the length may not. */
    const size_t into = connection->received % single_size;
    for (size_t at = into ? single_size - into : 0; at + 13 <= size; at += single_size) {
      if (memcmp(data + at, first_answer, 13) != 0) wrong_answer("status");
    }
  } else if (memcmp(data, request + connection->received, size) != 0) {
    wrong_answer("not what was sent");
  }
}

static void receive_some(struct connection* connection) {
  static char buffer[receive_capacity];
  for (;;) {
    const ssize_t received = recv(connection->fd, buffer, sizeof buffer, 0);
    if (received < 0 && (errno == EAGAIN || errno == ENOTCONN)) return;
    if (received < 0) fail("recv");
    if (received == 0) wrong_answer("the server closed the connection");
    if (answer_size == 0) learn_answer(connection, buffer, (size_t)received);
    if (answer_size != 0) check_answer(connection, buffer, (size_t)received);
    connection->received += (size_t)received;
    if (connection->received == answer_size) {
      const uint64_t now = clock_ns(CLOCK_MONOTONIC);
      record(now - connection->started_ns);
      messages += options.pipeline;
      --outstanding;
      if (options.churn) reset_connection(connection);
      go_on(connection, now);
      return;
    }
    if ((size_t)received < sizeof buffer) return;
  }
}

/* ---- the run ---- */

static void run_until(uint64_t end_ns) {
  struct epoll_event events[events_per_wait];
  while (clock_ns(CLOCK_MONOTONIC) < end_ns && (!draining || outstanding > 0)) {
    const int ready = epoll_wait(epoll_fd, events, events_per_wait, first_paused ? 1 : 100);
    if (first_paused) start_paused(clock_ns(CLOCK_MONOTONIC));
    for (int i = 0; i < ready; ++i) {
      struct connection* connection = events[i].data.ptr;
      if (connection->sent < request_size) send_some(connection);
      if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) receive_some(connection);
    }
  }
}

static void usage(const char* problem) {
  fprintf(stderr,
          "load_client: %s\n"
          "usage: load_client --connect IP:PORT [--mode echo|churn|http|http-churn]\n"
          "                   [--connections N] [--size BYTES] [--pipeline N] [--pause-us N]\n"
          "                   [--warmup S] [--seconds S] [--hold]\n",
          problem);
  exit(2);
}

static void parse_address(char* text) {
  char* colon = strrchr(text, ':');
  if (!colon) usage("--connect wants IP:PORT");
  *colon = '\0';
  options.server.sin_family = AF_INET;
  options.server.sin_port = htons((uint16_t)atoi(colon + 1));
  if (inet_pton(AF_INET, text, &options.server.sin_addr) != 1) usage("not an IPv4 address");
}

static void parse_mode(const char* mode) {
  options.http = strncmp(mode, "http", 4) == 0;
  options.churn = strstr(mode, "churn") != NULL;
  const char* names[] = {"echo", "churn", "http", "http-churn"};
  if (strcmp(mode, names[2 * options.http + options.churn]) != 0) usage("--mode is not known");
}

static void parse_options(int argc, char** argv) {
  for (int i = 1; i < argc; i += 2) {
    if (strcmp(argv[i], "--hold") == 0) {
      options.hold = true;
      --i;
      continue;
    }
    if (i + 1 == argc) usage("an option lacks its value");
    char* value = argv[i + 1];
    if (strcmp(argv[i], "--connect") == 0) {
      parse_address(value);
    } else if (strcmp(argv[i], "--mode") == 0) {
      parse_mode(value);
    } else if (strcmp(argv[i], "--connections") == 0) {
      options.connections = atoi(value);
    } else if (strcmp(argv[i], "--size") == 0) {
      options.size = strtoul(value, NULL, 10);
    } else if (strcmp(argv[i], "--pipeline") == 0) {
      options.pipeline = strtoul(value, NULL, 10);
    } else if (strcmp(argv[i], "--pause-us") == 0) {
      options.pause_ns = strtoul(value, NULL, 10) * 1000;
    } else if (strcmp(argv[i], "--warmup") == 0) {
      options.warmup = atof(value);
    } else if (strcmp(argv[i], "--seconds") == 0) {
      options.seconds = atof(value);
    } else {
      usage("unknown option");
    }
  }
  if (options.server.sin_port == 0) usage("--connect is missing");
  if (options.connections < 1 || options.size < 1 || options.pipeline < 1) {
    usage("numbers start from 1");
  }
  if (options.pipeline > 1 && !options.http) usage("--pipeline is for --mode http");
}

static void prepare_request(void) {
  if (options.http) {
    static const char get[] = "GET /plaintext HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const size_t length = sizeof get - 1;
    request_size = length * options.pipeline;
    request = malloc(request_size);
    for (size_t i = 0; i < options.pipeline; ++i) memcpy(request + i * length, get, length);
    return;
  }
  request_size = answer_size = options.size;
  request = malloc(request_size);
  for (size_t i = 0; i < request_size; ++i) request[i] = (char)('a' + i % 26);
}

static void open_all(struct connection* connections) {
  for (int i = 0; i < options.connections; ++i) {
    if (!options.churn) open_connection(&connections[i]);
    start_request(&connections[i], clock_ns(CLOCK_MONOTONIC));
    if (i == 0 || i % 256 == 255) { /* let the server accept */
      run_until(clock_ns(CLOCK_MONOTONIC) + 20000000);
    }
    if (answer_size == 0) wrong_answer("none came");
  }
}

/* Keeps the connections open and idle. */
static void hold(void) {
  draining = true;
  run_until(clock_ns(CLOCK_MONOTONIC) + 30000000000);
  if (outstanding > 0) wrong_answer("not on all connections");
  printf("holding\n");
  fflush(stdout);
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) continue;
}

int main(int argc, char** argv) {
  parse_options(argc, argv);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  prepare_request();
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) fail("epoll_create1");

  struct connection* connections = calloc((size_t)options.connections, sizeof *connections);
  open_all(connections);
  if (options.hold) {
    hold();
    return 0;
  }
  run_until(clock_ns(CLOCK_MONOTONIC) + (uint64_t)(options.warmup * 1e9));
  messages_before = messages;
  messages = 0;
  memset(histogram, 0, sizeof histogram);
  const uint64_t started = clock_ns(CLOCK_MONOTONIC);
  const uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
  run_until(started + (uint64_t)(options.seconds * 1e9));
  const double seconds = (double)(clock_ns(CLOCK_MONOTONIC) - started) / 1e9;

  const uint64_t measured = messages;
  const uint64_t used = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  const uint64_t p50 = percentile(0.5);
  const uint64_t p99 = percentile(0.99);
  const uint64_t p999 = percentile(0.999);
  const uint64_t max = percentile(1);

  draining = true;
  run_until(clock_ns(CLOCK_MONOTONIC) + 1000000000);
  printf("messages=%" PRIu64 " seconds=%.6f cpu_ns=%" PRIu64 " p50_ns=%" PRIu64 " p99_ns=%" PRIu64
         " p999_ns=%" PRIu64 " max_ns=%" PRIu64 " all_messages=%" PRIu64 "\n",
         measured, seconds, used, p50, p99, p999, max, messages_before + messages);
  return 0;
}
