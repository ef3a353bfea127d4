#include "../support/asio_server.h"
#include "config.h"

namespace {

namespace asio = bench::asio;

bench::asio_task<> echo(bench::asio_socket socket) {
  bench::answered messages;
  std::vector<char> buffer(bulk_buffer);
  while (true) {
    const std::size_t count =
        co_await socket.async_read_some(asio::buffer(buffer), bench::use_task);
    co_await asio::async_write(socket, asio::buffer(buffer, count), bench::use_task);
    messages += 1;
  }
}  // the end of the stream is an exception here, which `detached` drops

}  // namespace

int main(int argc, char** argv) {
  return bench::run_asio_server(argc, argv, echo);
}
