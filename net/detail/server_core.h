#pragma once

// What a server is made of, behind its handler's type.
//
// A task accepts, or one a worker, each at a listener of its own (a door). Each connection is the
// handler's own task, plus a record in a list, so that it can be cancelled: the record watches the
// task's end (completion_waiter) and goes away with it.
// The core is kept by the server object, by the accepting tasks and by every record; what waits for
// it waits for two events:
//
//   room_   set while another connection may be accepted
//   quiet_  set once accepting has ended and no connection is left; then it stays so
//
// When one door closes, because its accept() has failed, the others do: the kernel spreads the
// connections by a hash, and a part of them would find nobody.

#include "../../runtime/detail/intrusive_list.h"
#include "../../runtime/spawn.h"
#include "../../sync/event.h"
#include "../tcp.h"
#include "socket_file.h"

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace weft::detail {

class server_core : public std::enable_shared_from_this<server_core> {
 public:
  /// One listener, or as many as there are workers. `file`: of a Unix socket; it is removed when
  /// accepting ends.
  server_core(std::vector<tcp_listener> listeners, std::size_t max_connections,
              socket_file file = {});
  server_core(const server_core&) = delete;
  server_core& operator=(const server_core&) = delete;
  virtual ~server_core() = default;

  /// Once, after construction. Throws std::logic_error outside of a runtime.
  void start();
  /// The listeners are closed by the accepting tasks, soon.
  void stop_accepting() noexcept;
  /// Also those that begin later.
  void cancel_connections() noexcept;

  /// Set once accepting has ended and no connection is left.
  event& quiet() noexcept { return quiet_; }
  /// After quiet(): rethrows what accept() has failed with, if it has. The core outlives it.
  task<> check_accepting();

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
  struct door {
    explicit door(tcp_listener from) : listener(std::move(from)) {}
    tcp_listener listener;  // the accepting task's
    join_handle<> task;     // guarded by mutex_ until quiet_
  };
  /// Held by an accepting task, whether it has run or not.
  struct accepting {
    accepting(std::shared_ptr<server_core> of, door& place) noexcept
        : core(std::move(of)), at(place) {}
    accepting(accepting&&) noexcept = default;
    accepting& operator=(accepting&&) = delete;
    ~accepting() {
      if (core != nullptr) core->accepting_ended(at);
    }
    std::shared_ptr<server_core> core;
    door& at;
  };

  void open(std::size_t number);
  static task<> accept_connections(accepting role);
  void begin(tcp_stream stream);
  void begin_or_report(tcp_stream stream);
  static void on_done(completion_waiter& self, task_state& handler) noexcept;
  void ended(connection& record) noexcept;
  void accepting_ended(door& at) noexcept;
  [[nodiscard]] bool full() noexcept;
  [[nodiscard]] bool take_place() noexcept;
  void give_place_back() noexcept;
  [[nodiscard]] bool no_room() noexcept;

  // Immutable.
  const socket_address address_;
  const std::size_t max_connections_;

  std::vector<door> doors_;  // does not grow
  socket_file file_;         // of the one door, if there is one; its accepting task's
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  intrusive_list<connection> list_;
  std::size_t active_ = 0;
  std::size_t accepting_;  // tasks that have not ended
  bool stopping_ = false;
  bool aborting_ = false;

  event room_;
  event quiet_;
};

}  // namespace weft::detail
