#include "../support/asio_main.h"
#include "config.h"

#include <array>
#include <atomic>

namespace {

using bench::asio_task;
namespace asio = bench::asio;
using tcp = asio::ip::tcp;
using socket = asio::basic_stream_socket<tcp, bench::executor>;

std::atomic<int> served{0};

asio_task<> answer(socket stream) {
  std::array<char, 4096> buffer;
  const std::array<char, socket_loop::answer_bytes> reply{};
  while (true) {
    const auto [error, size] =
        co_await stream.async_read_some(asio::buffer(buffer), asio::as_tuple(bench::use_task));
    if (error) break;
    served.fetch_add(1, std::memory_order_relaxed);
    co_await asio::async_write(stream, asio::buffer(reply), bench::use_task);
  }
}

asio_task<> accept_all(tcp::acceptor& acceptor, asio::io_context& context) {
  while (true) {
    socket stream(context);
    co_await acceptor.async_accept(stream, bench::use_task);
    stream.set_option(tcp::no_delay(true));
    asio::co_spawn(context, answer(std::move(stream)), asio::detached);
  }
}

asio_task<> ask(tcp::endpoint server, int requests) {
  socket stream(co_await asio::this_coro::executor);
  co_await stream.async_connect(server, bench::use_task);
  stream.set_option(tcp::no_delay(true));
  const std::array<char, socket_loop::request_bytes> request{};
  std::array<char, 4096> buffer;
  for (int i = 0; i < requests; ++i) {
    co_await asio::async_write(stream, asio::buffer(request), bench::use_task);
    const std::size_t size = co_await stream.async_read_some(asio::buffer(buffer), bench::use_task);
    bench::require(size == socket_loop::answer_bytes, "size of the answer");
  }
}

asio_task<> ask_on_all(benchmark::State& state, tcp::endpoint server) {
  const auto here = co_await asio::this_coro::executor;
  constexpr int each = socket_loop::requests / socket_loop::connections;
  for (auto _ : state) {
    served = 0;
    bench::join_counter children(socket_loop::connections);
    for (int i = 0; i < socket_loop::connections; ++i) {
      asio::co_spawn(here, ask(server, each), [&children](std::exception_ptr) { children.done(); });
    }
    co_await children.wait();
    bench::require(served == socket_loop::requests, "number of requests served");
  }
  bench::count_items(state, socket_loop::requests);
}

void ping_pong(benchmark::State& state) {
  asio::io_context context(1);
  tcp::acceptor acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  asio::co_spawn(context, accept_all(acceptor, context), asio::detached);
  std::jthread server([&context] { context.run(); });
  const auto address = acceptor.local_endpoint();
  bench::run_asio(1, [&] { return ask_on_all(state, address); });
  context.stop();
  server.join();
}

BENCHMARK(ping_pong)->Name("socket_ping_pong")->Apply(bench::two_threads);

}  // namespace
