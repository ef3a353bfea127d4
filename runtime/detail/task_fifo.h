#pragma once

#include "task_state.h"

#include <cstddef>

namespace weft::detail {

/// Tasks in order, linked through their headers: no bound, no allocation.
/// Threads: none; its user guards it.
class task_fifo {
 public:
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  void push(task_state& task) noexcept {
    task.next = nullptr;
    (first_ == nullptr ? first_ : last_->next) = &task;
    last_ = &task;
    ++size_;
  }
  task_state* pop() noexcept {
    task_state* task = first_;
    if (task == nullptr) return nullptr;
    first_ = task->next;
    --size_;
    return task;
  }

 private:
  task_state* first_ = nullptr;
  task_state* last_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace weft::detail
