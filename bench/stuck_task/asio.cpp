// One context on two threads, so that the other thread can serve what the busy one does not.
#include "../support/asio_server.h"
#include "../support/busy.h"
#include "config.h"

#include <array>
#include <chrono>

namespace {

namespace asio = bench::asio;

bench::asio_task<> echo(bench::asio_socket socket) {
  bench::answered messages;
  std::array<char, echo_buffer> buffer;
  while (true) {
    const std::size_t count =
        co_await socket.async_read_some(asio::buffer(buffer), bench::use_task);
    co_await asio::async_write(socket, asio::buffer(buffer, count), bench::use_task);
    messages += 1;
  }
}

bench::asio_task<> hog() {
  while (true) {
    bench::stay_busy(std::chrono::milliseconds(busy_ms));
    co_await asio::post(bench::use_task);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_shared_asio_server(argc, argv, echo, hog);
}
