#pragma once

#include "cancel.h"
#include "detail/atomic.h"
#include "detail/intrusive_list.h"
#include "detail/own_cancellation.h"
#include "detail/spin_lock.h"
#include "detail/wait_node.h"
#include "spawn.h"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <vector>

namespace weft {

/// asyncio.TaskGroup: children that end before the scope does. Made by with_task_group.
///
/// Threads: used by the body and by descendants of the group, on any worker. Cost of a child: its
/// frame, and one small node that is reused.
class task_group {
 public:
  task_group(const task_group&) = delete;
  task_group& operator=(const task_group&) = delete;

  /// Starts a child. After the end of the group, or once it is being cancelled, throws
  /// invalid_state_error and destroys the task unrun.
  template <class T>
  join_handle<T> spawn(task<T> child, spawn_options options = {}) {
    const auto frame = child.release();
    start(detail::block_of<T>::state(frame), detail::block_of<T>::type, frame, options);
    return join_handle<T>(detail::block_of<T>::state(frame));
  }
  template <detail::owned_awaitable A>
    requires(!is_task<A> && !is_join_handle<A>)
  join_handle<await_result_t<A>> spawn(A&& awaited, spawn_options options = {}) {
    return spawn(detail::as_task<A>(std::forward<A>(awaited)), options);
  }
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

  /// Ends the group early: cancels body and children; the scope then ends without an exception.
  /// Idempotent.
  void cancel() noexcept;

  /// For with_task_group: made by the task that owns the scope.
  task_group() noexcept;
  ~task_group();
  /// Waits for all children; throws as the scope has to. `body`: what the body threw, or null.
  task<> finish(std::exception_ptr body);

 private:
  enum class phase : unsigned char { open, aborting, closed };

  /// A child's place in the group, used again for another when that has ended. It has a handle on
  /// the child while that runs, and on one that failed until the group ends.
  struct member : detail::completion_waiter, detail::list_node {
    enum class state : std::uint32_t {
      idle,        // no child yet
      running,     //
      cancelling,  // ... and a canceller is using it: of the two who comes second drops the handle
      cancelled,   // ... and its cancellation was requested
      ended,       // the place may be used again
      failed,
    };
    task_group* group = nullptr;
    //   written by  who spawns; relaxed: published by now. Who only looks may see another child
    detail::atomic<detail::task_state*> child{nullptr};
    //   written by  who spawns (idle, running), who completes the child (exchange), a canceller
    //               (compare-exchange) and forget_children
    //   pairing     acq_rel between those; acquire by who uses the place again
    detail::atomic<state> now{state::idle};

    /// A snapshot: it may end this moment.
    [[nodiscard]] bool has_child() const noexcept {
      const state seen = now.load(std::memory_order_acquire);  // acquire: see now
      return seen == state::running || seen == state::cancelling || seen == state::cancelled;
    }
  };
  struct block {
    block(task_group& group, std::size_t count);
    const std::unique_ptr<member[]> places;
    const std::size_t size;
    std::size_t used = 0;   // guarded by lock_: those before were taken once
    block* next = nullptr;  // ... as well
  };

  /// Waits until the last child has ended.
  class join : public detail::leaf_operation<join> {
   public:
    explicit join(task_group& joined) noexcept : group_(joined) {}
    bool try_now() noexcept;
    bool publish() noexcept;
    /// How the owner was interrupted meanwhile.
    detail::wait_outcome await_resume() const noexcept { return passed_on; }

   private:
    static detail::unlink_result cancel_wait(detail::wait_node& self) noexcept;
    static void visit_children(const detail::wait_node& self, detail::visit_function visit,
                               void* context) noexcept;
    task_group& group_;
  };

  member& begin_spawn();
  member* take_place() noexcept;
  void add_block();
  [[nodiscard]] std::ptrdiff_t alive_locked() const noexcept;
  bool count_child() noexcept;
  void count_end() noexcept;
  static bool hold(member& place, member::state from) noexcept;
  static void let_go(member& place) noexcept;
  static void cancel_member(member& place) noexcept;
  void disown(member& place) noexcept;
  template <class Action>
  void for_each_member(const Action& act) noexcept;
  void start(detail::task_state& child, const detail::task_type& type,
             std::coroutine_handle<> frame, const spawn_options& options);
  void abort() noexcept;
  void end_body() noexcept;
  std::vector<std::exception_ptr> take_failures(std::exception_ptr body);
  void forget_children() noexcept;
  static void on_child_done(detail::completion_waiter& self, detail::task_state& child) noexcept;

  // Immutable.
  detail::task_state& owner_;
  const int requests_before_;

  detail::own_cancellation interrupts_body_;  // from the beginning to the end of the body

  detail::spin_lock lock_;
  // Guarded by lock_.
  block* blocks_ = nullptr;  // all places, oldest first; they live as long as the group
  block* newest_ = nullptr;
  std::ptrdiff_t place_count_ = 0;
  detail::intrusive_list<member> spare_;   // places without a child
  detail::intrusive_list<member> failed_;  // in the order of their ends
  std::ptrdiff_t spawned_ = 0;             // before the owner waits
  bool owner_waits_ = false;
  phase phase_ = phase::open;
  bool body_running_ = true;
  bool interrupting_ = false;  // somebody is in the middle of cancelling the owner

  detail::wait_node* joiner_ = nullptr;  // published by ends_
  //   written by  who completes a child; relaxed: published by ends_
  detail::atomic<bool> child_was_cancelled_{false};
  // Apart from what the owner writes at each spawn.
  [[maybe_unused]] std::byte apart_[detail::cache_line];
  // Minus the children that have ended; from the time on when the owner waits, plus all that were
  // spawned: those that are alive.
  //   written by  who completes a child; the owner once, when it begins to wait; who spawns after
  //               that; forget_children
  //   pairing     acq_rel: the last one to end sees the joiner, and the owner what all have done
  detail::atomic<std::ptrdiff_t> ends_{0};
};

namespace detail {

template <class F>
task<body_value_t<F, task_group&>> run_task_group(F body) {
  using value = body_value_t<F, task_group&>;
  task_group group;
  std::exception_ptr error;
  if constexpr (std::is_void_v<value>) {
    try {
      co_await call_body(body, group);
    } catch (...) {  // judged when the children have ended
      error = std::current_exception();
    }
    co_await group.finish(error);
  } else {
    std::optional<value_t<value>> outcome;
    try {
      outcome.emplace(co_await call_body(body, group));
    } catch (...) {  // judged when the children have ended
      error = std::current_exception();
    }
    co_await group.finish(error);
    if (!outcome) throw cancelled_error();  // ended early: there is no value
    co_return static_cast<value>(std::move(*outcome));
  }
}

}  // namespace detail

/// Runs body(group) and waits for every child it spawned, and those they spawned.
///
/// On the first failure (a cancellation is none) body and children are cancelled, all are awaited,
/// and the failures come as one exception_group, also when there is only one.
/// Cancellation: cancels body and children, waits for them, then throws; if there were failures
/// these are thrown and the request stays pending. Also one that came too late to interrupt the
/// wait, if a child was cancelled; else it stays pending beside the value.
template <scope_body<task_group&> F>
  requires safe_in_await<F>
task<body_value_t<F, task_group&>> with_task_group(F&& body) {
  return detail::run_task_group<std::decay_t<F>>(std::forward<F>(body));
}
template <scope_body<task_group&> F>
  requires(!safe_in_await<F>)
[[deprecated(
    "g++ < 13 destroys this lambda twice inside co_await: name it and pass the name or "
    "std::ref(it)")]]
task<body_value_t<F, task_group&>> with_task_group(F&& body) {
  return detail::run_task_group<std::decay_t<F>>(std::forward<F>(body));
}

}  // namespace weft
