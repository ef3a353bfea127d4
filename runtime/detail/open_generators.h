#pragma once

// Generators that a task has begun and nobody has finished: when the tasks of a runtime have ended,
// it closes those that somebody outside still holds, so that their clean-up runs where it can await
// (asyncio's shutdown_asyncgens).

#include "intrusive_list.h"

#include <cstdint>

namespace weft::detail {

class scheduler;

/// The part of a generator's promise by which its runtime finds it.
///
/// Threads: enlisted by the task that begins the generator; taken by the runtime's shutdown, when
/// no task is left to run it.
class open_generator : public list_node {
 public:
  /// Starts a task that ends the generator where it waits. False: there is nothing to do.
  using close_function = bool (*)(open_generator& self, scheduler& on);

  open_generator(const open_generator&) = delete;
  open_generator& operator=(const open_generator&) = delete;

  bool close(scheduler& on) { return close_(*this, on); }

 protected:
  explicit open_generator(close_function closes) noexcept : close_(closes) {}
  ~open_generator() {
    if (runtime_ != none) leave();
  }
  /// On behalf of the running task.
  void enlist() noexcept;

 private:
  friend open_generator* take_open_generator(std::uint8_t runtime) noexcept;

  static constexpr std::uint8_t none = 255;  // no scheduler has this index

  void leave() noexcept;

  close_function close_;
  std::uint8_t runtime_ = none;  // of the task that began it; immutable from then on
};

/// The one that was begun first, from now on not enlisted any more; null when there is none.
open_generator* take_open_generator(std::uint8_t runtime) noexcept;

}  // namespace weft::detail
