// weft-echo: sends back what it gets, on any number of TCP connections.
//
//   weft-echo --listen 127.0.0.1:7000 --workers 2

#include "support/arguments.h"
#include "support/ledger_file.h"
#include "support/program.h"
#include "support/server_options.h"
#include "support/shutdown_signal.h"
#include "support/worker_buffer.h"
#include <weft/net/server.h>
#include <weft/net/tcp.h>
#include <weft/runtime/metrics.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/task.h>

#include <cstddef>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace {

namespace tools = weft::tools;

/// Echoes what is there now, out of a buffer that is borrowed for just that long. Gives what the
/// client does not take at once; nothing when it has ended the connection.
std::optional<std::string> echo_what_arrived(weft::tcp_stream& client) {
  const auto buffer = tools::worker_read_buffer();
  const std::optional<std::size_t> count = client.try_read_some(buffer);
  if (!count) return std::string();
  if (*count == 0) return std::nullopt;
  const std::string_view bytes(buffer.data(), *count);
  const std::size_t sent = client.try_write_some(bytes).value_or(0);
  return std::string(bytes.substr(sent));
}

/// Rarely needed: in a coroutine of its own it takes no room in the frame of an idle connection.
weft::task<> send(weft::tcp_stream& client, std::string bytes) {
  co_await client.write_all(bytes);
}

weft::task<> echo(weft::tcp_stream client) {
  try {
    for (;;) {
      co_await client.readable();
      std::optional<std::string> rest = echo_what_arrived(client);
      if (!rest) co_return;
      if (!rest->empty()) co_await send(client, std::move(*rest));
    }
  } catch (const std::system_error&) {
    // The client went away; there is nobody to tell.
  }
}

weft::task<> serve(const tools::server_settings& chosen) {
  tools::shutdown_signal stop;
  weft::server server = weft::start_server(echo, chosen.listen);
  tools::announce(server.local_address());

  (void)co_await stop.wait();
  co_await tools::drain(server, chosen.drain, stop);
}

int run(const tools::server_settings& chosen) {
  tools::raise_descriptor_limit();
  tools::ledger_file ledger(chosen.ledger);
  weft::run(serve(chosen), {.workers = chosen.workers, .handle_sigint = false});
  ledger.write(weft::take_ledger());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  tools::expect_shutdown_signals();
  tools::server_settings chosen{.listen = "127.0.0.1:7000"};
  tools::arguments line("weft-echo", "A TCP server that sends back what it gets.");
  tools::add_options(line, chosen);
  if (const auto code = line.parse(argc, argv, std::cout, std::cerr)) return *code;
  return tools::run_program("weft-echo", [&chosen] { return run(chosen); });
}
