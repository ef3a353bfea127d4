#include "server_core.h"

#include <exception>

namespace weft::detail {
namespace {

/// Ends with an exception that nobody retrieves: the runtime's exception handler gets it.
task<> fail_with(std::exception_ptr error) {
  std::rethrow_exception(std::move(error));
  co_return;
}

}  // namespace

server_core::server_core(tcp_listener listener, std::size_t max_connections)
    : address_(listener.local_address()),
      max_connections_(max_connections),
      listener_(std::move(listener)) {}

void server_core::start() {
  accept_task_ = spawn(accept_connections(accepting(shared_from_this())), {.name = "accept"});
}

void server_core::stop_accepting() noexcept {
  accept_task_.cancel();
}

void server_core::cancel_connections() noexcept {
  const std::lock_guard guard(mutex_);
  aborting_ = true;
  for (connection* each = list_.front(); each != nullptr; each = list_.after(*each))
    each->handler.cancel();
}

std::size_t server_core::connections() const noexcept {
  const std::lock_guard guard(mutex_);
  return active_;
}

void server_core::check_accepting() {
  if (!accept_task_.done() || accept_task_.cancelled()) return;
  if (const std::exception_ptr error = accept_task_.exception()) std::rethrow_exception(error);
}

task<> server_core::accept_connections(accepting role) {
  server_core& core = *role.core;
  for (;;) {
    while (core.full()) co_await core.room_.wait();
    tcp_stream stream = co_await core.listener_.accept();
    core.begin_or_report(std::move(stream));
  }
}

/// True: room_ will be set when there is room.
bool server_core::full() noexcept {
  if (max_connections_ == 0) return false;
  const std::lock_guard guard(mutex_);
  if (active_ < max_connections_) return false;
  room_.clear();
  return true;
}

/// A connection that cannot be begun (no memory, or the handler throws before it is a task) ends,
/// and no other.
void server_core::begin_or_report(tcp_stream stream) {
  try {
    begin(std::move(stream));
  } catch (...) {  // whatever the handler throws
    spawn(fail_with(std::current_exception()), {.name = "connection"});
  }
}

void server_core::begin(tcp_stream stream) {
  auto record = std::make_unique<connection>();
  record->core = shared_from_this();
  record->on_done = on_done;
  record->handler = spawn(serve(std::move(stream)));
  connection& begun = *record.release();  // ended() deletes it
  bool aborted = false;
  {
    const std::lock_guard guard(mutex_);
    list_.push_back(begun);
    ++active_;
    aborted = aborting_;
  }
  if (aborted) begun.handler.cancel();
  if (!add_waiter(*begun.handler.state(), begun)) ended(begun);
}

void server_core::on_done(completion_waiter& self, task_state&) noexcept {
  auto& record = static_cast<connection&>(self);
  record.core->ended(record);
}

void server_core::ended(connection& record) noexcept {
  const std::unique_ptr<connection> owned(&record);
  const std::shared_ptr<server_core> core = std::move(record.core);  // perhaps the last one
  const std::lock_guard guard(mutex_);
  intrusive_list<connection>::unlink(record);
  --active_;
  room_.set();
  if (active_ == 0 && accepting_over_) quiet_.set();
}

void server_core::accepting_ended() noexcept {
  listener_.close();
  const std::lock_guard guard(mutex_);
  accepting_over_ = true;
  if (active_ == 0) quiet_.set();
}

}  // namespace weft::detail
