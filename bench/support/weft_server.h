// The frame of a weft server under measurement: start, wait for SIGTERM, report.
#pragma once

#include "server.h"
#include <weft/net/server.h>
#include <weft/net/tcp.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/signal_set.h>

#include <atomic>

namespace bench {

/// Requests answered by one connection, added to the total when the connection ends, however it
/// ends: no shared counter on the hot path.
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

inline weft::task<> serve_until_signal(weft::task<> (*connection)(weft::tcp_stream),
                                       const server_arguments& arguments,
                                       weft::task<> (*beside)()) {
  weft::signal_set stop(SIGTERM, SIGINT);
  const auto address = std::string(arguments.host) + ":" + std::to_string(arguments.port);
  const weft::socket_address at(address);
  auto server = weft::start_server(connection, at, {.backlog = 4096});
  announce(arguments.host, server.local_address().port());
  weft::join_handle<> busy;
  if (beside != nullptr) busy = weft::spawn(beside());
  [[maybe_unused]] const int signal = co_await stop.wait();
  co_await server.close(std::chrono::milliseconds(0));
}

/// `beside` is a task that runs as long as the server does.
inline int run_weft_server(int argc, char** argv, weft::task<> (*connection)(weft::tcp_stream),
                           weft::task<> (*beside)() = nullptr) {
  const server_arguments arguments = parse_server_arguments(argc, argv);
  raise_descriptor_limit();
  weft::runtime_options options;
  options.workers = static_cast<std::size_t>(arguments.workers);
  options.handle_sigint = false;
  weft::run(serve_until_signal(connection, arguments, beside), options);
  print_totals(answered::total);
  return 0;
}

}  // namespace bench
