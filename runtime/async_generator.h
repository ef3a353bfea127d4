#pragma once

#include "as_result.h"
#include "detail/open_generators.h"
#include "spawn.h"
#include "task.h"

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace weft {

template <class T>
class async_generator;

namespace detail {

/// Between two calls of next() the frame lies still; during one it is a part of the task that
/// called.
struct generator_promise_base : promise_with_block<void>, open_generator {
  enum class progress : std::uint8_t { unstarted, running, yielded };

  struct yield_awaiter {
    generator_promise_base& self;
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<>) const noexcept {
      self.state = progress::yielded;
      return std::exchange(self.continuation, nullptr);
    }
    /// aclose() and athrow() go on with an exception, of the generator alone.
    void await_resume() const {
      if (self.raised) std::rethrow_exception(std::exchange(self.raised, nullptr));
    }
  };

  generator_promise_base(close_function closes, std::source_location coroutine) noexcept
      : promise_with_block<void>(coroutine), open_generator(closes) {}

  void return_void() const noexcept {}

  /// The next part begins, on behalf of the running task and for `consumer`.
  void advance(std::coroutine_handle<> consumer) noexcept {
    if (state == progress::unstarted) enlist();
    state = progress::running;
    continuation = consumer;
  }

  progress state = progress::unstarted;
  std::exception_ptr raised;  // what the co_yield throws when the generator goes on
};

template <class T>
struct generator_promise : generator_promise_base {
  static_assert(alignof(value_t<T>) <= 16,
                "weft::async_generator<T>: T is over-aligned; yield it through a pointer");

  explicit generator_promise(
      std::source_location coroutine = std::source_location::current()) noexcept
      : generator_promise_base(close_from_outside, coroutine) {}

  async_generator<T> get_return_object() noexcept;
  template <class U = T>
    requires std::convertible_to<U&&, T>
  yield_awaiter yield_value(U&& value) {
    if constexpr (std::is_reference_v<T>) {
      T bound = std::forward<U>(value);
      yielded.emplace(bound);
    } else {
      yielded.emplace(std::forward<U>(value));
    }
    return {*this};
  }

  /// Throws cancelled_error at its co_yield and runs it to its end.
  static task<> close(std::coroutine_handle<generator_promise> frame);

  std::optional<value_t<T>> yielded;

 private:
  /// For its runtime, when all tasks have ended.
  static bool close_from_outside(open_generator& self, scheduler& on);
};

/// Runs the generator to its next value or its end.
template <class T>
class [[nodiscard]] generator_next {
 public:
  explicit generator_next(std::coroutine_handle<generator_promise<T>> frame) noexcept
      : frame_(frame) {}

  bool await_ready() {
    if (std::exchange(awaited_, true)) [[unlikely]]
      throw_awaited_twice();
    if (!frame_ || frame_.done()) return true;
    if (frame_.promise().state == generator_promise_base::progress::running) [[unlikely]]
      throw_invalid_state("an async_generator is advanced by one at a time");
    advanced_ = true;
    return false;
  }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> consumer) noexcept {
    frame_.promise().advance(consumer);
    if (here.budget-- > 0) return frame_;
    here.task->leaf = frame_.address();  // it is time for others
    reschedule_current();
    return std::noop_coroutine();
  }
  std::optional<value_t<T>> await_resume() {
    if (!advanced_) return std::nullopt;
    if (frame_.done()) block_of<void>::slot(frame_).take();  // throws what it ended with
    return std::exchange(frame_.promise().yielded, std::nullopt);
  }

 private:
  std::coroutine_handle<generator_promise<T>> frame_;
  bool awaited_ = false;
  bool advanced_ = false;
};

}  // namespace detail

/// A coroutine that gives values one after the other: `co_yield`, and for who takes them
/// `while (auto x = co_await gen.next())`. What runs between two values is a part of the task that
/// called next(), its cancellations and deadlines too.
///
/// To leave early, `co_await gen.aclose()`; a generator that is dropped only runs its destructors.
/// One that is open when its runtime shuts down, because somebody outside of its tasks holds it, is
/// closed then.
/// Threads: one task at a time, not always the same one.
/// Cost: a frame; a value is two symmetric transfers, without the scheduler.
template <class T>
class [[nodiscard]] async_generator {
 public:
  using promise_type = detail::generator_promise<T>;
  using value_type = T;

  async_generator(async_generator&& other) noexcept
      : frame_(std::exchange(other.frame_, nullptr)) {}
  async_generator& operator=(async_generator&& other) noexcept {
    if (this != &other) {
      if (frame_) frame_.destroy();
      frame_ = std::exchange(other.frame_, nullptr);
    }
    return *this;
  }
  ~async_generator() {
    if (frame_) frame_.destroy();
  }

  /// The next value; nothing when the generator has ended. Rethrows what it has failed with, once.
  detail::generator_next<T> next() noexcept { return detail::generator_next<T>(frame_); }
  /// Ends it where it waits: its co_yield throws cancelled_error, its clean-up may await, and is
  /// awaited. Rethrows another exception that comes out of that; throws invalid_state_error when it
  /// yields once more, or runs. Nothing to do for one that was not started or has ended. The
  /// generator stays where it is meanwhile.
  [[nodiscard]] task<> aclose() { return close(*this); }
  /// Throws `error` out of the co_yield where it waits, and gives the next value, or nothing when
  /// it ends after that. Rethrows what comes out of the generator: `error` itself, if it does not
  /// catch it, which is also the answer of one that was not started (it never runs then) or has
  /// ended. The generator stays where it is meanwhile.
  [[nodiscard]] task<std::optional<value_t<T>>> athrow(std::exception_ptr error) {
    return raise(*this, std::move(error));
  }

 private:
  friend promise_type;
  explicit async_generator(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}

  static task<> close(async_generator& self);
  static task<std::optional<value_t<T>>> raise(async_generator& self, std::exception_ptr error);

  std::coroutine_handle<promise_type> frame_;
};

/// Something with `next()` that gives an optional: `while (auto x = co_await it.next())`.
template <class I>
concept async_iterator = requires(I& i) {
  { i.next() } -> awaitable;
};

namespace detail {

template <class T>
async_generator<T> generator_promise<T>::get_return_object() noexcept {
  return async_generator<T>(opaque_handle(*this));
}

template <class T>
task<> generator_promise<T>::close(std::coroutine_handle<generator_promise> frame) {
  generator_promise& self = frame.promise();
  if (self.state != progress::yielded || frame.done()) co_return;
  self.raised = std::make_exception_ptr(cancelled_error());
  const cancellation_watch own;
  try {
    const std::optional<value_t<T>> more = co_await generator_next<T>(frame);
    if (more.has_value()) throw_invalid_state("an async_generator has yielded while it was closed");
  } catch (const cancelled_error&) {
    if (own.came()) throw;
  }
}

template <class T>
bool generator_promise<T>::close_from_outside(open_generator& self, scheduler& on) {
  const auto frame =
      std::coroutine_handle<generator_promise>::from_promise(static_cast<generator_promise&>(self));
  if (frame.promise().state != progress::yielded || frame.done()) return false;
  spawn_task(on, close(frame), {.name = "async_generator::aclose()"}, 0).detach();
  return true;
}

}  // namespace detail

template <class T>
task<> async_generator<T>::close(async_generator& self) {
  if (!self.frame_) co_return;
  if (self.frame_.promise().state == detail::generator_promise_base::progress::running &&
      !self.frame_.done())
    detail::throw_invalid_state("aclose() of an async_generator that runs");
  co_await promise_type::close(self.frame_);
  std::exchange(self.frame_, nullptr).destroy();
}

template <class T>
task<std::optional<value_t<T>>> async_generator<T>::raise(async_generator& self,
                                                          std::exception_ptr error) {
  using progress = detail::generator_promise_base::progress;
  const bool ended = !self.frame_ || self.frame_.done();
  if (!ended && self.frame_.promise().state == progress::running)
    detail::throw_invalid_state("athrow() of an async_generator that runs");
  if (ended || self.frame_.promise().state == progress::unstarted) {
    if (self.frame_) std::exchange(self.frame_, nullptr).destroy();
    std::rethrow_exception(std::move(error));
  }
  self.frame_.promise().raised = std::move(error);
  co_return co_await self.next();
}

}  // namespace weft
