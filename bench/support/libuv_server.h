// The frame of a libuv server under measurement: one loop and one thread a worker, connections
// dealt in turn.
#pragma once

#include "server.h"

#include <atomic>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include <uv.h>

namespace bench {

/// A connection of the workload. `respond` is told what was received and returns what to send
/// (empty: nothing yet); the bytes stay valid until the next call.
struct reply {
  const char* data;
  std::size_t size;
};

struct uv_connection {
  uv_tcp_t handle;
  std::size_t carried;  // for the workload: state between two reads
};

using uv_respond = reply (*)(uv_connection&, const char* input, std::size_t size,
                             std::uint64_t& messages);

/// One loop on one thread. Accepted sockets come in through an inbox and an async handle.
class uv_worker {
 public:
  uv_worker(uv_respond respond, std::size_t input_capacity)
      : respond_(respond), buffer_(input_capacity) {
    uv_loop_init(&loop);
    loop.data = this;
    uv_async_init(&loop, &inbox_event_,
                  [](uv_async_t* event) { static_cast<uv_worker*>(event->loop->data)->take_in(); });
  }
  uv_worker(const uv_worker&) = delete;

  void adopt(int fd) {
    {
      const std::scoped_lock lock(mutex_);
      inbox_.push_back(fd);
    }
    uv_async_send(&inbox_event_);
  }
  void stop() {
    stopping_ = true;
    uv_async_send(&inbox_event_);
  }
  void run() { uv_run(&loop, UV_RUN_DEFAULT); }

  uv_loop_t loop;
  std::uint64_t messages = 0;

 private:
  void take_in() {
    if (stopping_) uv_stop(&loop);
    const std::scoped_lock lock(mutex_);
    for (const int fd : inbox_) {
      auto* connection = new uv_connection{};
      uv_tcp_init(&loop, &connection->handle);
      uv_tcp_open(&connection->handle, fd);
      uv_tcp_nodelay(&connection->handle, 1);
      connection->handle.data = connection;
      uv_read_start(stream(connection), lend_buffer, received);
    }
    inbox_.clear();
  }

  static uv_stream_t* stream(uv_connection* connection) {
    return reinterpret_cast<uv_stream_t*>(&connection->handle);
  }
  static uv_worker& of(uv_stream_t* stream) { return *static_cast<uv_worker*>(stream->loop->data); }

  static void lend_buffer(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
    auto& self = *static_cast<uv_worker*>(handle->loop->data);
    *buffer = uv_buf_init(self.buffer_.data(), static_cast<unsigned>(self.buffer_.size()));
  }

  static void received(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
    auto* connection = static_cast<uv_connection*>(stream->data);
    if (size < 0) {
      uv_close(reinterpret_cast<uv_handle_t*>(stream),
               [](uv_handle_t* handle) { delete static_cast<uv_connection*>(handle->data); });
      return;
    }
    if (size == 0) return;
    auto& self = of(stream);
    const reply answer =
        self.respond_(*connection, buffer->base, static_cast<std::size_t>(size), self.messages);
    if (answer.size > 0) send(stream, answer);
  }

  /// Tries at once; only what the socket does not take is copied and queued.
  static void send(uv_stream_t* stream, reply answer) {
    uv_buf_t whole =
        uv_buf_init(const_cast<char*>(answer.data), static_cast<unsigned>(answer.size));
    const int sent = uv_try_write(stream, &whole, 1);
    const std::size_t taken = sent > 0 ? static_cast<std::size_t>(sent) : 0;
    if (taken == answer.size) return;
    struct queued {
      uv_write_t request;
      std::vector<char> bytes;
    };
    auto* rest = new queued{{}, {answer.data + taken, answer.data + answer.size}};
    rest->request.data = rest;
    uv_buf_t buffer = uv_buf_init(rest->bytes.data(), static_cast<unsigned>(rest->bytes.size()));
    uv_write(&rest->request, stream, &buffer, 1,
             [](uv_write_t* request, int) { delete static_cast<queued*>(request->data); });
  }

  const uv_respond respond_;
  uv_async_t inbox_event_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::vector<int> inbox_;    // guarded by mutex_
  std::vector<char> buffer_;  // lent to one read at a time
};

inline int run_libuv_server(int argc, char** argv, uv_respond respond, std::size_t input_capacity) {
  const server_arguments arguments = parse_server_arguments(argc, argv);
  raise_descriptor_limit();
  std::deque<uv_worker> workers;
  for (int i = 0; i < arguments.workers; ++i) workers.emplace_back(respond, input_capacity);

  struct acceptor {
    std::deque<uv_worker>& workers;
    int fd;
    std::size_t next = 0;
  } acceptor{workers, listen_and_announce(&arguments)};
  uv_poll_t listening;
  uv_poll_init(&workers[0].loop, &listening, acceptor.fd);
  listening.data = &acceptor;
  uv_poll_start(&listening, UV_READABLE, [](uv_poll_t* handle, int, int) {
    auto& self = *static_cast<struct acceptor*>(handle->data);
    while (true) {
      const int fd = accept4(self.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      self.workers[self.next].adopt(fd);
      self.next = (self.next + 1) % self.workers.size();
    }
  });

  uv_signal_t stops[2];
  const int signals[2] = {SIGTERM, SIGINT};
  for (int i = 0; i < 2; ++i) {
    uv_signal_init(&workers[0].loop, &stops[i]);
    stops[i].data = &workers;
    const auto stop_all = [](uv_signal_t* signal, int) {
      for (auto& worker : *static_cast<std::deque<uv_worker>*>(signal->data)) worker.stop();
    };
    uv_signal_start(&stops[i], stop_all, signals[i]);
  }

  std::vector<std::jthread> others;
  for (int i = 1; i < arguments.workers; ++i) {
    others.emplace_back([&worker = workers[i]] { worker.run(); });
  }
  workers[0].run();
  others.clear();
  std::uint64_t messages = 0;
  for (const auto& worker : workers) messages += worker.messages;
  print_totals(messages);
  return 0;
}

}  // namespace bench
