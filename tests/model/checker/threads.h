#pragma once

// What runtime/detail/threads.h is under the checker: mutex, condition and thread of the model.

#include "execution.h"
#include "system_calls.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace weft::detail {

class os_mutex {
 public:
  constexpr os_mutex() noexcept = default;
  os_mutex(const os_mutex&) = delete;
  os_mutex& operator=(const os_mutex&) = delete;

  void lock() noexcept;
  bool try_lock() noexcept;
  void unlock() noexcept;

 private:
  model::vector_clock released_;
  model::execution::waiting_threads waiting_ = 0;
  bool held_ = false;
};

class os_condition {
 public:
  constexpr os_condition() noexcept = default;
  os_condition(const os_condition&) = delete;
  os_condition& operator=(const os_condition&) = delete;

  void notify_one() noexcept;
  void notify_all() noexcept;

  void wait(std::unique_lock<os_mutex>& lock) noexcept { (void)wait_here(lock, false); }
  template <class Predicate>
  void wait(std::unique_lock<os_mutex>& lock, Predicate done) {
    while (!done()) wait(lock);
  }
  /// A time-out is a decision; only then is it later.
  template <class Clock, class Duration>
  std::cv_status wait_until(std::unique_lock<os_mutex>& lock,
                            const std::chrono::time_point<Clock, Duration>& when) noexcept {
    if (wait_here(lock, true) == std::cv_status::no_timeout) return std::cv_status::no_timeout;
    model::advance_time_to(std::chrono::ceil<std::chrono::nanoseconds>(when.time_since_epoch()));
    return std::cv_status::timeout;
  }
  template <class Time, class Predicate>
  bool wait_until(std::unique_lock<os_mutex>& lock, const Time& when, Predicate done) {
    while (!done()) {
      if (wait_until(lock, when) == std::cv_status::timeout) return done();
    }
    return true;
  }

 private:
  std::cv_status wait_here(std::unique_lock<os_mutex>& lock, bool timed) noexcept;

  model::execution::waiting_threads waiting_ = 0;
};

class os_thread {
 public:
  os_thread() noexcept = default;
  template <class F>
  explicit os_thread(F body) : number_(start(&run<F>, new F(std::move(body)))) {}
  os_thread(os_thread&& other) noexcept : number_(std::exchange(other.number_, none)) {}
  os_thread& operator=(os_thread&& other) noexcept {
    number_ = std::exchange(other.number_, none);
    return *this;
  }
  ~os_thread() = default;

  [[nodiscard]] bool joinable() const noexcept { return number_ != none; }
  void join() noexcept;
  void detach() noexcept { number_ = none; }

 private:
  static constexpr unsigned none = ~0u;
  template <class F>
  static void run(void* body) {
    auto* function = static_cast<F*>(body);
    (*function)();
    delete function;
  }
  static unsigned start(void (*run)(void*), void* body) noexcept;

  unsigned number_ = none;
};

}  // namespace weft::detail
