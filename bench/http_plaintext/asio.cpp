#include "../support/asio_server.h"
#include "config.h"

#include <array>

namespace {

namespace asio = bench::asio;

bench::asio_task<> answer(bench::asio_socket socket) {
  bench::answered messages;
  std::array<char, http_buffer> buffer;
  std::size_t matched = 0;
  while (true) {
    const std::size_t count =
        co_await socket.async_read_some(asio::buffer(buffer), bench::use_task);
    const std::size_t requests = count_requests(&matched, buffer.data(), count);
    if (requests == 0) continue;
    const auto responses = asio::buffer(plaintext_responses(), requests * response_size);
    co_await asio::async_write(socket, responses, bench::use_task);
    messages += requests;
  }
}

}  // namespace

int main(int argc, char** argv) {
  plaintext_responses();  // made before there are threads
  return bench::run_asio_server(argc, argv, answer);
}
