#pragma once

#include "detail/io_operation.h"
#include "future.h"
#include "spawn.h"

#include <array>
#include <concepts>
#include <csignal>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace weft {

namespace detail {

struct signal_slot;

/// Waits for the next signal of a set: reads a byte from its pipe.
class [[nodiscard]] signal_wait : public io_operation {
 public:
  explicit signal_wait(io_source* source) noexcept
      : io_operation(source, io_direction::read, read_one) {}
  [[nodiscard]] int await_resume() {
    check_outcome();
    return take();
  }

 private:
  static io_progress read_one(io_operation& self) noexcept;
  int take() const;
};

}  // namespace detail

/// Signals as values. While it lives, the named signals have no other effect, except on other sets
/// that name them too; when the last set of a signal is gone, the signal has its former disposition
/// again.
///
///     signal_set stop(SIGINT, SIGTERM);
///     const int which = co_await stop.wait();
///
/// Each delivery is kept, in order, until somebody waits: up to 65,536, further ones are dropped.
/// What nobody waited for is dropped with the set.
/// Bound: 128 sets in a process.
/// Threads: made and destroyed on any; one task at a time waits, and all waits are made in one
/// runtime.
class signal_set {
 public:
  /// Throws std::invalid_argument for a number that is no signal, or one that cannot be caught
  /// (SIGKILL, SIGSTOP), and std::system_error when descriptors have run out.
  template <std::convertible_to<int>... S>
    requires(sizeof...(S) > 0)
  explicit signal_set(S... signals)
      : signal_set(std::array<int, sizeof...(S)>{static_cast<int>(signals)...}) {}
  signal_set(const signal_set&) = delete;
  signal_set& operator=(const signal_set&) = delete;
  /// A task that still waits gets std::system_error (ECANCELED).
  ~signal_set();

  /// The number of the next signal. Cancellation: takes nothing.
  detail::signal_wait wait() noexcept { return detail::signal_wait(source_); }
  /// Gives the signals back before the end. Any thread; idempotent.
  void stop() noexcept;

 private:
  template <std::size_t Count>
  explicit signal_set(const std::array<int, Count>& signals)
      : signal_set(std::span<const int>(signals)) {}
  explicit signal_set(std::span<const int> signals);

  detail::signal_slot* slot_;
  detail::io_source* source_;
};

/// While it lives, on_signal's function is called. Move-only.
class [[nodiscard]] signal_registration {
 public:
  signal_registration() noexcept = default;
  signal_registration(signal_registration&& other) noexcept = default;
  signal_registration& operator=(signal_registration&& other) noexcept {
    if (this != &other) {
      cancel();
      signals_ = std::move(other.signals_);
      caller_ = std::move(other.caller_);
    }
    return *this;
  }
  ~signal_registration() { cancel(); }

  /// No call begins after this, but one may be under way on another worker. Any thread.
  void cancel() noexcept;

  /// For on_signal.
  signal_registration(std::shared_ptr<signal_set> signals, join_handle<> caller) noexcept
      : signals_(std::move(signals)), caller_(std::move(caller)) {}

 private:
  std::shared_ptr<signal_set> signals_;
  join_handle<> caller_;
};

namespace detail {

/// Gives the signals back when the runtime ends before the registration does.
struct stop_at_end {
  signal_set& signals;
  explicit stop_at_end(signal_set& of) noexcept : signals(of) {}
  stop_at_end(const stop_at_end&) = delete;
  stop_at_end& operator=(const stop_at_end&) = delete;
  ~stop_at_end() { signals.stop(); }
};

template <std::invocable F>
task<> call_on_each(std::shared_ptr<signal_set> signals, F f) {
  const stop_at_end guard(*signals);
  for (;;) {
    [[maybe_unused]] const int number = co_await signals->wait();
    this_task::check_cancelled();
    try {
      f();
    } catch (...) {  // the next signal is served all the same
      report_failure("exception in a function for signals", std::current_exception());
    }
  }
}

}  // namespace detail

/// Calls f() on a worker of the current runtime for each delivery of `signal`, one after the other,
/// while the registration lives. What f throws is reported. f is a plain function: to await
/// something, use a signal_set in a task. Throws std::logic_error outside of a runtime, else as
/// signal_set.
template <std::invocable F>
  requires(!is_task<std::invoke_result_t<F>>)
[[nodiscard]] signal_registration on_signal(int signal, F f) {
  detail::current_scheduler("on_signal()");  // throws before anything is caught
  auto signals = std::make_shared<signal_set>(signal);
  join_handle<> caller = spawn(detail::call_on_each(signals, std::move(f)), {.name = "on_signal"});
  return signal_registration(std::move(signals), std::move(caller));
}

}  // namespace weft
