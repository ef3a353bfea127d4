#pragma once

#include "../error.h"
#include "intrusive_list.h"
#include "task_state.h"

#include <cassert>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>

namespace weft::detail {

/// Who owns the outcome of a wait after a canceller tried to end it.
enum class unlink_result : std::uint8_t {
  // Nobody else will wake the task: the canceller does, and the wait is cancelled.
  removed,
  // Somebody has claimed or will claim the node and wake the task; the request stays pending.
  completed,
  // The request was passed on (a join cancels its child): it is spent, and the wait goes on.
  forwarded,
};

enum class wait_outcome : std::uint8_t { completed, cancelled, interrupted };

/// Several waits of one task of which exactly one may complete (select). Whoever completes a node
/// claims the group first.
///
///   written by  any thread that completes a member, under the lock of the member's primitive;
///               the selecting task
///   pairing     none; relaxed: the order of the word alone decides which member wins. What the
///               winner stored in its node comes with its wake
class wait_group {
 public:
  static constexpr std::uint32_t open = ~std::uint32_t{0};
  static constexpr std::uint32_t held = open - 1;  // somebody tries whether its member can complete
  static constexpr std::uint32_t nobody = open - 2;  // the selecting task was cancelled

  /// True: the caller's member is the one that completes.
  bool claim(std::uint32_t member) noexcept;
  /// In two steps, for an operation that may turn out not to be ready: hold, then claim(held) or
  /// let go.
  bool hold() noexcept;
  void settle(std::uint32_t winner_or_open) noexcept;
  [[nodiscard]] std::uint32_t winner() const noexcept;

 private:
  atomic<std::uint32_t> winner_{open};
};

/// How a kind of wait is taken back, what it is called when somebody asks where a task waits, and
/// for which tasks: their ends, or the lock that one holds (null: it waits for something else).
struct wait_kind {
  unlink_result (*unlink)(wait_node& self) noexcept;
  const char* what;
  void (*visit_awaited)(const wait_node& self, visit_function visit,
                        void* context) noexcept = nullptr;
};

/// A string literal as a template argument.
template <std::size_t Size>
struct literal {
  char text[Size];
  consteval literal(const char (&from)[Size]) noexcept {  // NOLINT(google-explicit-constructor)
    for (std::size_t i = 0; i < Size; ++i) text[i] = from[i];
  }
};

/// `unlink = waits<take_out, "mutex::lock()">`.
template <unlink_result (*Unlink)(wait_node& self) noexcept, literal What,
          void (*VisitAwaited)(const wait_node& self, visit_function visit,
                               void* context) noexcept = nullptr>
inline constexpr wait_kind waits{Unlink, What.text, VisitAwaited};

/// A pointer to a kind that is called like its function.
class unlink_function {
 public:
  constexpr unlink_function() noexcept = default;
  constexpr unlink_function(const wait_kind& kind) noexcept  // NOLINT(google-explicit-constructor)
      : kind_(&kind) {}
  unlink_result operator()(wait_node& self) const noexcept { return kind_->unlink(self); }
  [[nodiscard]] const char* what() const noexcept { return kind_->what; }
  void visit_awaited(const wait_node& self, visit_function visit, void* context) const noexcept {
    if (kind_->visit_awaited != nullptr) kind_->visit_awaited(self, visit, context);
  }

 private:
  const wait_kind* kind_ = nullptr;
};

/// The node of one pending await: lives in the awaiter, in the frame of the coroutine that waits.
///
/// Every primitive keeps its waiters as these and implements `unlink`. It claims a node by taking
/// it out of its list under its lock and by claim(); then it stores the result and calls
/// wake(*task), after which the node may be gone. Aligned to 16 so that the wait word has room for
/// its flags.
struct alignas(16) wait_node : list_node {
  task_state* task = nullptr;
  unlink_function unlink;
  wait_group* group = nullptr;  // set by select only
  std::uint32_t member = 0;
  wait_outcome outcome = wait_outcome::completed;
  /// What was passed on when unlink() said forwarded; a cancellation outweighs an expiry. Read when
  /// the wait is over.
  wait_outcome passed_on = wait_outcome::completed;
  bool awaited = false;

  /// True if the caller may complete this wait. Called under the lock of the primitive; false: skip
  /// the node (its group has a winner already), leave it unlinked.
  [[nodiscard]] bool claim() noexcept { return group == nullptr || group->claim(member); }
};

/// Suspends the current task on a published node. False: do not suspend, node.outcome says how the
/// wait ended. The frame may run elsewhere when this returns true: the caller touches nothing
/// afterwards.
[[nodiscard]] bool arm(wait_node& node) noexcept;

/// Which exception does an interrupted or cancelled wait of the current task stand for? True: a
/// cancelled_error, and the request is spent; false: the timeout_error of the innermost expired
/// deadline.
[[nodiscard]] bool take_cancellation(wait_outcome outcome) noexcept;
[[noreturn]] void throw_timeout();
/// Throws it. In line for the sake of many tasks that are cancelled at once: the unwinder, which is
/// nearly all of what that costs, walks each frame between here and the handler twice.
[[noreturn, gnu::always_inline]] inline void throw_interrupted(wait_outcome outcome) {
  if (take_cancellation(outcome)) throw cancelled_error();
  throw_timeout();
}

/// An awaitable is awaited once: throws invalid_state_error.
[[noreturn]] void throw_awaited_twice();

/// Ready awaits in a row before a task must let others run; renewed at each resume.
inline constexpr int operations_per_resume = 128;

/// Queues the current task behind everybody else; it is resumed at `leaf`.
void reschedule_current() noexcept;

/// The shape of every leaf operation: an awaiter whose node waits at a primitive.
///
/// Op (the derived class) provides
///
///   bool try_now() noexcept   complete without waiting, if possible
///   bool publish() noexcept   under the primitive's lock: complete (false), or link the node so
///                             that others see it (true)
///   T take()                  the result of a completed operation; may throw the operation's own
///                             errors
///
/// and sets wait_node::unlink. publish() must try again: try_now() is skipped when the operation
/// budget is used up, and something may have happened in between. When publish() can complete at
/// once it calls claim() first, and if that says no it returns true without linking the node: a
/// select has another winner. An Op may be moved until it is awaited and is awaited once.
///
/// Cancellation: cancelled or interrupted waits throw from await_resume; nothing was taken then.
/// Cost: no allocation; two atomic operations besides the primitive's own when it has to wait.
template <class Op>
class leaf_operation : public wait_node {
 public:
  bool await_ready() {
    if (awaited) [[unlikely]]
      throw_awaited_twice();
    awaited = true;
    return here.budget > 0 && (--here.budget, self().try_now());
  }
  bool await_suspend(std::coroutine_handle<> waiter) noexcept {
    task = here.task;
    assert(task != nullptr && "co_await of a weft operation outside a weft task");
    task->leaf = waiter.address();
    if (self().publish()) return arm(*this);
    if (here.budget > 0) return false;
    reschedule_current();  // done, but it is time for others
    return true;
  }
  auto await_resume() -> decltype(auto) {
    if (outcome != wait_outcome::completed) [[unlikely]]
      throw_interrupted(outcome);
    return self().take();
  }

 private:
  friend Op;
  leaf_operation() noexcept = default;
  Op& self() noexcept { return static_cast<Op&>(*this); }
};

/// Is A one of ours, so that select can wait for it without a task of its own?
template <class A>
concept leaf_awaitable = requires(A& a) {
  { a.try_now() } -> std::same_as<bool>;
  { a.publish() } -> std::same_as<bool>;
  a.take();
  static_cast<wait_node&>(a);
};

}  // namespace weft::detail
