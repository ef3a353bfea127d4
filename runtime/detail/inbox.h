#pragma once

// How other threads reach a worker: a stack that anyone pushes onto and that is only ever taken
// whole (Treiber 1986 without its pop, and so without ABA). Whoever takes it reverses it, so each
// sender's order is kept.

#include "atomic.h"
#include "chaos.h"
#include "task_fifo.h"

namespace weft::detail {

class inbox {
 public:
  /// Any thread.
  void push(task_state& task) noexcept {
    task_state* head = head_.load(std::memory_order_relaxed);
    do {
      task.next = head;
      chaos::point();
      // seq_cst: release publishes the task to take(); the total order is needed against a worker
      // that falls asleep, see worker::park.
    } while (!head_.compare_exchange_weak(head, &task, std::memory_order_seq_cst,
                                          std::memory_order_relaxed));
  }

  /// Any thread: everything, oldest first. Returns how many.
  std::size_t take(task_fifo& into) noexcept {
    if (head_.load(std::memory_order_relaxed) == nullptr) return 0;
    // acquire: pairs with the release in push().
    task_state* newest = head_.exchange(nullptr, std::memory_order_acquire);
    task_state* oldest = nullptr;
    std::size_t count = 0;
    while (newest != nullptr) {
      task_state* next = newest->next;
      newest->next = oldest;
      oldest = newest;
      newest = next;
      ++count;
    }
    while (oldest != nullptr) {
      task_state* next = oldest->next;
      into.push(*oldest);
      oldest = next;
    }
    return count;
  }

  [[nodiscard]] bool empty() const noexcept {
    return head_.load(std::memory_order_seq_cst) == nullptr;  // seq_cst: see worker::park
  }

 private:
  //   written by  any thread (push), the owner or who rescues it (take)
  alignas(cache_line) atomic<task_state*> head_{nullptr};
};

}  // namespace weft::detail
