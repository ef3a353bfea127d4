#pragma once

// What a server is made of, behind its handler's type.
//
// One task accepts. Each connection is the handler's own task, plus a record in a list, so that it
// can be cancelled: the record watches the task's end (completion_waiter) and goes away with it.
// The core is kept by the server object, by the accepting task and by every record; what waits for
// it waits for two events:
//
//   room_   set while another connection may be accepted
//   quiet_  set once accepting has ended and no connection is left; then it stays so

#include "../../runtime/detail/intrusive_list.h"
#include "../../runtime/spawn.h"
#include "../../sync/event.h"
#include "../tcp.h"

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>

namespace weft::detail {

class server_core : public std::enable_shared_from_this<server_core> {
 public:
  server_core(tcp_listener listener, std::size_t max_connections);
  server_core(const server_core&) = delete;
  server_core& operator=(const server_core&) = delete;
  virtual ~server_core() = default;

  /// Once, after construction. Throws std::logic_error outside of a runtime.
  void start();
  /// The listener is closed by the accepting task, soon.
  void stop_accepting() noexcept;
  /// Also those that begin later.
  void cancel_connections() noexcept;

  /// Set once accepting has ended and no connection is left.
  event& quiet() noexcept { return quiet_; }
  /// After quiet(): rethrows what accept() has failed with, if it has.
  void check_accepting();

  [[nodiscard]] const socket_address& local_address() const noexcept { return address_; }
  [[nodiscard]] std::size_t connections() const noexcept;

 protected:
  /// The handler's task for one connection.
  virtual task<> serve(tcp_stream stream) = 0;

 private:
  struct connection : completion_waiter, list_node {
    std::shared_ptr<server_core> core;
    join_handle<> handler;
  };
  /// Held by the accepting task, whether it has run or not.
  struct accepting {
    explicit accepting(std::shared_ptr<server_core> of) noexcept : core(std::move(of)) {}
    accepting(accepting&&) noexcept = default;
    accepting& operator=(accepting&&) = delete;
    ~accepting() {
      if (core != nullptr) core->accepting_ended();
    }
    std::shared_ptr<server_core> core;
  };

  static task<> accept_connections(accepting role);
  void begin(tcp_stream stream);
  void begin_or_report(tcp_stream stream);
  static void on_done(completion_waiter& self, task_state& handler) noexcept;
  void ended(connection& record) noexcept;
  void accepting_ended() noexcept;
  [[nodiscard]] bool full() noexcept;

  // Immutable.
  const socket_address address_;
  const std::size_t max_connections_;

  tcp_listener listener_;      // the accepting task's
  join_handle<> accept_task_;  // set by start()

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  intrusive_list<connection> list_;
  std::size_t active_ = 0;
  bool aborting_ = false;
  bool accepting_over_ = false;

  event room_;
  event quiet_;
};

}  // namespace weft::detail
