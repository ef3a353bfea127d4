#include "share.h"

namespace weft::detail {

task_state& shared_work::started() {
  const spin_guard guard(lock_);
  if (task_ == nullptr) task_ = &start();
  return *task_;
}

bool shared_wait::await_ready() {
  if (!awaited) {
    if (work_ == nullptr) throw_invalid_state("co_await of an empty shared_task");
    child_ = &work_->started();
  }
  return join_operation::await_ready();
}

bool shared_wait::await_suspend(std::coroutine_handle<> waiter) noexcept {
  work_->waiting.fetch_add(1, std::memory_order_relaxed);
  counted_ = true;
  return join_operation::await_suspend(waiter);
}

void shared_wait::finish() {
  end_wait();
  if (outcome != wait_outcome::completed) [[unlikely]]
    throw_interrupted(outcome);
  take();
}

void shared_wait::end_wait() noexcept {
  if (std::exchange(counted_, false)) work_->waiting.fetch_sub(1, std::memory_order_relaxed);
}

unlink_result shared_wait::leave_or_cancel(wait_node& self) noexcept {
  auto& wait = static_cast<shared_wait&>(self);
  if (!wait.counted_) return cancel_child(self);  // the last one already, cancelled again
  wait.counted_ = false;
  const bool last = wait.work_->waiting.fetch_sub(1, std::memory_order_relaxed) == 1;
  return last ? cancel_child(self) : leave_child(self);
}

}  // namespace weft::detail
