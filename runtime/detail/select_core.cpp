#include "select_core.h"

#include "../error.h"

namespace weft::detail {

bool select_core::try_arms(std::span<arm_interface> arms) {
  arms_ = arms;
  for (const arm_interface& each : arms_)
    if (each.child != nullptr) each.child->excuse();
  if (here.budget-- <= 0) return false;
  for (std::uint32_t i = 0; i < arms_.size(); ++i) {
    if (arms_[i].node == nullptr || !arms_[i].try_now(arms_[i].arm)) continue;
    ready_ = i;
    return true;
  }
  return false;
}

bool select_core::start(std::coroutine_handle<> parent, std::span<child_watch> watches) noexcept {
  task = here.task;
  waiter = parent;
  watches_ = watches;
  retry = on_retry;
  unlink = waits<cancel_select, "select()", visit_children>;
  task->leaf = reinterpret_cast<void*>(
      reinterpret_cast<std::uintptr_t>(static_cast<retry_node*>(this)) | leaf_tag::retry);
  bool settled_here = false;
  for (std::uint32_t i = 0; i < arms_.size() && arms_group_.winner() == wait_group::open; ++i) {
    arm_interface& each = arms_[i];
    ++published_;
    if (each.node != nullptr) {
      each.node->task = task;
      each.node->group = &arms_group_;
      each.node->member = i;
      // Completing at once claims the group, which ends the loop.
      settled_here = !each.publish(each.arm);
    } else {
      child_watch& watch = watches[i];
      watch.core = this;
      watch.index = i;
      watch.on_done = on_child_done;
      live_.fetch_add(1, std::memory_order_relaxed);  // before it can end
      each.child->start(watch);
    }
  }
  // Who else settles the group wakes us, once; a leaf that completed inside publish() has woken
  // nobody.
  if (!settled_here && arm(*this)) return true;
  if (!advance()) return true;
  if (here.budget > 0) return false;
  task->leaf = parent.address();  // done, but it is time for others
  reschedule_current();
  return true;
}

/// The group is settled: ends the losers. True: resume the coroutine.
bool select_core::advance() noexcept {
  if (collecting_) return true;
  if (outcome != wait_outcome::completed) ended_ = outcome;
  collecting_ = true;
  take_back_leaves();
  cancel_children();
  if (live_.fetch_sub(1, std::memory_order_acquire) == 1) return true;  // acquire: see live_
  return !arm(*this);
}

/// All but the winner.
void select_core::take_back_leaves() noexcept {
  const std::uint32_t winner = arms_group_.winner();
  for (std::uint32_t i = 0; i < published_; ++i) {
    wait_node* leaf = arms_[i].node;
    if (i != winner && leaf != nullptr) (void)leaf->unlink(*leaf);
  }
}

/// All but the winner.
void select_core::cancel_children() noexcept {
  const std::uint32_t winner = arms_group_.winner();
  for (std::uint32_t i = 0; i < published_; ++i) {
    if (i != winner && arms_[i].child != nullptr) cancel(arms_[i].child->state());
  }
}

void select_core::abandon() noexcept {
  if (collecting_) return;  // nothing is left, or the last child to end would have resumed us
  take_back_leaves();
  for (std::uint32_t i = 0; i < published_; ++i) {
    if (arms_[i].child != nullptr && remove_waiter(arms_[i].child->state(), watches_[i]))
      live_.fetch_sub(1, std::memory_order_relaxed);  // nobody waits for it any more
  }
  // Those that are ending this moment, on other workers. acquire: their last touch of us.
  while (live_.load(std::memory_order_acquire) > 1) cpu_relax();
}

bool select_core::on_retry(retry_node& self) noexcept {
  return static_cast<select_core&>(self).advance();
}

void select_core::on_child_done(completion_waiter& self, task_state& child) noexcept {
  auto& watch = static_cast<child_watch&>(self);
  select_core& core = *watch.core;
  if (child.type->failed(child)) mark_retrieved(child);
  task_state& parent = *core.task;
  // A descriptor operation has claimed the group itself, before its system call, and woken nobody.
  const bool won = core.arms_group_.claim(watch.index) || core.arms_group_.winner() == watch.index;
  if (won) wake(parent);
  if (core.live_.fetch_sub(1, std::memory_order_acq_rel) == 1) wake(parent);  // acq_rel: see live_
}

unlink_result select_core::cancel_select(wait_node& self) noexcept {
  auto& core = static_cast<select_core&>(self);
  return core.arms_group_.claim(wait_group::nobody) ? unlink_result::removed
                                                    : unlink_result::completed;
}

void select_core::visit_children(const wait_node& self, visit_function visit,
                                 void* context) noexcept {
  const auto& core = static_cast<const select_core&>(self);
  for (std::uint32_t i = 0; i < core.published_; ++i) {
    if (core.arms_[i].child != nullptr) visit(context, core.arms_[i].child->state());
  }
}

std::uint32_t select_core::winner() {
  if (ready_ != wait_group::open) return ready_;
  if (ended_ != wait_outcome::completed) throw_interrupted(ended_);
  return arms_group_.winner();
}

}  // namespace weft::detail
