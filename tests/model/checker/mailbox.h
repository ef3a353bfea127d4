#pragma once

// A queue between threads of a model, no stronger than a correct one has to be: who takes an item
// learns what its sender knew, and nobody learns anything else.
//
// It stands for the queues of a scheduler where they are not what is checked: one step for a push
// keeps the number of schedules small, and no order of a real queue hides one that is missing
// elsewhere.

#include "execution.h"

namespace weft::model {

class mailbox {
 public:
  /// Any thread.
  void push(void* item) noexcept;
  /// The oldest item; null when there is none.
  void* pop() noexcept;
  /// Until there is an item, or close() is called.
  void wait() noexcept;
  void close() noexcept;
  void open() noexcept;
  [[nodiscard]] bool closed() const noexcept;

 private:
  struct entry {
    void* item;
    vector_clock sent;
  };
  static constexpr unsigned entries_max = 16;

  entry entries_[entries_max] = {};
  unsigned first_ = 0;
  unsigned count_ = 0;
  bool closed_ = false;
  execution::waiting_threads waiting_ = 0;
};

}  // namespace weft::model
