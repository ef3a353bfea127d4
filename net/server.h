#pragma once

#include "buffered.h"
#include "detail/server_core.h"
#include "detail/socket_file.h"
#include "tcp.h"

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

/// Trivial, as all options are.
struct server_options {
  std::size_t max_connections = 0;  // at once; further ones wait in the backlog. 0: no limit
  int backlog = 1024;
  bool reuse_port = false;
  bool only_v6 = true;
  // A listener for each worker instead of one for all, whose connections are accepted there. They
  // share the address (SO_REUSEPORT): the kernel gives each connection to one of them by a hash of
  // its addresses, and there it waits, however idle the others are. For servers of many short
  // connections on many workers. The backlog counts for each; reuse_port is implied.
  bool listener_per_worker = false;
};

/// Listeners and the tasks that serve their connections.
///
/// Dropped: it stops accepting and cancels its connections, without waiting for their end.
/// Threads: any, one at a time.
class [[nodiscard]] server {
 public:
  server(server&&) noexcept = default;
  server& operator=(server&& other) noexcept;
  ~server() { drop(); }

  /// Stops accepting, waits up to `grace` for the connections to end by themselves, then cancels
  /// them and awaits their end.
  /// Cancellation: the server has stopped accepting; connections go on until it is dropped or
  /// closed again.
  [[nodiscard]] task<> close(std::chrono::milliseconds grace = std::chrono::seconds(10));
  /// Waits until the server was closed and its last connection has ended.
  [[nodiscard]] task<> wait_closed();
  /// Waits for ever, or until the server was closed. Throws what accept() has failed with.
  /// Cancellation: stops accepting.
  [[nodiscard]] task<> serve_forever();

  /// Where it listens: with the port that was chosen for port 0. Also after it was closed.
  [[nodiscard]] const socket_address& local_address() const noexcept {
    return core_->local_address();
  }
  /// Connections whose handlers have not ended. A snapshot.
  [[nodiscard]] std::size_t connections() const noexcept { return core_->connections(); }

  /// For start_server().
  explicit server(std::shared_ptr<detail::server_core> core);

 private:
  void drop() noexcept;

  std::shared_ptr<detail::server_core> core_;
};

/// What a server runs for each connection: f(stream_reader, stream_writer) or f(tcp_stream), a
/// coroutine.
template <class F>
concept stream_handler = task_function<F, tcp_stream> && std::invocable<F&, tcp_stream>;
template <class F>
concept buffered_handler = task_function<F, stream_reader, stream_writer> &&
                           std::invocable<F&, stream_reader, stream_writer>;
template <class F>
concept connection_handler = stream_handler<F> || buffered_handler<F>;

namespace detail {

/// Where a server listens.
struct server_sockets {
  std::vector<tcp_listener> listeners;  // at least one
  socket_file file;                     // of a Unix socket
};
/// What the options ask for. Port 0: the first one decides for all.
server_sockets listen_for_server(const socket_address& at, const server_options& options);

/// A server with its handler, which lives until the last connection has ended.
template <connection_handler Handler>
class handler_core final : public server_core {
 public:
  handler_core(Handler handler, server_sockets sockets, std::size_t max_connections)
      : server_core(std::move(sockets.listeners), max_connections, std::move(sockets.file)),
        handler_(std::move(handler)) {}

 private:
  task<> serve(tcp_stream stream) override {
    if constexpr (stream_handler<Handler>) {
      return handler_(std::move(stream));
    } else {
      auto [reader, writer] = make_connection(std::move(stream));
      return handler_(std::move(reader), std::move(writer));
    }
  }

  Handler handler_;
};

}  // namespace detail

/// Listens at `at` and runs handler(stream) in a task of its own for each connection, spread over
/// the workers. Does not wait: connections are accepted once the caller suspends.
///
/// What a handler throws ends its connection only, and goes to the runtime's exception handler.
/// The handler is called on any worker, from several at once when there are several.
///
/// `at` may be a Unix socket ("unix:/run/my.sock"): one listener, whatever the options say. Its
/// file goes away when the server stops accepting, unless it is another one by then; a socket file
/// at whose path nobody listens any more is replaced, and no other file.
///
/// Throws std::system_error ("bind 127.0.0.1:80: Address already in use"), std::logic_error outside
/// of a runtime.
template <connection_handler Handler>
server start_server(Handler handler, const socket_address& at, server_options options = {}) {
  return server(std::make_shared<detail::handler_core<Handler>>(
      std::move(handler), detail::listen_for_server(at, options), options.max_connections));
}

}  // namespace weft
