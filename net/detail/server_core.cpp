#include "server_core.h"

#include "../../runtime/as_result.h"

#include <exception>

namespace weft::detail {
namespace {

/// Ends with an exception that nobody retrieves: the runtime's exception handler gets it.
task<> fail_with(std::exception_ptr error) {
  std::rethrow_exception(std::move(error));
  co_return;
}

}  // namespace

server_core::server_core(std::vector<tcp_listener> listeners, std::size_t max_connections,
                         socket_file file)
    : address_(listeners.front().local_address()),
      max_connections_(max_connections),
      file_(std::move(file)),
      accepting_(listeners.size()) {
  doors_.reserve(listeners.size());
  for (tcp_listener& each : listeners) doors_.emplace_back(std::move(each));
}

void server_core::start() {
  try {
    for (std::size_t i = 0; i < doors_.size(); ++i) open(i);
  } catch (...) {  // not all: then none
    stop_accepting();
    throw;
  }
}

/// Starts the accepting task of this door: on the worker with its number, if there are several.
void server_core::open(std::size_t number) {
  door& opened = doors_[number];
  task<> accepts = accept_connections(accepting(shared_from_this(), opened));
  join_handle<> handle = doors_.size() == 1
                             ? spawn(std::move(accepts), {.name = "accept"})
                             : spawn_on(number, std::move(accepts), {.name = "accept"});
  const std::lock_guard guard(mutex_);
  opened.task = std::move(handle);
  if (stopping_) opened.task.cancel();
}

void server_core::stop_accepting() noexcept {
  const std::lock_guard guard(mutex_);
  stopping_ = true;
  for (door& each : doors_) each.task.cancel();
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

task<> server_core::check_accepting() {
  for (door& each : doors_) {
    // The accepting task has set quiet_ and may not be done yet.
    const result<void> ended = co_await as_result(each.task);
    if (!ended.has_value() && !ended.cancelled()) std::rethrow_exception(ended.error());
  }
}

task<> server_core::accept_connections(accepting role) {
  server_core& core = *role.core;
  for (;;) {
    while (core.full()) co_await core.room_.wait();
    tcp_stream stream = co_await role.at.listener.accept();
    // Another door may have taken the last place meanwhile.
    while (!core.take_place()) co_await core.room_.wait();
    core.begin_or_report(std::move(stream));
  }
}

/// Under mutex_. True: room_ will be set when there is room.
bool server_core::no_room() noexcept {
  if (max_connections_ == 0 || active_ < max_connections_) return false;
  room_.clear();
  return true;
}

bool server_core::full() noexcept {
  if (max_connections_ == 0) return false;
  const std::lock_guard guard(mutex_);
  return no_room();
}

bool server_core::take_place() noexcept {
  const std::lock_guard guard(mutex_);
  if (no_room()) return false;
  ++active_;
  return true;
}

void server_core::give_place_back() noexcept {
  const std::lock_guard guard(mutex_);
  --active_;
  room_.set();
}

/// A connection that cannot be begun (no memory, or the handler throws before it is a task) ends,
/// and no other.
void server_core::begin_or_report(tcp_stream stream) {
  try {
    begin(std::move(stream));
  } catch (...) {  // whatever the handler throws
    give_place_back();
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
  if (active_ == 0 && accepting_ == 0) quiet_.set();
}

void server_core::accepting_ended(door& at) noexcept {
  file_.remove();  // of the only door
  at.listener.close();
  stop_accepting();
  const std::lock_guard guard(mutex_);
  if (--accepting_ == 0 && active_ == 0) quiet_.set();
}

}  // namespace weft::detail
