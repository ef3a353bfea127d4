#include "../support/weft_main.h"
#include "config.h"
#include <weft/net/server.h>
#include <weft/net/tcp.h>
#include <weft/sync/event.h>

#include <array>
#include <atomic>
#include <chrono>
#include <future>
#include <span>
#include <thread>
#include <vector>

namespace {

const weft::runtime_options one_worker{.workers = 1, .handle_sigint = false};
std::atomic<int> served{0};

weft::task<> answer(weft::tcp_stream stream) {
  std::array<char, 4096> buffer;
  const std::array<char, socket_loop::answer_bytes> reply{};
  while (true) {
    const std::size_t size = co_await stream.read_some(buffer);
    if (size == 0) break;
    served.fetch_add(1, std::memory_order_relaxed);
    co_await stream.write_all(std::span(reply));
  }
}

weft::task<> serve(std::promise<weft::socket_address>& listening, weft::event& end) {
  auto server = weft::start_server(answer, "127.0.0.1:0");
  listening.set_value(server.local_address());
  co_await end.wait();
  co_await server.close(std::chrono::seconds(1));
}

weft::task<> ask(weft::socket_address server, int requests) {
  auto stream = co_await weft::tcp_stream::connect(server);
  const std::array<char, socket_loop::request_bytes> request{};
  std::array<char, 4096> buffer;
  for (int i = 0; i < requests; ++i) {
    co_await stream.write_all(std::span(request));
    const std::size_t size = co_await stream.read_some(buffer);
    bench::require(size == socket_loop::answer_bytes, "size of the answer");
  }
}

weft::task<> ask_on_all(benchmark::State& state, weft::socket_address server) {
  std::vector<weft::join_handle<>> handles(socket_loop::connections);
  constexpr int each = socket_loop::requests / socket_loop::connections;
  for (auto _ : state) {
    served = 0;
    for (auto& handle : handles) handle = weft::spawn(ask(server, each));
    for (auto& handle : handles) co_await handle;
    bench::require(served == socket_loop::requests, "number of requests served");
  }
  bench::count_items(state, socket_loop::requests);
}

void ping_pong(benchmark::State& state) {
  std::promise<weft::socket_address> listening;
  weft::event end;
  std::jthread server([&] { weft::run(serve(listening, end), one_worker); });
  const auto address = listening.get_future().get();
  weft::run(ask_on_all(state, address), one_worker);
  end.set();
}

BENCHMARK(ping_pong)->Name("socket_ping_pong")->Apply(bench::two_threads);

}  // namespace
