#pragma once

#include "detail/intrusive_list.h"
#include "detail/spin_lock.h"
#include "detail/wait_node.h"
#include "error.h"
#include "result.h"

#include <concepts>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

/// A function to call once a future is done.
struct future_callback {
  enum class fate : std::uint8_t { call, drop };

  future_callback* next = nullptr;
  /// Calls the function or not, and frees this; once. Never throws: failures are reported.
  void (*settle)(future_callback& self, fate how) noexcept = nullptr;
};

struct callback_runner;

/// What promise and futures share: who waits, and how it ended. The value itself is in future_box.
///
/// A completer first claims the state (pending -> setting), stores the outcome, then publishes it
/// and takes the waiters in one critical section; after that nobody but the completer touches the
/// waiters' nodes. So of all set_*, try_set_* and cancel() calls exactly one wins, and a value that
/// throws while it is moved leaves the future pending.
///
/// Threads: all members from any thread.
class future_state {
 public:
  enum class phase : std::uint8_t { pending, setting, value, error, cancelled };

  future_state() noexcept = default;
  future_state(const future_state&) = delete;
  future_state& operator=(const future_state&) = delete;

  void add_reference() noexcept;
  void drop_reference() noexcept;

  [[nodiscard]] bool done() const noexcept { return ended_as() >= phase::value; }
  [[nodiscard]] bool cancelled() const noexcept { return ended_as() == phase::cancelled; }
  /// Throws invalid_state_error unless it is done, or the exception it is done with, which counts
  /// as retrieved then.
  void check_value();

  /// True: the caller, and nobody else, completes this future now.
  [[nodiscard]] bool begin_set() noexcept;
  void abort_set() noexcept;
  /// Publishes the outcome and wakes the waiters. The state may be gone afterwards.
  void finish_set(phase how) noexcept;
  /// False: it was done already.
  bool set_error(std::exception_ptr error) noexcept;
  bool cancel() noexcept;
  /// The promise was dropped.
  void break_promise() noexcept;

  /// False: it is done, or the node's group has a winner.
  bool add_waiter(wait_node& node) noexcept;
  /// False: the waiter is being woken.
  bool remove_waiter(wait_node& node) noexcept;
  /// Takes the callback over.
  void add_callback(std::unique_ptr<future_callback> callback);
  /// Blocks this thread. Throws std::logic_error on a worker.
  void block_until_done();

 protected:
  virtual ~future_state();

 private:
  friend callback_runner;

  [[nodiscard]] phase ended_as() const noexcept {
    // acquire: pairs with finish_set, so that the outcome may be read.
    return phase_.load(std::memory_order_acquire);
  }
  bool append_direct(future_callback& callback) noexcept;
  callback_runner* append_to_runner(std::uint8_t runtime,
                                    std::unique_ptr<future_callback>& callback,
                                    callback_runner* fresh) noexcept;

  //   written by  completers, by compare-exchange, and finish_set, under lock_
  //   read by     everybody
  //   pairing     release/acquire, so that the outcome is seen
  atomic<phase> phase_{phase::pending};
  //   written by  who sees the outcome
  //   read by     who drops the last reference
  //   pairing     through the acq_rel of references_
  atomic<bool> retrieved_{false};
  //   written by  owners of promise and futures
  //   pairing     acq_rel: the last one sees what the others did
  atomic<std::uint32_t> references_{1};
  std::exception_ptr error_;  // written by the completer before it publishes

  spin_lock lock_;
  // Guarded by lock_; waiters and direct callbacks are empty once it is done.
  intrusive_list<wait_node> waiters_;
  future_callback* direct_ = nullptr;  // registered outside of a runtime; oldest first
  intrusive_list<callback_runner> runners_;
};

/// The state with its value.
template <class T>
class future_box final : public future_state {
 public:
  static constexpr bool value_is_moved = !std::is_void_v<T> && !std::is_reference_v<T>;

  /// False: it was done already.
  template <class... U>
  bool set_value(U&&... value) {
    if (!begin_set()) return false;
    try {
      value_.emplace(std::forward<U>(value)...);
    } catch (...) {  // the caller's value could not be moved: nobody has seen anything yet
      abort_set();
      throw;
    }
    finish_set(phase::value);
    return true;
  }
  /// The value, moved out once; or throws.
  T take() {
    check_value();
    if constexpr (value_is_moved) {
      if (taken_.exchange(true, std::memory_order_relaxed))
        throw_invalid_state("the value of this future was taken already");
      return std::move(*value_);
    } else {
      return shared();
    }
  }
  /// The value, copied if it can be; or throws.
  T copy() {
    if constexpr (std::is_copy_constructible_v<T>) {
      if (taken_.load(std::memory_order_relaxed))
        throw_invalid_state("the value of this future was taken already");
      check_value();
      return *value_;
    } else {
      return take();
    }
  }
  /// The value for all to read; or throws.
  decltype(auto) shared() {
    check_value();
    if constexpr (std::is_reference_v<T>) {
      return static_cast<T>(value_->get());
    } else if constexpr (!std::is_void_v<T>) {
      return static_cast<const T&>(*value_);
    }
  }

 private:
  ~future_box() override = default;

  std::optional<value_t<T>> value_;
  // Decides who gets the value; relaxed: phase_ orders the value itself.
  atomic<bool> taken_{false};
};

/// A counted reference to a state.
template <class Box>
class future_reference {
 public:
  future_reference() noexcept = default;
  explicit future_reference(Box* adopted) noexcept : box_(adopted) {}
  future_reference(const future_reference& other) noexcept : box_(other.box_) {
    if (box_ != nullptr) box_->add_reference();
  }
  future_reference(future_reference&& other) noexcept : box_(std::exchange(other.box_, nullptr)) {}
  future_reference& operator=(future_reference other) noexcept {
    std::swap(box_, other.box_);
    return *this;
  }
  ~future_reference() {
    if (box_ != nullptr) box_->drop_reference();
  }

  explicit operator bool() const noexcept { return box_ != nullptr; }
  Box* operator->() const noexcept { return box_; }
  [[nodiscard]] Box* get() const noexcept { return box_; }
  /// Throws invalid_state_error when there is none.
  [[nodiscard]] Box& checked() const {
    if (box_ == nullptr) throw_invalid_state("the promise or future is empty");
    return *box_;
  }

 private:
  Box* box_ = nullptr;
};

/// Waits until a future is done.
class future_wait : public leaf_operation<future_wait> {
 public:
  explicit future_wait(future_state& state) noexcept : state_(&state) {}

  bool try_now() noexcept { return state_->done(); }
  bool publish() noexcept;
  void take() noexcept {}

 private:
  static unlink_result leave(wait_node& self) noexcept;

  future_state* state_;
};

/// ... and gives its value, moved.
template <class T>
class [[nodiscard]] future_awaiter : public future_wait {
 public:
  using box = future_box<T>;

  explicit future_awaiter(box& of) noexcept : future_wait(of), box_(&of) {}
  explicit future_awaiter(future_reference<box> of)
      : future_wait(of.checked()), box_(of.get()), owned_(std::move(of)) {}

  T take() { return box_->take(); }
  [[nodiscard]] T await_resume() {
    if (outcome != wait_outcome::completed) [[unlikely]]
      throw_interrupted(outcome);
    return take();
  }

 private:
  box* box_;
  future_reference<box> owned_;  // of a temporary future
};

/// ... and gives its value to read, or a copy of it.
template <class T, class Result>
class [[nodiscard]] shared_future_awaiter : public future_wait {
 public:
  using box = future_box<T>;

  explicit shared_future_awaiter(future_reference<box> of)
      : future_wait(of.checked()), box_(std::move(of)) {}

  Result take() { return box_->shared(); }
  [[nodiscard]] Result await_resume() {
    if (outcome != wait_outcome::completed) [[unlikely]]
      throw_interrupted(outcome);
    return take();
  }

 private:
  future_reference<box> box_;
};

/// To the exception handler of the runtime that this thread runs in, or to standard error.
void report_failure(const char* message, const std::exception_ptr& error) noexcept;

template <std::invocable F>
std::unique_ptr<future_callback> make_callback(F f) {
  struct typed : future_callback {
    explicit typed(F function) : f(std::move(function)) {}
    F f;
  };
  auto made = std::make_unique<typed>(std::move(f));
  made->settle = [](future_callback& self, future_callback::fate how) noexcept {
    const std::unique_ptr<typed> callback(static_cast<typed*>(&self));
    if (how == future_callback::fate::drop) return;
    try {
      std::move(callback->f)();
    } catch (...) {  // there is nobody above us whom it concerns
      report_failure("exception in a done callback", std::current_exception());
    }
  };
  return made;
}

/// What a shared future gives to read.
template <class T>
using shared_value_t = decltype(std::declval<future_box<T>&>().shared());

}  // namespace detail

template <class T>
class promise;
template <class T>
class shared_future;

/// What a promise will give (asyncio.Future), to one taker. Move-only. T may be void, a reference,
/// or move-only.
///
/// Threads: its members may be called from any thread; completing and awaiting may race.
/// An exception that nobody retrieved is reported when promise and futures are gone, to the
/// exception handler of the runtime current on that thread, else to standard error. Values,
/// cancellations and broken promises are not reported.
/// Cost: promise and future share one allocation; awaiting makes none.
template <class T = void>
class [[nodiscard]] future {
 public:
  using value_type = T;

  future() noexcept = default;
  future(future&&) noexcept = default;
  future& operator=(future&&) noexcept = default;
  ~future() = default;
  explicit operator bool() const noexcept { return static_cast<bool>(box_); }

  /// Waits until it is done and gives the value, moved out: a second time throws
  /// invalid_state_error (void and references may be awaited again). Rethrows the exception; throws
  /// cancelled_error if the future was cancelled, and broken_promise if the promise was dropped.
  /// Cancellation: takes nothing; the future stays as it is and may be awaited again.
  detail::future_awaiter<T> operator co_await() & {
    return detail::future_awaiter<T>(box_.checked());
  }
  detail::future_awaiter<T> operator co_await() && {
    return detail::future_awaiter<T>(std::move(box_));
  }

  [[nodiscard]] bool done() const noexcept { return box_ && box_->done(); }
  [[nodiscard]] bool cancelled() const noexcept { return box_ && box_->cancelled(); }
  /// Completes it as cancelled, which the promise learns from done() or try_set_value(). False: it
  /// was done already.
  bool cancel() noexcept { return box_ && box_->cancel(); }
  /// The value (copied if it can be, else moved out), or rethrows. Throws invalid_state_error when
  /// it is not done.
  T result() { return box_.checked().copy(); }
  /// Blocks a thread that is not a worker until it is done; then as co_await. Throws
  /// std::logic_error on a worker.
  T get() {
    box_.checked().block_until_done();
    return box_->take();
  }
  /// Calls f() once it is done, at once if it is already: on a worker of the runtime that is
  /// current now, in the order of registration, never on the caller's or the completer's stack;
  /// dropped uncalled when that runtime shuts down first. Registered outside of a runtime, f is
  /// called by whoever completes the future, or here and now if it is done. What f throws is
  /// reported.
  template <std::invocable F>
  void add_done_callback(F f) {
    box_.checked().add_callback(detail::make_callback(std::move(f)));
  }
  /// For many awaiters; leaves this one empty.
  shared_future<T> share() noexcept { return shared_future<T>(std::move(box_)); }

 private:
  friend promise<T>;
  using box = detail::future_box<T>;
  explicit future(detail::future_reference<box> adopted) noexcept : box_(std::move(adopted)) {}

  detail::future_reference<box> box_;
};

/// A future with many takers: each copy of it gives the same outcome any number of times.
///
/// Threads and reports: as future. A copy costs one atomic operation.
template <class T = void>
class [[nodiscard]] shared_future {
 public:
  using value_type = T;

  shared_future() noexcept = default;
  explicit operator bool() const noexcept { return static_cast<bool>(box_); }

  /// Waits until it is done. An lvalue gives const T& (which lives as long as promise or futures
  /// do), an rvalue a copy. Rethrows as future.
  /// Cancellation: takes nothing.
  detail::shared_future_awaiter<T, detail::shared_value_t<T>> operator co_await() const& {
    return detail::shared_future_awaiter<T, detail::shared_value_t<T>>(box_);
  }
  detail::shared_future_awaiter<T, T> operator co_await() &&
      requires(std::is_void_v<T> || std::is_reference_v<T> || std::is_copy_constructible_v<T>) {
        return detail::shared_future_awaiter<T, T>(std::move(box_));
      }

      [[nodiscard]] bool done() const noexcept {
    return box_ && box_->done();
  }
  [[nodiscard]] bool cancelled() const noexcept { return box_ && box_->cancelled(); }
  /// The value, or rethrows. Throws invalid_state_error when it is not done.
  detail::shared_value_t<T> result() const { return box_.checked().shared(); }
  /// As future::get.
  detail::shared_value_t<T> get() const {
    box_.checked().block_until_done();
    return box_->shared();
  }
  /// As future::add_done_callback.
  template <std::invocable F>
  void add_done_callback(F f) const {
    box_.checked().add_callback(detail::make_callback(std::move(f)));
  }

 private:
  friend future<T>;
  using box = detail::future_box<T>;
  explicit shared_future(detail::future_reference<box> adopted) noexcept
      : box_(std::move(adopted)) {}

  detail::future_reference<box> box_;
};

/// The side that completes a future. Move-only. Dropped without a result, it gives broken_promise.
///
/// Threads: any, also ones that know nothing of a runtime; of concurrent completions one wins.
/// Completing never runs a task or a done callback of a runtime on this stack.
template <class T = void>
class promise {
 public:
  promise() : box_(new box) {}
  promise(promise&&) noexcept = default;
  promise& operator=(promise&& other) noexcept {
    if (this != &other) {
      abandon();
      box_ = std::move(other.box_);
      given_ = other.given_;
    }
    return *this;
  }
  ~promise() { abandon(); }

  /// The future; once: throws invalid_state_error after that.
  future<T> get_future() {
    (void)box_.checked();
    if (std::exchange(given_, true))
      detail::throw_invalid_state("get_future() is called once; future::share() gives many");
    return future<T>(box_);
  }
  /// The future is done: completed, or cancelled by who waits for it.
  [[nodiscard]] bool done() const noexcept { return box_ && box_->done(); }

  /// Completes the future. Throw invalid_state_error when it is done already.
  template <class U = T>
    requires(!std::is_void_v<T> && !std::is_reference_v<T> && std::convertible_to<U &&, T>)
  void set_value(U&& value) {
    check_set(box_.checked().set_value(std::forward<U>(value)));
  }
  template <class U = T>
    requires std::is_reference_v<U>
  void set_value(std::type_identity_t<U> value) {
    check_set(box_.checked().set_value(value));
  }
  void set_value()
    requires std::is_void_v<T>
  {
    check_set(box_.checked().set_value());
  }
  /// Throws std::invalid_argument when there is no exception in it.
  void set_exception(std::exception_ptr error) { check_set(try_set_exception(std::move(error))); }

  /// The same; false when it is done already, for instance because the waiter has cancelled it.
  template <class U = T>
    requires(!std::is_void_v<T> && !std::is_reference_v<T> && std::convertible_to<U &&, T>)
  bool try_set_value(U&& value) {
    return box_.checked().set_value(std::forward<U>(value));
  }
  template <class U = T>
    requires std::is_reference_v<U>
  bool try_set_value(std::type_identity_t<U> value) {
    return box_.checked().set_value(value);
  }
  bool try_set_value()
    requires std::is_void_v<T>
  {
    return box_.checked().set_value();
  }
  bool try_set_exception(std::exception_ptr error) {
    if (error == nullptr) throw std::invalid_argument("promise::set_exception: no exception given");
    return box_.checked().set_error(std::move(error));
  }

 private:
  using box = detail::future_box<T>;

  static void check_set(bool was_pending) {
    if (!was_pending) detail::throw_invalid_state("the future is done already");
  }
  void abandon() noexcept {
    if (box_) box_->break_promise();
  }

  detail::future_reference<box> box_;
  bool given_ = false;
};

}  // namespace weft
