// Callbacks on two loops, one a thread. A message is tried at once (uv_try_write): with one on its
// way in each direction, the socket always takes it.
#include "../support/bench.h"
#include "config.h"

#include <array>
#include <atomic>
#include <thread>

#include <netinet/in.h>
#include <uv.h>

namespace {

constexpr int each = socket_loop::requests / socket_loop::connections;

std::atomic<int> served{0};

uv_stream_t* stream_of(uv_tcp_t* tcp) {
  return reinterpret_cast<uv_stream_t*>(tcp);
}
uv_handle_t* handle_of(auto* handle) {
  return reinterpret_cast<uv_handle_t*>(handle);
}

void check(int result, const char* what) {
  bench::require(result >= 0, what);
}

template <std::size_t Size>
void send_whole(uv_stream_t* stream, const std::array<char, Size>& message) {
  const uv_buf_t whole = uv_buf_init(const_cast<char*>(message.data()), Size);
  bench::require(uv_try_write(stream, &whole, 1) == static_cast<int>(Size), "what a write took");
}

/// One loop reads on one thread, and a callback is done with its input when it returns.
void lend_buffer(uv_handle_t*, std::size_t, uv_buf_t* buffer) {
  static thread_local std::array<char, 4096> bytes;
  *buffer = uv_buf_init(bytes.data(), bytes.size());
}

// ---- The server ----

class server {
 public:
  server() {
    check(uv_loop_init(&loop_), "loop");
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(uv_tcp_init(&loop_, &listener_), "listener");
    check(uv_tcp_bind(&listener_, reinterpret_cast<sockaddr*>(&any), 0), "bind");
    check(uv_listen(stream_of(&listener_), 4096, accept_one), "listen");
    check(uv_async_init(&loop_, &stop_, end), "async");
    stop_.data = this;
    thread_ = std::thread([this] { uv_run(&loop_, UV_RUN_DEFAULT); });
  }
  server(const server&) = delete;
  /// The loop runs until every connection has seen the client's end.
  ~server() {
    uv_async_send(&stop_);
    thread_.join();
    check(uv_loop_close(&loop_), "end of the server's loop");
  }

  sockaddr_in address() const {
    sockaddr_in at{};
    int length = sizeof at;
    check(uv_tcp_getsockname(&listener_, reinterpret_cast<sockaddr*>(&at), &length), "address");
    return at;
  }

 private:
  static void accept_one(uv_stream_t* listener, int status) {
    check(status, "connection");
    auto* connection = new uv_tcp_t;
    uv_tcp_init(listener->loop, connection);
    check(uv_accept(listener, stream_of(connection)), "accept");
    uv_tcp_nodelay(connection, 1);
    uv_read_start(stream_of(connection), lend_buffer, answer);
  }

  static void answer(uv_stream_t* stream, ssize_t size, const uv_buf_t*) {
    static constexpr std::array<char, socket_loop::answer_bytes> reply{};
    if (size < 0) {
      uv_close(handle_of(stream),
               [](uv_handle_t* handle) { delete reinterpret_cast<uv_tcp_t*>(handle); });
      return;
    }
    if (size == 0) return;
    served.fetch_add(1, std::memory_order_relaxed);
    send_whole(stream, reply);
  }

  static void end(uv_async_t* stop) {
    auto* self = static_cast<server*>(stop->data);
    uv_close(handle_of(&self->listener_), nullptr);
    uv_close(handle_of(stop), nullptr);
  }

  uv_loop_t loop_;
  uv_tcp_t listener_;
  uv_async_t stop_;
  std::thread thread_;
};

// ---- The client ----

struct client_connection {
  uv_tcp_t handle;
  uv_connect_t connecting;
  int left;  // requests still to be answered
};

constexpr std::array<char, socket_loop::request_bytes> request{};

void take_answer(uv_stream_t* stream, ssize_t size, const uv_buf_t*) {
  if (size == 0) return;
  bench::require(size == socket_loop::answer_bytes, "size of the answer");
  auto* self = static_cast<client_connection*>(stream->data);
  if (--self->left > 0) {
    send_whole(stream, request);
  } else {
    uv_close(handle_of(stream), nullptr);
  }
}

void connected(uv_connect_t* connecting, int status) {
  check(status, "connect");
  uv_read_start(connecting->handle, lend_buffer, take_answer);
  send_whole(connecting->handle, request);
}

void ask_on_all(uv_loop_t& loop, const sockaddr_in& address) {
  std::array<client_connection, socket_loop::connections> connections;
  for (auto& connection : connections) {
    connection.left = each;
    uv_tcp_init(&loop, &connection.handle);
    connection.handle.data = &connection;
    check(uv_tcp_connect(&connection.connecting, &connection.handle,
                         reinterpret_cast<const sockaddr*>(&address), connected),
          "connect");
    uv_tcp_nodelay(&connection.handle, 1);
  }
  uv_run(&loop, UV_RUN_DEFAULT);
}

void ping_pong(benchmark::State& state) {
  const server peer;
  const auto address = peer.address();
  uv_loop_t loop;
  check(uv_loop_init(&loop), "loop");
  for (auto _ : state) {
    served = 0;
    ask_on_all(loop, address);
    bench::require(served == socket_loop::requests, "number of requests served");
  }
  check(uv_loop_close(&loop), "end of the client's loop");
  bench::count_items(state, socket_loop::requests);
}

BENCHMARK(ping_pong)->Name("socket_ping_pong")->Apply(bench::two_threads);

}  // namespace
