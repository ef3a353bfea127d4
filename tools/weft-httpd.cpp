// weft-httpd: a minimal HTTP/1.1 server, for measuring and as an example of a server by hand.
//
//   weft-httpd --listen 127.0.0.1:8080 --workers 2
//   curl http://127.0.0.1:8080/plaintext
//
// A request costs one recv and one send, and readiness comes in batches from the poller. Between
// requests a connection holds its coroutine and nothing else: it waits with no buffer, borrows the
// worker's for as long as it takes to read, answer and send, and keeps bytes only of a request that
// is incomplete or of an answer that the client does not take.
//
// What clients do wrong, and what becomes of it, is in README.md.

#include "support/arguments.h"
#include "support/http_date.h"
#include "support/http_patience.h"
#include "support/http_responder.h"
#include "support/ledger_file.h"
#include "support/program.h"
#include "support/server_options.h"
#include "support/shutdown_signal.h"
#include "support/worker_buffer.h"
#include <weft/net/server.h>
#include <weft/net/tcp.h>
#include <weft/runtime/error.h>
#include <weft/runtime/metrics.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timeout.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace {

using namespace std::chrono_literals;
namespace tools = weft::tools;
using tools::http_next;
using tools::http_patience;
using tools::http_phase;

constexpr auto linger_limit = 2s;
constexpr auto last_requests = 100ms;  // how long requests may still come when the server stops
constexpr std::size_t linger_bytes = 256 * 1024;

struct settings {
  tools::server_settings server{.listen = "127.0.0.1:8080"};
  tools::http_time_limits limits;
};

/// What all connections share.
struct service {
  const tools::http_time_limits limits;

  // Set once, by the task that stops the server; read before each answer. Relaxed: whoever sees it
  // late answers one request more.
  std::atomic<bool> is_closing{false};

  // Connections that are in the middle of something: an incomplete request, a pause, an answer that
  // waits for its client. Changed on those slow paths only, so it costs a request nothing. Relaxed:
  // the drain looks at it again and again.
  std::atomic<std::ptrdiff_t> busy{0};
};

/// The date, one for each worker. See worker_buffer.h for why it is never inlined.
[[gnu::noinline]] tools::http_date& worker_date() noexcept {
  thread_local tools::http_date date;
  return date;
}

/// One client, without what waits.
class connection {
 public:
  connection(weft::tcp_stream client, service& shared) noexcept
      : client_(std::move(client)), shared_(shared) {}
  /// Before it is served.
  connection(connection&&) noexcept = default;
  connection& operator=(connection&&) = delete;
  ~connection() { set_busy(false); }

  [[nodiscard]] weft::tcp_stream& client() noexcept { return client_; }
  [[nodiscard]] const tools::http_time_limits& limits() const noexcept { return shared_.limits; }
  [[nodiscard]] const tools::http_responder& responder() const noexcept { return responder_; }

  /// What the client has not taken of the last answers.
  [[nodiscard]] const std::string& unsent() const noexcept { return unsent_; }
  void forget_unsent() noexcept { unsent_ = {}; }

  /// Reads what is there, answers it and sends the answers. Not inlined: its variables would get
  /// room in the frame of the coroutine that calls it.
  [[gnu::noinline]] http_next take_turn() {
    answered_ = false;
    const auto buffer = tools::worker_read_buffer();
    const std::optional<std::size_t> count = client_.try_read_some(buffer);
    if (!count) return http_next::read;
    if (*count == 0) return http_next::close;
    const std::string_view bytes(buffer.data(), *count);
    std::string& out = tools::worker_write_buffer();
    const http_next next = responder_.feed(bytes, moment(), out);
    send(out);
    return next;
  }

  /// Sends the answer that was held back, and those that waited behind it.
  http_next take_turn_after_pause() {
    std::string& out = tools::worker_write_buffer();
    const http_next next = responder_.resume(moment(), out);
    send(out);
    return next;
  }

  /// Tells a client in the middle of a request that it took too long.
  void time_out() noexcept {
    if (patience_.phase() != http_phase::request) return;
    try {
      std::string& out = tools::worker_write_buffer();
      responder_.time_out(moment(), out);
      (void)client_.try_write_some(out);
    } catch (const std::exception&) {
      // It went away; the connection ends anyway.
    }
  }

  /// Enters a phase after a turn, and moves the limit if its time begins now.
  void enter(http_phase next, weft::deadline& limit) noexcept {
    const auto second = static_cast<std::uint32_t>(worker_date().second());
    const auto time = patience_.enter(next, answered_, second, shared_.limits);
    if (!time) return;
    set_busy(next != http_phase::idle);
    limit.extend(next == http_phase::pause ? *time + responder_.pause_length() : *time);
  }

 private:
  [[nodiscard]] tools::http_moment moment() const noexcept {
    return {.date = worker_date().now(),
            .is_closing = shared_.is_closing.load(std::memory_order_relaxed)};
  }

  void send(std::string_view out) {
    answered_ = !out.empty();
    if (!answered_) return;
    out.remove_prefix(client_.try_write_some(out).value_or(0));
    unsent_ = out;
  }

  void set_busy(bool busy) noexcept {
    if (busy == is_busy_) return;
    is_busy_ = busy;
    shared_.busy.fetch_add(busy ? 1 : -1, std::memory_order_relaxed);
  }

  weft::tcp_stream client_;
  service& shared_;
  tools::http_responder responder_;
  std::string unsent_;
  http_patience patience_;
  bool answered_ = false;  // in the last turn
  bool is_busy_ = false;
};

http_phase phase_after(const connection& self, http_next next) noexcept {
  if (!self.unsent().empty()) return http_phase::write;
  if (next == http_next::pause) return http_phase::pause;
  return self.responder().is_inside_request() ? http_phase::request : http_phase::idle;
}

// What happens rarely is in coroutines of its own, so that the frame of a connection, which is what
// an idle one costs, has no room for it.

/// Waits until the client has taken the answers it did not take at once.
weft::task<> flush(connection& self) {
  co_await self.client().write_all(self.unsent());
  self.forget_unsent();
}

weft::task<> pause(const connection& self) {
  co_await weft::sleep(self.responder().pause_length());
}

/// Lets the client read the last answer before the connection is gone: closing it while bytes are
/// unread sends a reset, which could overtake the answer.
weft::task<> linger(weft::tcp_stream& client) {
  try {
    const weft::deadline limit(linger_limit);
    client.shutdown_write();
    for (std::size_t seen = 0; seen < linger_bytes;) {
      co_await client.readable();
      const auto buffer = tools::worker_read_buffer();
      const std::optional<std::size_t> count = client.try_read_some(buffer);
      if (count == 0) co_return;
      seen += count.value_or(0);
    }
  } catch (const std::exception&) {
    // It went away, or took too long: either way it had its chance.
  }
}

/// Answers one client's requests until a side has enough.
weft::task<> serve_client(connection self) {
  try {
    weft::deadline limit(self.limits().idle);
    http_next next = http_next::read;
    while (next != http_next::close) {
      if (next == http_next::pause) {
        co_await pause(self);
        next = self.take_turn_after_pause();
      } else {
        co_await self.client().readable();
        next = self.take_turn();
      }
      self.enter(phase_after(self, next), limit);
      if (self.unsent().empty()) continue;
      co_await flush(self);
      self.enter(phase_after(self, next), limit);
    }
  } catch (const weft::timeout_error&) {
    self.time_out();
  } catch (const std::system_error&) {
    co_return;  // the client went away
  }
  if (self.responder().should_linger()) co_await linger(self.client());
}

/// Ends when no connection is in the middle of something.
weft::task<> wait_until_idle(const service& shared) {
  // Requests that are under way when the server stops still get their answer, with the news that it
  // is the last.
  co_await weft::sleep(last_requests);
  while (shared.busy.load(std::memory_order_relaxed) > 0) co_await weft::sleep(10ms);
}

weft::task<> serve(const settings& chosen) {
  tools::shutdown_signal stop;
  service shared{.limits = chosen.limits};
  weft::server server = weft::start_server(
      [&shared](weft::tcp_stream client) {
        return serve_client(connection(std::move(client), shared));
      },
      chosen.server.listen);
  tools::announce(server.local_address());

  (void)co_await stop.wait();
  shared.is_closing.store(true, std::memory_order_relaxed);
  co_await tools::drain(server, chosen.server.drain, stop, wait_until_idle(shared));
}

int run(const settings& chosen) {
  tools::raise_descriptor_limit();
  tools::ledger_file ledger(chosen.server.ledger);
  weft::run(serve(chosen), {.workers = chosen.server.workers, .handle_sigint = false});
  ledger.write(weft::take_ledger());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  tools::expect_shutdown_signals();
  settings chosen;
  tools::arguments line("weft-httpd",
                        "A minimal HTTP/1.1 server: /plaintext, /json and /sleep/MS.");
  tools::add_options(line, chosen.server);
  line.seconds("--idle-limit", "SECONDS", chosen.limits.idle,
               "how long a connection may wait between requests, default 60");
  line.seconds("--request-limit", "SECONDS", chosen.limits.request,
               "how long a request may take to arrive, default 10; then 408");
  if (const auto code = line.parse(argc, argv, std::cout, std::cerr)) return *code;
  return tools::run_program("weft-httpd", [&chosen] { return run(chosen); });
}
