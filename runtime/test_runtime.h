#pragma once

#include "runtime.h"

namespace weft {

/// One worker, virtual time, for unit tests: time stands still while anything can run, and jumps to
/// the next timer when nothing can, so that tests of hours take microseconds and never depend on
/// the machine.
///
/// When nothing can run and no timer, I/O or blocking call is pending, run() throws deadlock_error
/// with the tasks' names.
class test_runtime {
 public:
  explicit test_runtime(runtime_options options = {});
  ~test_runtime();
  test_runtime(const test_runtime&) = delete;
  test_runtime& operator=(const test_runtime&) = delete;

  /// Runs `main` and then, as weft::run, cancels and awaits what is left.
  template <class T>
  T run(task<T> main) {
    const sweep_after cleanup{*this};
    return runtime_.run(std::move(main));
  }
  template <class F>
    requires task_function<F>
  task_value_t<F> run(F&& main) {
    return run(detail::call_in_frame(std::forward<F>(main)));
  }

  class virtual_clock {
   public:
    [[nodiscard]] clock::time_point now() const noexcept;
    /// Virtual time since the runtime was made.
    [[nodiscard]] clock::duration elapsed() const noexcept;

   private:
    friend class test_runtime;
    explicit virtual_clock(const clock::time_point* source) noexcept
        : now_(source), start_(*source) {}
    const clock::time_point* now_;
    clock::time_point start_;
  };
  [[nodiscard]] const virtual_clock& clock() const noexcept { return clock_; }
  [[nodiscard]] runtime& inner() noexcept { return runtime_; }

 private:
  struct sweep_after {
    test_runtime& owner;
    ~sweep_after() { owner.sweep(); }
  };
  void sweep();

  runtime runtime_;
  virtual_clock clock_;
};

}  // namespace weft
