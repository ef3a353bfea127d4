#include "file_call.h"

#include "serial_file.h"

#include <cerrno>

namespace weft::detail {

/// On the worker, without waiting for anything.
bool file_call::try_now() noexcept {
  if (cached_ == nullptr || error_ != 0) return false;
  if (at_ != nullptr && !at_->enter()) return false;  // others are before us
  const int error = cached_(*this);
  if (at_ != nullptr) at_->leave(here.task->runtime);
  cached_ = nullptr;  // once
  if (error != EAGAIN) error_ = error;
  return error != EAGAIN;
}

bool file_call::publish() noexcept {
  if (error_ != 0 || try_now()) return false;
  run = run_here;
  // A task that is to be interrupted anyway sends nothing: its wait ends as soon as it begins.
  if (interrupted(*task)) return true;
  sent_ = true;
  const bool accepted =
      at_ == nullptr ? submit_blocking(task->runtime, *this) : at_->submit(*this, task->runtime);
  if (!accepted) error_ = EAGAIN;
  return accepted;
}

/// From now on it belongs to its task.
void file_call::finish(int error) noexcept {
  error_ = error;
  wake(*task);
}

void file_call::run_here(blocking_job& self) noexcept {
  auto& call = static_cast<file_call&>(self);
  call.finish(call.run_all_(call));
}

unlink_result file_call::take_back(wait_node& self) noexcept {
  auto& call = static_cast<file_call&>(self);
  if (!call.sent_) return unlink_result::removed;
  const bool withdrawn =
      call.at_ == nullptr ? withdraw_blocking(call.task->runtime, call) : call.at_->withdraw(call);
  return withdrawn ? unlink_result::removed : unlink_result::completed;
}

}  // namespace weft::detail
