/* The bare epoll loop that the network contenders are measured against: the fewest system calls a
 * readiness design can make. Edge triggered; a connection is registered once for both directions;
 * one recv and one send a message (a short read means drained, so no recv that only learns EAGAIN);
 * one epoll_wait a batch. One thread a worker, connections dealt in turn.
 *
 * The includer says what a connection does with what it received:
 *     size_t respond(struct connection*, const char* input, size_t size, const char** output,
 * uint64_t* messages); returns how many bytes of *output to send
 * and how much is read at a time, `input_capacity`. Include this once, after config.h; _GNU_SOURCE
 * has to be defined first, for accept4. */
#pragma once

#include "server.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum { events_per_wait = 256 };

struct connection {
  int fd;
  size_t carried; /* for the includer: state between two reads */
  /* Output the socket did not take at once; while there is any, nothing is read. */
  char* unsent;
  size_t unsent_size;
  size_t unsent_from;
};

struct worker {
  pthread_t thread;
  int epoll;
  uint64_t messages;
};

static size_t respond(struct connection* connection, const char* input, size_t size,
                      const char** output, uint64_t* messages);

static int stop_event; /* an eventfd in every epoll set, level triggered and never read: it stops
                          all workers */

static void request_stop(int signal) {
  (void)signal;
  const uint64_t one = 1;
  const ssize_t written = write(stop_event, &one, sizeof one);
  (void)written;
}

static void watch(int epoll, int fd, uint32_t events, void* tag) {
  struct epoll_event event;
  event.events = events;
  event.data.ptr = tag;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

static void close_connection(struct connection* connection) {
  close(connection->fd);
  free(connection->unsent);
  free(connection);
}

/* Both return false when the connection has ended. */
static bool flush(struct connection* connection) {
  while (connection->unsent_from < connection->unsent_size) {
    const ssize_t sent = send(connection->fd, connection->unsent + connection->unsent_from,
                              connection->unsent_size - connection->unsent_from, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN;
    connection->unsent_from += (size_t)sent;
  }
  free(connection->unsent);
  connection->unsent = NULL;
  connection->unsent_size = connection->unsent_from = 0;
  return true;
}

static bool send_or_keep(struct connection* connection, const char* output, size_t size) {
  const ssize_t sent = send(connection->fd, output, size, MSG_NOSIGNAL);
  if (sent == (ssize_t)size) return true;
  if (sent < 0 && errno != EAGAIN) return false;
  const size_t taken = sent < 0 ? 0 : (size_t)sent;
  connection->unsent_size = size - taken;
  connection->unsent = (char*)malloc(connection->unsent_size);
  if (!connection->unsent) fail("malloc");
  memcpy(connection->unsent, output + taken, connection->unsent_size);
  return true;
}

static bool serve(struct connection* connection, uint64_t* messages) {
  char input[input_capacity];
  if (connection->unsent && !flush(connection)) return false;
  while (!connection->unsent) {
    const ssize_t received = recv(connection->fd, input, sizeof input, 0);
    if (received < 0) return errno == EAGAIN;
    if (received == 0) return false;
    const char* output = NULL;
    const size_t size = respond(connection, input, (size_t)received, &output, messages);
    if (size > 0 && !send_or_keep(connection, output, size)) return false;
    if ((size_t)received < sizeof input) break; /* drained; the next byte is a new edge */
  }
  return true;
}

static void accept_all(int listener, struct worker* workers, int count) {
  static int next = 0;
  for (;;) {
    const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    set_nodelay(fd);
    struct connection* connection = (struct connection*)calloc(1, sizeof *connection);
    if (!connection) fail("calloc");
    connection->fd = fd;
    watch(workers[next].epoll, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, connection);
    next = (next + 1) % count;
  }
}

static struct worker* all_workers;
static int worker_count;
static int listening_fd;

static void* run_worker(void* argument) {
  struct worker* self = (struct worker*)argument;
  struct epoll_event events[events_per_wait];
  for (;;) {
    const int ready = epoll_wait(self->epoll, events, events_per_wait, -1);
    for (int i = 0; i < ready; ++i) {
      void* tag = events[i].data.ptr;
      if (tag == &stop_event) return NULL;
      if (tag == &listening_fd) {
        accept_all(listening_fd, all_workers, worker_count);
      } else if (!serve((struct connection*)tag, &self->messages)) {
        close_connection((struct connection*)tag);
      }
    }
  }
}

static int run_epoll_server(int argc, char** argv) {
  const struct server_arguments arguments = parse_server_arguments(argc, argv);
  raise_descriptor_limit();
  stop_event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (stop_event < 0) fail("eventfd");
  signal(SIGTERM, request_stop);
  signal(SIGINT, request_stop);

  worker_count = arguments.workers;
  all_workers = (struct worker*)calloc((size_t)worker_count, sizeof *all_workers);
  if (!all_workers) fail("calloc");
  for (int i = 0; i < worker_count; ++i) {
    all_workers[i].epoll = epoll_create1(EPOLL_CLOEXEC);
    if (all_workers[i].epoll < 0) fail("epoll_create1");
    watch(all_workers[i].epoll, stop_event, EPOLLIN, &stop_event);
  }
  listening_fd = listen_and_announce(&arguments);
  watch(all_workers[0].epoll, listening_fd, EPOLLIN | EPOLLET, &listening_fd);

  for (int i = 1; i < worker_count; ++i) {
    if (pthread_create(&all_workers[i].thread, NULL, run_worker, &all_workers[i]) != 0) {
      fail("pthread_create");
    }
  }
  run_worker(&all_workers[0]);
  uint64_t messages = all_workers[0].messages;
  for (int i = 1; i < worker_count; ++i) {
    pthread_join(all_workers[i].thread, NULL);
    messages += all_workers[i].messages;
  }
  print_totals(messages);
  return 0;
}
