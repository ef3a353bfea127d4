#pragma once

// Was the line kept? Waiters of a primitive with one owner at a time (a semaphore of one permit)
// must become owners in the order in which they joined the line. That order cannot be seen from
// outside, but this much can: a waiter that was suspended in the line before another one even
// began is ahead of it.
//
//   begin    of each attempt: remember who is suspended in the line now (all these are ahead)
//   granted  as the owner: whoever of those still waits was overtaken
// One that waits still may be about to be cancelled, which forfeits its place; so the suspicion is
// only written down, and whoever is granted the permit later finds it.

#include "stage.h"

#include <array>
#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace weft::stress {

class line_order {
 public:
  static constexpr std::size_t places_max = 16;

  /// One participant's place. Its words are attempts: 0 none, else twice the attempt's number, plus
  /// one once it is suspended in the line.
  struct place {
    //   written by  the participant; by the thread on which it suspended, for the last bit
    //   read by     the others; all seq_cst: the orders of several participants are compared
    std::atomic<std::uint64_t> waiting{0};
    //   written by  who has overtaken this attempt; read by the participant
    std::atomic<std::uint64_t> overtaken{0};
    std::uint64_t attempts = 0;                     // the participant's
    std::array<std::uint64_t, places_max> ahead{};  // the participant's
  };

  place& at(std::size_t i) noexcept { return places_[i]; }

  void begin(place& own) noexcept {
    for (std::size_t i = 0; i < places_max; ++i) {
      const std::uint64_t word = places_[i].waiting.load();
      own.ahead[i] = &places_[i] != &own && (word & 1) != 0 ? word : 0;
    }
    own.waiting.store(++own.attempts * 2);
  }
  /// By the owner, before it lets go. True: the line was kept.
  [[nodiscard]] bool granted(place& own) noexcept {
    const std::uint64_t attempt = own.attempts * 2 + 1;
    own.waiting.store(0);
    for (std::size_t i = 0; i < places_max; ++i) {
      if (own.ahead[i] != 0 && places_[i].waiting.load() == own.ahead[i])
        places_[i].overtaken.store(own.ahead[i]);
    }
    return own.overtaken.load() != attempt;
  }
  void gave_up(place& own) noexcept { own.waiting.store(0); }

 private:
  std::array<place, places_max> places_;
};

/// Awaits A and notes when it is suspended.
template <class A>
class in_line {
 public:
  in_line(A awaited, line_order::place& own) noexcept : awaited_(std::move(awaited)), own_(own) {}
  bool await_ready() { return awaited_.await_ready(); }
  bool await_suspend(std::coroutine_handle<> waiter) noexcept {
    // Afterwards this object may be gone, and its participant in another attempt.
    line_order::place& own = own_;
    std::uint64_t attempt = own.waiting.load();
    const bool is_suspended = awaited_.await_suspend(waiter);
    if (is_suspended) own.waiting.compare_exchange_strong(attempt, attempt | 1);
    return is_suspended;
  }
  decltype(auto) await_resume() { return awaited_.await_resume(); }

 private:
  A awaited_;
  line_order::place& own_;
};

}  // namespace weft::stress
