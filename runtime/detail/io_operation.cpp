#include "io_operation.h"

#include "chaos.h"

#include <cerrno>

namespace weft::detail {

bool io_operation::await_suspend(std::coroutine_handle<> handle) noexcept {
  task = here.task;
  assert(task != nullptr && "co_await of a weft operation outside a weft task");
  waiter = handle;
  retry = retry_operation;
  task->leaf = reinterpret_cast<void*>(
      reinterpret_cast<std::uintptr_t>(static_cast<retry_node*>(this)) | leaf_tag::retry);
  if (!advance()) return true;
  if (here.budget-- > 0) return false;
  task->leaf = handle.address();  // done, but it is time for others
  reschedule_current();
  return true;
}

/// True: finished (done, failed or cancelled). False: suspended; *this may be gone.
bool io_operation::advance() noexcept {
  for (;;) {
    if (group == nullptr ? attempt() : attempt_in_group()) return true;
    if (!park()) continue;
    if (finished_) return true;  // could not wait: value says why
    if (arm(*this)) return false;
    if (outcome != wait_outcome::completed) return true;
  }
}

/// Tries the system calls while the slot says that they may succeed.
bool io_operation::attempt() noexcept {
  if (source_ == nullptr || source_->generation() != generation_) {
    value = source_ == nullptr ? -EBADF : -ECANCELED;
    return true;
  }
  while (source_->take_ready(direction_)) {
    if (step_(*this) == io_progress::done) return true;
  }
  return false;
}

/// As a member of a select: only the winner may take anything, so the calls are made while the
/// group is held.
bool io_operation::attempt_in_group() noexcept {
  if (!group->hold()) {
    outcome = wait_outcome::cancelled;
    return true;
  }
  const bool done = attempt();
  group->settle(done ? member : wait_group::open);
  return done;
}

/// True: parked, or finished_ with an error.
bool io_operation::park() noexcept {
  unlink = direction_ == io_direction::read ? unlink_function(waits<unlink_operation, "reading">)
                                            : unlink_function(waits<unlink_operation, "writing">);
  ready = on_ready;
  // Registered before it is parked, so that an error needs no un-parking. An event may come in
  // between: park says so.
  if (source_->begin_registration(task->runtime)) {
    if (const int error = register_source(*source_); error != 0) {
      source_->end_registration();
      value = -error;
      finished_ = true;
      return true;
    }
  }
  chaos::point();
  switch (source_->park(direction_, *this)) {
    case io_source::park_result::parked:
      return true;
    case io_source::park_result::ready:
      if (!source_->is_closed(direction_)) return false;
      value = -ECANCELED;
      break;
    case io_source::park_result::busy:
      value = -EBUSY;  // one reader and one writer at a time
      break;
  }
  finished_ = true;
  return true;
}

bool io_operation::retry_operation(retry_node& self) noexcept {
  auto& operation = static_cast<io_operation&>(self);
  // A canceller has taken it out of its slot: it must not go back there.
  return operation.outcome != wait_outcome::completed || operation.advance();
}

void io_operation::on_ready(io_waiter& self) noexcept {
  wake(*static_cast<io_operation&>(self).task);
}

unlink_result io_operation::unlink_operation(wait_node& self) noexcept {
  auto& operation = static_cast<io_operation&>(self);
  return operation.source_->unpark(operation.direction_, operation) ? unlink_result::removed
                                                                    : unlink_result::completed;
}

}  // namespace weft::detail
