#include "wait.h"

#include "detail/time_limit.h"

#include <stdexcept>
#include <utility>

namespace weft::detail {

wait_operation::wait_operation(std::vector<handle_observer> observers, return_when when,
                               clock::duration limit)
    : observers_(std::move(observers)), when_(when), time_(limit) {
  if (observers_.empty()) throw std::invalid_argument("wait() for no tasks");
  unlink = waits<leave, "wait()", visit_observed>;
}

wait_operation::wait_operation(wait_operation&& other) noexcept
    : wait_node(other),
      observers_(std::move(other.observers_)),
      when_(other.when_),
      time_(other.time_) {}

/// Nothing is left behind on the tasks, also when the frame is destroyed while it waits.
wait_operation::~wait_operation() {
  stop_all();
}

bool wait_operation::await_ready() {
  if (awaited) [[unlikely]]
    throw_awaited_twice();
  awaited = true;
  check_handles(observers_, "wait()");
  return false;
}

bool wait_operation::await_suspend(std::coroutine_handle<> waiter) noexcept {
  task = here.task;
  task->leaf = waiter.address();
  const auto all = static_cast<std::int64_t>(observers_.size());
  needed_.store(when_ == return_when::first_completed ? 1 : all, std::memory_order_relaxed);
  for (handle_observer& each : observers_) each.start(this, on_handle_done);
  if (time_ != no_limit) {
    limit_.owner = this;
    limit_.when = clock::now() + time_;
    limit_.fire = on_limit;
    arm_timer(limit_, *task);
  }
  return arm(*this);
}

wait_result wait_operation::await_resume() {
  stop_all();
  if (outcome != wait_outcome::completed) [[unlikely]]
    throw_interrupted(outcome);
  wait_result found;
  for (std::size_t i = 0; i < observers_.size(); ++i) {
    (done(*observers_[i].observed) ? found.done : found.pending).push_back(i);
  }
  return found;
}

/// True for the one who ends the wait.
bool wait_operation::settle() noexcept {
  return !settled_.exchange(true, std::memory_order_relaxed);
}

void wait_operation::on_handle_done(completion_waiter& self, task_state& child) noexcept {
  auto& each = static_cast<handle_observer&>(self);
  auto& wait = *static_cast<wait_operation*>(each.owner);
  const bool enough = wait.needed_.fetch_sub(1, std::memory_order_relaxed) == 1;
  const bool failed = wait.when_ == return_when::first_exception && child.type->failed(child) &&
                      !ended_cancelled(child);
  if ((enough || failed) && wait.settle()) wake(*wait.task);
  each.end_call();
}

void wait_operation::on_limit(timer_node& self) noexcept {
  wait_operation& wait = *static_cast<limit_timer&>(self).owner;
  if (wait.settle()) wake(*wait.task);
  self.end_fire();
}

unlink_result wait_operation::leave(wait_node& self) noexcept {
  return static_cast<wait_operation&>(self).settle() ? unlink_result::removed
                                                     : unlink_result::completed;
}

void wait_operation::visit_observed(const wait_node& self, visit_function visit,
                                    void* context) noexcept {
  for (const handle_observer& each : static_cast<const wait_operation&>(self).observers_)
    visit(context, *each.observed);
}

/// When it returns, neither a task nor the limit knows of us.
void wait_operation::stop_all() noexcept {
  for (handle_observer& each : observers_) each.stop();
  timer_wheel::finish_disarm(limit_);
}

}  // namespace weft::detail
