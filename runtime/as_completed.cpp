#include "as_completed.h"

namespace weft::detail {

completion_list::completion_list(const std::vector<task_state*>& tasks) {
  observers_.reserve(tasks.size());
  ended_.reserve(tasks.size());
  for (task_state* each : tasks) observers_.emplace_back(each);
  for (handle_observer& each : observers_) each.start(this, on_task_done);
}

/// What has not ended when the generator is dropped is cancelled, and goes on without us.
completion_list::~completion_list() {
  cancel_all();
  for (handle_observer& each : observers_) each.stop();
}

void completion_list::cancel_all() noexcept {
  for (handle_observer& each : observers_) {
    if (!done(*each.observed)) cancel(*each.observed);
  }
}

void completion_list::on_task_done(completion_waiter& self, task_state&) noexcept {
  auto& each = static_cast<handle_observer&>(self);
  auto& list = *static_cast<completion_list*>(each.owner);
  wait_node* waiter = nullptr;
  {
    const spin_guard guard(list.lock_);
    list.ended_.push_back(static_cast<std::size_t>(&each - list.observers_.data()));
    waiter = std::exchange(list.waiter_, nullptr);
  }
  if (waiter != nullptr) wake(*waiter->task);
  each.end_call();
}

bool completion_list::next_operation::try_now() noexcept {
  const spin_guard guard(list_->lock_);
  return list_->told_ < list_->ended_.size();
}

bool completion_list::next_operation::publish() noexcept {
  unlink = waits<leave, "as_completed()", visit_observed>;
  const spin_guard guard(list_->lock_);
  if (list_->told_ < list_->ended_.size()) return false;
  list_->waiter_ = this;
  return true;
}

std::size_t completion_list::next_operation::take() noexcept {
  const spin_guard guard(list_->lock_);
  return list_->ended_[list_->told_++];
}

void completion_list::next_operation::visit_observed(const wait_node& self, visit_function visit,
                                                     void* context) noexcept {
  for (const handle_observer& each : static_cast<const next_operation&>(self).list_->observers_)
    visit(context, *each.observed);
}

unlink_result completion_list::next_operation::leave(wait_node& self) noexcept {
  completion_list& list = *static_cast<next_operation&>(self).list_;
  const spin_guard guard(list.lock_);
  if (list.waiter_ != &self) return unlink_result::completed;
  list.waiter_ = nullptr;
  return unlink_result::removed;
}

}  // namespace weft::detail
