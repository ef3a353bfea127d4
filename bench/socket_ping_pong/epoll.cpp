// The limit: two bare epoll loops, edge triggered, with one send and one recv a message (a short
// read means drained) and one epoll_wait a batch. C but for the frame, which Google Benchmark
// wants.
#include "../support/bench.h"
#include "../support/server.h"
#include "config.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>

#include <sys/epoll.h>
#include <sys/eventfd.h>

namespace {

constexpr int events_per_wait = 256;
constexpr std::uint32_t input_edges = EPOLLIN | EPOLLRDHUP | EPOLLET;
constexpr int each = socket_loop::requests / socket_loop::connections;

std::atomic<int> served{0};

int new_epoll() {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) fail("epoll_create1");
  return epoll;
}

void watch(int epoll, int fd, std::uint32_t events, std::uint64_t tag) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

int wait_for_events(int epoll, std::array<epoll_event, events_per_wait>& events) {
  return epoll_wait(epoll, events.data(), events_per_wait, -1);
}

template <std::size_t Size>
void send_whole(int fd, const std::array<char, Size>& message) {
  const ssize_t sent = send(fd, message.data(), Size, MSG_NOSIGNAL | MSG_DONTWAIT);
  bench::require(sent == static_cast<ssize_t>(Size), "what a send took");
}

// ---- The server: a connection is its descriptor ----

class server {
 public:
  server() {
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener_ < 0) fail("socket");
    if (bind(listener_, reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) fail("bind");
    if (listen(listener_, 4096) != 0) fail("listen");
    stop_ = eventfd(0, EFD_CLOEXEC);
    if (stop_ < 0) fail("eventfd");
    watch(epoll_, listener_, EPOLLIN | EPOLLET, static_cast<std::uint64_t>(listener_));
    watch(epoll_, stop_, EPOLLIN, static_cast<std::uint64_t>(stop_));
    thread_ = std::thread([this] { run(); });
  }
  server(const server&) = delete;
  ~server() {
    eventfd_write(stop_, 1);
    thread_.join();
    for (const int fd : {listener_, stop_, epoll_}) close(fd);
  }

  sockaddr_in address() const {
    sockaddr_in at{};
    socklen_t length = sizeof at;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &length);
    return at;
  }

 private:
  void run() {
    std::array<epoll_event, events_per_wait> events;
    while (true) {
      const int ready = wait_for_events(epoll_, events);
      for (int i = 0; i < ready; ++i) {
        const int fd = static_cast<int>(events[i].data.u64);
        if (fd == stop_) return;
        if (fd == listener_) {
          accept_all();
        } else {
          answer(fd);
        }
      }
    }
  }

  void accept_all() const {
    while (true) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      set_nodelay(fd);
      watch(epoll_, fd, input_edges, static_cast<std::uint64_t>(fd));
    }
  }

  static void answer(int fd) {
    static constexpr std::array<char, socket_loop::answer_bytes> reply{};
    std::array<char, 4096> buffer;
    const ssize_t size = recv(fd, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) {
      close(fd);
      return;
    }
    served.fetch_add(1, std::memory_order_relaxed);
    send_whole(fd, reply);
  }

  const int epoll_ = new_epoll();
  int listener_ = -1;
  int stop_ = -1;
  std::thread thread_;
};

// ---- The client ----

struct client_connection {
  int fd;
  int left;  // requests still to be answered
};

constexpr std::array<char, socket_loop::request_bytes> request{};

void connect_and_ask(int epoll, const sockaddr_in& address, client_connection& connection) {
  connection.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  connection.left = each;
  if (connection.fd < 0) fail("socket");
  if (connect(connection.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail("connect");
  }
  set_nodelay(connection.fd);
  watch(epoll, connection.fd, input_edges, reinterpret_cast<std::uint64_t>(&connection));
  send_whole(connection.fd, request);
}

/// True if it was the last answer of its connection.
bool take_answer(client_connection& connection) {
  std::array<char, 4096> buffer;
  const ssize_t size = recv(connection.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size < 0 && errno == EAGAIN) return false;
  bench::require(size == socket_loop::answer_bytes, "size of the answer");
  if (--connection.left > 0) {
    send_whole(connection.fd, request);
    return false;
  }
  close(connection.fd);
  return true;
}

void ask_on_all(int epoll, const sockaddr_in& address) {
  std::array<client_connection, socket_loop::connections> connections;
  for (auto& connection : connections) connect_and_ask(epoll, address, connection);
  std::array<epoll_event, events_per_wait> events;
  for (int open = socket_loop::connections; open > 0;) {
    const int ready = wait_for_events(epoll, events);
    for (int i = 0; i < ready; ++i) {
      const bool ended = take_answer(*static_cast<client_connection*>(events[i].data.ptr));
      if (ended) --open;
    }
  }
}

void ping_pong(benchmark::State& state) {
  const server peer;
  const auto address = peer.address();
  const int epoll = new_epoll();
  for (auto _ : state) {
    served = 0;
    ask_on_all(epoll, address);
    bench::require(served == socket_loop::requests, "number of requests served");
  }
  close(epoll);
  bench::count_items(state, socket_loop::requests);
}

BENCHMARK(ping_pong)->Name("socket_ping_pong")->Apply(bench::two_threads);

}  // namespace
