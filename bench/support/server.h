/* What the standalone servers share, in C so that the bare epoll loops can use it too: arguments,
 * the listening socket, SIGTERM, the closing line.
 *
 *   <server> [--listen IP:PORT] [--workers N]
 *
 * prints "listening on IP:PORT" (port 0 is replaced by the one the kernel chose), serves until
 * SIGTERM or SIGINT, then prints "cpu_ns=<CPU time of the process> messages=<requests answered>"
 * and exits with 0. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct server_arguments {
  char host[64];
  int port;
  int workers;
};

static inline void fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static inline void usage(const char* program, const char* problem) {
  fprintf(stderr, "%s: %s\nusage: %s [--listen IP:PORT] [--workers N]\n", program, problem,
          program);
  exit(2);
}

static inline struct server_arguments parse_server_arguments(int argc, char** argv) {
  struct server_arguments arguments = {"127.0.0.1", 0, 1};
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) usage(argv[0], "an option lacks its value");
    const char* value = argv[i + 1];
    if (strcmp(argv[i], "--workers") == 0) {
      arguments.workers = atoi(value);
      if (arguments.workers < 1) usage(argv[0], "--workers wants a number from 1");
    } else if (strcmp(argv[i], "--listen") == 0) {
      const char* colon = strrchr(value, ':');
      const size_t length = colon ? (size_t)(colon - value) : 0;
      if (!colon || length >= sizeof arguments.host) usage(argv[0], "--listen wants IP:PORT");
      memcpy(arguments.host, value, length);
      arguments.host[length] = '\0';
      arguments.port = atoi(colon + 1);
    } else {
      usage(argv[0], "unknown option");
    }
  }
  return arguments;
}

/* Both ends of a thousand connections need more than the usual 1024 descriptors. */
static inline void raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static inline void announce(const char* host, int port) {
  printf("listening on %s:%d\n", host, port);
  fflush(stdout);
}

/* A listening socket, already announced. */
static inline int listen_and_announce(const struct server_arguments* arguments) {
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons((uint16_t)arguments->port);
  if (inet_pton(AF_INET, arguments->host, &address.sin_addr) != 1) {
    fprintf(stderr, "not an IPv4 address: %s\n", arguments->host);
    exit(2);
  }
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (const struct sockaddr*)&address, sizeof address) != 0) fail(arguments->host);
  if (listen(fd, 4096) != 0) fail("listen");
  socklen_t length = sizeof address;
  getsockname(fd, (struct sockaddr*)&address, &length);
  announce(arguments->host, ntohs(address.sin_port));
  return fd;
}

/* Answers go out at once; all servers set it. */
static inline void set_nodelay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static inline void print_totals(uint64_t messages) {
  struct timespec cpu;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
  const uint64_t cpu_ns = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
  printf("cpu_ns=%llu messages=%llu\n", (unsigned long long)cpu_ns, (unsigned long long)messages);
  fflush(stdout);
}
