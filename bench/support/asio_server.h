// The frame of a Boost.Asio server under measurement. Several workers are several io_contexts of
// one thread each, which is Asio's fastest arrangement: nothing is shared, connections are dealt in
// turn.
#pragma once

#include "server.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include <boost/asio.hpp>

namespace bench {

namespace asio = boost::asio;

using executor = asio::io_context::executor_type;
using asio_socket = asio::basic_stream_socket<asio::ip::tcp, executor>;
template <class T = void>
using asio_task = asio::awaitable<T, executor>;
inline constexpr asio::use_awaitable_t<executor> use_task;

/// Requests answered by one connection, added to the total when the connection ends.
class answered {
 public:
  answered() noexcept = default;
  answered(const answered&) = delete;
  ~answered() { total.fetch_add(here_, std::memory_order_relaxed); }

  void operator+=(std::uint64_t requests) noexcept { here_ += requests; }

  inline static std::atomic<std::uint64_t> total{0};

 private:
  std::uint64_t here_ = 0;
};

using connection_handler = asio_task<> (*)(asio_socket);

inline asio_task<> accept_for_all(asio::ip::tcp::acceptor& acceptor,
                                  std::vector<std::unique_ptr<asio::io_context>>& contexts,
                                  connection_handler handler) {
  for (std::size_t next = 0;; next = (next + 1) % contexts.size()) {
    auto& context = *contexts[next];
    asio_socket socket(context);
    co_await acceptor.async_accept(socket, use_task);
    socket.set_option(asio::ip::tcp::no_delay(true));
    asio::co_spawn(context, handler(std::move(socket)), asio::detached);
  }
}

inline int run_asio_server(int argc, char** argv, connection_handler handler) {
  const server_arguments arguments = parse_server_arguments(argc, argv);
  raise_descriptor_limit();
  {
    std::vector<std::unique_ptr<asio::io_context>> contexts;
    for (int i = 0; i < arguments.workers; ++i) {
      contexts.push_back(std::make_unique<asio::io_context>(1));
    }
    asio::signal_set stop(*contexts[0], SIGTERM, SIGINT);
    stop.async_wait([&contexts](boost::system::error_code, int) {
      for (auto& context : contexts) context->stop();
    });
    asio::ip::tcp::acceptor acceptor(*contexts[0], asio::ip::tcp::v4(),
                                     listen_and_announce(&arguments));
    asio::co_spawn(*contexts[0], accept_for_all(acceptor, contexts, handler), asio::detached);

    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < contexts.size(); ++i) {
      others.emplace_back([&context = *contexts[i]] {
        const auto busy = asio::make_work_guard(context);
        context.run();
      });
    }
    contexts[0]->run();
    others.clear();
    acceptor.close();
    // The contexts destroy what is left of the connections, which adds up `answered`.
  }
  print_totals(answered::total);
  return 0;
}

/// The other arrangement: one context for all threads; a handler runs on whichever is free.
/// `beside` is a task that runs as long as the server does.
inline int run_shared_asio_server(int argc, char** argv, connection_handler handler,
                                  asio_task<> (*beside)()) {
  const server_arguments arguments = parse_server_arguments(argc, argv);
  raise_descriptor_limit();
  {
    std::vector<std::unique_ptr<asio::io_context>> contexts;
    contexts.push_back(std::make_unique<asio::io_context>(arguments.workers));
    auto& context = *contexts.front();
    asio::signal_set stop(context, SIGTERM, SIGINT);
    stop.async_wait([&context](boost::system::error_code, int) { context.stop(); });
    asio::ip::tcp::acceptor acceptor(context, asio::ip::tcp::v4(), listen_and_announce(&arguments));
    asio::co_spawn(context, accept_for_all(acceptor, contexts, handler), asio::detached);
    asio::co_spawn(context, beside(), asio::detached);

    std::vector<std::jthread> others;
    for (int i = 1; i < arguments.workers; ++i) others.emplace_back([&context] { context.run(); });
    context.run();
    others.clear();
    acceptor.close();
  }
  print_totals(answered::total);
  return 0;
}

}  // namespace bench
