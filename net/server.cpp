#include "server.h"

#include "../runtime/as_result.h"
#include "../runtime/timeout.h"
#include "unix.h"

#include <utility>

namespace weft {

namespace {

detail::server_sockets listen_at_path(const socket_address& at, int backlog) {
  auto [socket, file] = unix_listener::bind(at.host(), {.backlog = backlog}).release();
  detail::server_sockets sockets;
  sockets.listeners.emplace_back(std::move(socket));
  sockets.file = std::move(file);
  return sockets;
}

}  // namespace

detail::server_sockets detail::listen_for_server(const socket_address& at,
                                                 const server_options& options) {
  const std::size_t workers = worker_count(current_scheduler("start_server()"));
  const listen_options listening{.backlog = options.backlog,
                                 .reuse_port = options.reuse_port || options.listener_per_worker,
                                 .only_v6 = options.only_v6};
  if (at.family() == address_family::local) return listen_at_path(at, options.backlog);
  std::vector<tcp_listener> listeners;
  listeners.push_back(tcp_listener::bind(at, listening));
  const socket_address chosen = listeners.front().local_address();
  while (options.listener_per_worker && listeners.size() < workers)
    listeners.push_back(tcp_listener::bind(chosen, listening));
  return {.listeners = std::move(listeners), .file = {}};
}

namespace {

task<> close_core(std::shared_ptr<detail::server_core> core, std::chrono::milliseconds grace) {
  core->stop_accepting();
  if (grace.count() > 0) {
    const auto drained = co_await as_result(wait_for(core->quiet().wait(), grace));
    (void)drained;  // late: they are cancelled now
  }
  core->cancel_connections();
  co_await core->quiet().wait();
}

task<> wait_for_core(std::shared_ptr<detail::server_core> core) {
  co_await core->quiet().wait();
}

task<> serve_core(std::shared_ptr<detail::server_core> core) {
  try {
    co_await core->quiet().wait();
  } catch (...) {  // cancelled
    core->stop_accepting();
    throw;
  }
  co_await core->check_accepting();
}

}  // namespace

server::server(std::shared_ptr<detail::server_core> core) : core_(std::move(core)) {
  core_->start();
}

server& server::operator=(server&& other) noexcept {
  if (this != &other) {
    drop();
    core_ = std::move(other.core_);
  }
  return *this;
}

void server::drop() noexcept {
  if (core_ == nullptr) return;
  core_->stop_accepting();
  core_->cancel_connections();
  core_ = nullptr;
}

task<> server::close(std::chrono::milliseconds grace) {
  return close_core(core_, grace);
}
task<> server::wait_closed() {
  return wait_for_core(core_);
}
task<> server::serve_forever() {
  return serve_core(core_);
}

}  // namespace weft
