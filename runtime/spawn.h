#pragma once

#include "clock.h"
#include "detail/wait_node.h"
#include "exception_context.h"
#include "task.h"

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// Trivially destructible: {.name = "x"} is safe inside co_await. The name is copied.
struct spawn_options {
  std::string_view name = {};
  // asyncio's eager_start: the task runs inside of the call, up to its first suspension; if it
  // never suspends it is done then. Only when a task spawns it that runs on a worker of the same
  // runtime, not by spawn_on(), and not dozens of levels deep: else it is queued.
  bool eager_start = false;
};

namespace detail {

class scheduler;

/// A plain callback as a task.
template <std::invocable F>
task<> call_once(F f) {
  std::move(f)();
  co_return;
}

/// Throws if a cancellation request or an expired scope waits for the next suspension of the
/// running task.
void deliver_request();

/// Untyped halves of spawn and join_handle, in spawn.cpp.
void start_task(scheduler& on, task_state& task, const task_type& type,
                std::coroutine_handle<> frame, std::string_view name, std::uint32_t life_bits);
/// ... and runs its first step before it returns, where that can be.
void start_task_eagerly(scheduler& on, task_state& task, const task_type& type,
                        std::coroutine_handle<> frame, std::string_view name,
                        std::uint32_t life_bits);
/// ... on the worker with this number, for ever. Throws std::out_of_range when there is none.
void start_task_on(scheduler& on, std::size_t worker, task_state& task, const task_type& type,
                   std::coroutine_handle<> frame, std::string_view name);
std::size_t worker_count(const scheduler& of) noexcept;
/// A task made by call_once: runs whatever happens, also during a shutdown.
void start_callback(scheduler& on, task<> callback);
scheduler& current_scheduler(const char* operation);
/// Where a new task runs first, and for ever if it is pinned.
std::uint16_t home_worker(scheduler& on) noexcept;
void add_done_callback(task_state& observed, task<> callback);
void block_until_done(task_state& task);
/// False: it is not done by then.
bool block_until_done(task_state& task, clock::duration limit);
void retrieve(task_state& task) noexcept;
[[noreturn]] void throw_not_done();

/// Waits for a task that runs on its own. Cancelling the wait cancels that task too, and goes on
/// waiting for its end.
class join_operation : public leaf_operation<join_operation>, public completion_waiter {
 public:
  explicit join_operation(task_state* child) noexcept : child_(child) {}

  void take();

 protected:
  /// Throws invalid_state_error for an empty handle, and for a task that awaits itself: nothing was
  /// waited for then.
  void check_child() const;
  [[nodiscard]] bool can_wait() const noexcept;
  /// Shields: the child is left alone.
  join_operation(task_state* child, const wait_kind& how) noexcept : child_(child), how_(how) {}
  static unlink_result leave_child(wait_node& self) noexcept;
  static unlink_result cancel_child(wait_node& self) noexcept;
  static void visit_child(const wait_node& self, visit_function visit, void* context) noexcept;

  task_state* child_;

 private:
  // Not for select, which would have to be the child's awaiter without being one.
  friend leaf_operation<join_operation>;
  bool try_now() noexcept;
  bool publish() noexcept;
  static void on_child_done(completion_waiter& self, task_state& child) noexcept;

  unlink_function how_ = waits<cancel_child, "a task", visit_child>;
};

}  // namespace detail

template <class T>
class [[nodiscard]] join_awaiter;

/// A task that runs on its own (asyncio.Task). Move-only; dropping it detaches: the runtime owns
/// the task.
///
/// What nobody retrieved when the last handle is gone goes to the runtime's exception handler,
/// once.
/// Threads: its members may be called from any thread, one at a time a handle.
template <class T = void>
class join_handle {
 public:
  using value_type = T;

  join_handle() noexcept = default;
  join_handle(join_handle&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
  join_handle& operator=(join_handle&& other) noexcept {
    if (this != &other) {
      detach();
      task_ = std::exchange(other.task_, nullptr);
    }
    return *this;
  }
  ~join_handle() { detach(); }
  explicit operator bool() const noexcept { return task_ != nullptr; }

  /// Waits for the end of the task and gives its value: moved from an rvalue handle, copied from an
  /// lvalue if T can be copied. Rethrows its exception. Cancelling the awaiting task cancels this
  /// one too (shield() prevents that).
  join_awaiter<T> operator co_await() & noexcept { return join_awaiter<T>(task_, false); }
  join_awaiter<T> operator co_await() && noexcept { return join_awaiter<T>(task_, true); }

  /// Asks the task to stop at its next suspension. True when it was not done yet.
  bool cancel() noexcept { return task_ != nullptr && detail::cancel(*task_); }
  [[nodiscard]] bool done() const noexcept { return task_ != nullptr && detail::done(*task_); }
  /// It ended by cancellation.
  [[nodiscard]] bool cancelled() const noexcept {
    return task_ != nullptr && detail::ended_cancelled(*task_);
  }
  /// The value, or rethrows. Throws invalid_state_error when the task is not done.
  T result() {
    check_done();
    detail::retrieve(*task_);
    return detail::block_of<T>::slot(*task_).copy();
  }
  /// What it failed with, or null. Throws invalid_state_error when it is not done.
  std::exception_ptr exception() const {
    check_done();
    detail::retrieve(*task_);
    return task_->type->exception(*task_);
  }
  /// Calls f() once the task is done, on a worker, never on the caller's stack; at once if it is
  /// done already. Callbacks of one task run in the order of registration.
  template <std::invocable F>
  void add_done_callback(F f) {
    check_valid();
    detail::add_done_callback(*task_, detail::call_once(std::move(f)));
  }
  [[nodiscard]] task_id id() const { return task_ == nullptr ? 0 : detail::id_of(*task_); }
  [[nodiscard]] std::string name() const {
    return task_ == nullptr ? std::string() : detail::name_of(*task_);
  }
  void detach() noexcept {
    if (task_ != nullptr) detail::drop_handle(*std::exchange(task_, nullptr));
  }
  /// Blocks a thread that is not a worker until the task is done. Throws std::logic_error on a
  /// worker, and where no thread runs the task's runtime.
  T get() {
    check_valid();
    detail::block_until_done(*task_);
    return result();
  }
  /// ... for at most `limit`, of real time: throws timeout_error when the task is not done by then.
  /// It goes on, and get() may be called again.
  template <class Rep, class Period>
  T get(std::chrono::duration<Rep, Period> limit) {
    check_valid();
    if (!detail::block_until_done(*task_, detail::to_clock_duration(limit))) throw timeout_error();
    return result();
  }

  explicit join_handle(detail::task_state& adopted) noexcept : task_(&adopted) {}
  /// For the library's own combinators.
  [[nodiscard]] detail::task_state* state() const noexcept { return task_; }

 private:
  void check_valid() const {
    if (task_ == nullptr) detail::throw_invalid_state("the join_handle is empty");
  }
  void check_done() const {
    if (!done()) detail::throw_not_done();
  }

  detail::task_state* task_ = nullptr;
};

template <class T>
class [[nodiscard]] join_awaiter : public detail::join_operation {
 public:
  join_awaiter(detail::task_state* child, bool move) noexcept
      : join_operation(child), move_(move) {}
  [[nodiscard]] T await_resume() {
    if (outcome != detail::wait_outcome::completed) [[unlikely]]
      detail::throw_interrupted(outcome);
    take();
    detail::result_slot<T>& slot = detail::block_of<T>::slot(*child_);
    return move_ ? slot.take() : slot.copy();
  }
  /// For as_result: what await_resume() would rethrow. Null: nothing, or it has more to do.
  [[nodiscard]] std::exception_ptr failure() const noexcept {
    if (outcome != detail::wait_outcome::completed ||
        passed_on != detail::wait_outcome::completed || !can_wait())
      return nullptr;
    detail::retrieve(*child_);
    return child_->type->exception(*child_);
  }

 private:
  bool move_;
};

template <class X>
inline constexpr bool is_join_handle = false;
template <class T>
inline constexpr bool is_join_handle<join_handle<T>> = true;

/// An lvalue range of handles: vector, array, span, list...
template <class R>
concept handle_range =
    std::ranges::forward_range<R> && is_join_handle<std::ranges::range_value_t<R>> &&
    std::is_lvalue_reference_v<std::ranges::range_reference_t<R>> &&
    (std::is_lvalue_reference_v<R> || std::ranges::borrowed_range<R>);
template <handle_range R>
using range_handle_t = typename std::ranges::range_value_t<R>::value_type;

namespace detail {

template <class T>
join_handle<T> spawn_task(scheduler& on, task<T> child, spawn_options options,
                          std::uint32_t life_bits) {
  const auto frame = child.release();
  task_state& state = block_of<T>::state(frame);
  const auto start = options.eager_start ? start_task_eagerly : start_task;
  start(on, state, block_of<T>::type, frame, options.name, life_bits);
  return join_handle<T>(state);
}

}  // namespace detail

/// asyncio's create_task: runs `child` concurrently on the current runtime, never on the caller's
/// stack unless spawn_options::eager_start asks for it.
///
/// Throws std::logic_error outside of a runtime.
/// Cost: one allocation, the frame that the task brings.
template <class T>
join_handle<T> spawn(task<T> child, spawn_options options = {}) {
  return detail::spawn_task(detail::current_scheduler("spawn()"), std::move(child), options, 0);
}
/// Any other awaitable given as an rvalue: spawn(sleep(1s)).
template <detail::owned_awaitable A>
  requires(!is_task<A> && !is_join_handle<A>)
join_handle<await_result_t<A>> spawn(A&& awaited, spawn_options options = {}) {
  return spawn(detail::as_task<A>(std::forward<A>(awaited)), options);
}
/// f(args...) with both moved into the child, so that a coroutine lambda with captures is safe.
template <class F, class... Args>
  requires task_function<F, Args...>
join_handle<task_value_t<F, Args...>> spawn(F&& f, Args&&... args) {
  return spawn(detail::call_in_frame(std::forward<F>(f), std::forward<Args>(args)...));
}
template <class F, class... Args>
  requires task_function<F, Args...>
join_handle<task_value_t<F, Args...>> spawn(spawn_options options, F&& f, Args&&... args) {
  return spawn(detail::call_in_frame(std::forward<F>(f), std::forward<Args>(args)...), options);
}

/// Neither: says why not.
template <class F, class... Args>
  requires(!task_function<F, Args...> && !awaitable<F> &&
           !std::same_as<std::remove_cvref_t<F>, spawn_options>)
join_handle<> spawn(F&&, Args&&...) {
  detail::explain_task_function<F, Args...>();
  return {};
}
template <class F, class... Args>
  requires(!task_function<F, Args...> && !awaitable<F>)
join_handle<> spawn(spawn_options, F&&, Args&&...) {
  detail::explain_task_function<F, Args...>();
  return {};
}

/// As spawn, but the task never leaves the worker that spawned it.
template <class T>
join_handle<T> spawn_local(task<T> child, spawn_options options = {}) {
  return detail::spawn_task(detail::current_scheduler("spawn_local()"), std::move(child), options,
                            detail::task_life::pinned);
}
template <detail::owned_awaitable A>
  requires(!is_task<A> && !is_join_handle<A>)
join_handle<await_result_t<A>> spawn_local(A&& awaited, spawn_options options = {}) {
  return spawn_local(detail::as_task<A>(std::forward<A>(awaited)), options);
}
template <class F, class... Args>
  requires task_function<F, Args...>
join_handle<task_value_t<F, Args...>> spawn_local(F&& f, Args&&... args) {
  return spawn_local(detail::call_in_frame(std::forward<F>(f), std::forward<Args>(args)...));
}
template <class F, class... Args>
  requires task_function<F, Args...>
join_handle<task_value_t<F, Args...>> spawn_local(spawn_options options, F&& f, Args&&... args) {
  return spawn_local(detail::call_in_frame(std::forward<F>(f), std::forward<Args>(args)...),
                     options);
}

/// As spawn, on the worker with this number, from 0, which the task never leaves. Throws
/// std::out_of_range, and destroys the task unrun, when there is no such worker.
template <class T>
join_handle<T> spawn_on(std::size_t worker, task<T> child, spawn_options options = {}) {
  detail::scheduler& on = detail::current_scheduler("spawn_on()");
  const auto frame = child.release();
  detail::task_state& state = detail::block_of<T>::state(frame);
  detail::start_task_on(on, worker, state, detail::block_of<T>::type, frame, options.name);
  return join_handle<T>(state);
}
template <detail::owned_awaitable A>
  requires(!is_task<A> && !is_join_handle<A>)
join_handle<await_result_t<A>> spawn_on(std::size_t worker, A&& awaited,
                                        spawn_options options = {}) {
  return spawn_on(worker, detail::as_task<A>(std::forward<A>(awaited)), options);
}
template <class F, class... Args>
  requires task_function<F, Args...>
join_handle<task_value_t<F, Args...>> spawn_on(std::size_t worker, F&& f, Args&&... args) {
  return spawn_on(worker, detail::call_in_frame(std::forward<F>(f), std::forward<Args>(args)...));
}
template <class F, class... Args>
  requires task_function<F, Args...>
join_handle<task_value_t<F, Args...>> spawn_on(std::size_t worker, spawn_options options, F&& f,
                                               Args&&... args) {
  return spawn_on(worker, detail::call_in_frame(std::forward<F>(f), std::forward<Args>(args)...),
                  options);
}

/// One task on each worker, which it never leaves: of f(), or f(number of the worker). The handles
/// come in the order of the workers; each task has a copy of f.
template <class F>
  requires(task_function<const F&> || task_function<const F&, std::size_t>)
auto spawn_per_worker(const F& f) {
  const auto begin = [&f](std::size_t worker) {
    if constexpr (task_function<const F&, std::size_t>) {
      return spawn_on(worker, f, worker);
    } else {
      return spawn_on(worker, f);
    }
  };
  const std::size_t count = detail::worker_count(detail::current_scheduler("spawn_per_worker()"));
  std::vector<decltype(begin(0))> handles;
  handles.reserve(count);
  for (std::size_t worker = 0; worker < count; ++worker) handles.push_back(begin(worker));
  return handles;
}

/// Lets others run: everything that is ready goes first (asyncio's sleep(0)). A cancellation point.
/// Cost: about 10 ns. Threads: inside a task.
class [[nodiscard]] yield_awaiter {
 public:
  yield_awaiter() noexcept = default;
  yield_awaiter(yield_awaiter&&) noexcept = default;
  yield_awaiter& operator=(yield_awaiter&&) = delete;
  ~yield_awaiter() = default;

  bool await_ready() {
    if (std::exchange(awaited_, true)) [[unlikely]]
      detail::throw_awaited_twice();
    return false;
  }
  bool await_suspend(std::coroutine_handle<> waiter) noexcept {
    detail::here.task->leaf = waiter.address();
    if (detail::interrupted(*detail::here.task)) return false;
    detail::reschedule_current();
    return true;
  }
  void await_resume() const { detail::deliver_request(); }

 private:
  bool awaited_ = false;
};
inline yield_awaiter yield() noexcept {
  return {};
}

namespace this_task {

/// Of the running task. All throw std::logic_error outside of a task.
task_id id();
std::string name();
/// Cancellation requests so far, minus uncancel().
int cancelling();
/// Takes back one request; at zero one that was not delivered yet is withdrawn. Returns how many
/// are left.
int uncancel();
/// A cancellation point that never suspends: throws cancelled_error (or timeout_error) if the next
/// suspension would.
void check_cancelled();

}  // namespace this_task

enum class task_state { ready, running, suspended, done };

/// One line of all_tasks().
struct task_info {
  task_id id;
  std::string name;
  task_state state;
  std::string where;   // what a suspended one waits for: "mutex::lock()"
  task_id parent = 0;  // in debug mode, who has spawned it; 0: nobody, or not known
};

/// The unfinished tasks of the current runtime. A snapshot: a task that lives during the whole call
/// is in it.
std::vector<task_info> all_tasks();
/// Writes the unfinished tasks of the current runtime, one a line: id, name, state, and what it
/// waits for. Under each, the coroutines that it is suspended in, the innermost first, with file and
/// line of the await. In debug mode a task stands under the one that has spawned it.
///
///     1 main suspended in a task
///         task<> app() at server.cpp:71
///       2 session suspended in reading
///           task<std::string> read_request(tcp_stream &) at server.cpp:18
///           task<> serve(tcp_stream) at server.cpp:33
///
/// Throws std::logic_error outside of a runtime. Cost: a look at every task, whose wake-ups wait
/// meanwhile.
void dump_tasks(std::ostream& out);

}  // namespace weft
