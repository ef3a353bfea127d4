// What a task that does not give way does to everybody else: an echo server on two workers, one
// task that computes for 50 ms again and again, and a client (a plain thread) that measures the
// latency of 16 unrelated connections.
//
//     bench_stuck_task_weft [SECONDS]    prints p50, p99, p99.9 and the maximum, in microseconds
//
// Without help from the other worker every connection that lives on the busy one would wait up to
// 50 ms.

#include <weft/net/server.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/to_thread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

weft::task<> echo(weft::tcp_stream stream) {
  std::array<char, 256> buffer;
  for (;;) {
    const std::size_t count = co_await stream.read_some(buffer);
    if (count == 0) co_return;
    co_await stream.write_all(std::span(buffer).first(count));
  }
}

weft::task<> hog(std::atomic<bool>& stop) {
  while (!stop.load(std::memory_order_relaxed)) {
    for (const auto end = steady::now() + 50ms; steady::now() < end;) {
    }
    co_await weft::yield();
  }
}

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) std::abort();
  return fd;
}

/// Sends a byte on each connection, the next one a millisecond after the answer.
std::vector<double> measure(std::uint16_t port, std::chrono::seconds length) {
  constexpr std::size_t connections = 16;
  std::vector<pollfd> fds(connections);
  std::vector<steady::time_point> sent(connections);  // or, before that, when to send
  std::vector<bool> waiting(connections, false);
  std::vector<double> latencies;
  for (pollfd& each : fds) each = {connect_to(port), POLLIN, 0};
  const auto end = steady::now() + length;
  for (auto now = steady::now(); now < end; now = steady::now()) {
    auto next_send = now + 1s;
    for (std::size_t i = 0; i < connections; ++i) {
      if (waiting[i]) continue;
      if (sent[i] > now) {
        next_send = std::min(next_send, sent[i]);
        continue;
      }
      sent[i] = steady::now();
      waiting[i] = true;
      if (::send(fds[i].fd, "x", 1, MSG_NOSIGNAL) != 1) std::abort();
    }
    const auto left = std::max(next_send - steady::now(), steady::duration::zero());
    const timespec limit{left / 1s, (left % 1s) / 1ns};
    ::ppoll(fds.data(), fds.size(), &limit, nullptr);
    for (std::size_t i = 0; i < connections; ++i) {
      char byte;
      if ((fds[i].revents & POLLIN) == 0 || ::recv(fds[i].fd, &byte, 1, 0) != 1) continue;
      const auto answered = steady::now();
      latencies.push_back(std::chrono::duration<double, std::micro>(answered - sent[i]).count());
      sent[i] = answered + 1ms;
      waiting[i] = false;
    }
  }
  for (const pollfd& each : fds) ::close(each.fd);
  std::sort(latencies.begin(), latencies.end());
  return latencies;
}

void report(const char* name, const std::vector<double>& sorted) {
  const auto at = [&](double part) {
    return sorted[static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1))];
  };
  std::printf("%-16s n=%zu  p50=%.0f us  p99=%.0f us  p99.9=%.0f us  max=%.0f us\n", name,
              sorted.size(), at(0.5), at(0.99), at(0.999), sorted.back());
}

}  // namespace

int main(int argc, char** argv) {
  const std::chrono::seconds length(argc > 1 ? std::atoi(argv[1]) : 5);
  if (length < 1s) {
    std::fputs("usage: bench_stuck_task_weft [SECONDS]\n", stderr);
    return 2;
  }
  weft::run(
      [](std::chrono::seconds seconds) -> weft::task<> {
        auto server = weft::start_server(echo, "127.0.0.1:0");
        const std::uint16_t port = server.local_address().port();
        for (const bool stuck : {false, true}) {
          std::atomic<bool> stop{false};
          weft::join_handle<> busy;
          if (stuck) busy = weft::spawn(hog, std::ref(stop));
          const auto latencies = co_await weft::to_thread(measure, port, seconds);
          report(stuck ? "one hog" : "quiet", latencies);
          stop.store(true);
          if (stuck) co_await busy;
        }
        co_await server.close(1s);
      }(length),
      {.workers = 2});
}
