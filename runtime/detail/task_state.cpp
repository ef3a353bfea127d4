#include "task_state.h"

#include "../error.h"
#include "chaos.h"
#include "context.h"
#include "frame_pool.h"
#include "held_locks.h"
#include "interrupt_scope.h"
#include "wait_node.h"

#include <cassert>
#include <cstddef>
#include <memory>
#include <new>
#include <typeinfo>
#include <utility>

namespace weft::detail {

constinit thread_local execution here;

namespace {

constexpr std::uint64_t armed = 1, held = 2, busy = 4, woken = 8;
constexpr std::uint64_t request = std::uint64_t{1} << 48;
constexpr std::uint64_t level = std::uint64_t{1} << 49;
constexpr std::uint64_t masked = std::uint64_t{1} << 50;
constexpr std::uint64_t node_mask = 0x0000'ffff'ffff'fff0;
constexpr std::uint64_t suspended_mask = node_mask | armed | held | busy;
constexpr std::uint64_t one_request = std::uint64_t{1} << 56;
constexpr std::uint64_t count_mask = std::uint64_t{0xff} << 56;
// With any of these set, suspending needs a closer look.
constexpr std::uint64_t attention_mask = woken | request | level;

std::uint64_t bits_of(const wait_node& node) noexcept {
  return reinterpret_cast<std::uintptr_t>(&node);
}
wait_node& node_of(std::uint64_t word) noexcept {
  return *reinterpret_cast<wait_node*>(static_cast<std::uintptr_t>(word & node_mask));
}

// acq_rel: see task_state::wait. The failure order is acquire because the caller acts on what it
// read.
bool transition(task_state& task, std::uint64_t& from, std::uint64_t to) noexcept {
  return task.wait.compare_exchange_weak(from, to, std::memory_order_acq_rel,
                                         std::memory_order_acquire);
}
// acquire: the start of a transition loop, pairs with the acq_rel of the transition that wrote the
// word.
std::uint64_t peek(const task_state& task) noexcept {
  return task.wait.load(std::memory_order_acquire);
}

std::uint64_t counted(std::uint64_t word) noexcept {
  return (word & count_mask) == count_mask ? word : word + one_request;
}

/// The request bit, if the next suspension of the task has to raise it.
std::uint64_t raisable(std::uint64_t word) noexcept {
  return (word & masked) != 0 ? 0 : word & request;
}
/// Notes on the node what its unlink() has passed on: `outcome`, or a request that waits in `word`
/// and is spent with it. Before the transition that lets the task go on.
void pass_on(wait_node& node, std::uint64_t word, wait_outcome outcome) noexcept {
  if (raisable(word) != 0) outcome = wait_outcome::cancelled;
  if (node.passed_on != wait_outcome::cancelled) node.passed_on = outcome;
}

/// Owner, or a canceller that has the task BUSY.
bool must_raise(const task_state& task, std::uint64_t word) noexcept {
  return raisable(word) != 0 || ((word & level) != 0 && scope_raises(task));
}

/// The node is published and an interruption is pending: take the wait back, unless it is too late.
/// True: suspended after all (the wake is on its way).
bool arm_interrupted(task_state& task, wait_node& node) noexcept {
  switch (node.unlink(node)) {
    case unlink_result::removed: {
      std::uint64_t word = peek(task);
      while (!transition(task, word, word & ~raisable(word))) {
      }
      node.outcome = raisable(word) != 0 ? wait_outcome::cancelled : wait_outcome::interrupted;
      return false;
    }
    case unlink_result::completed: {
      std::uint64_t word = peek(task);
      for (;;) {
        if ((word & woken) != 0) {
          if (transition(task, word, word & ~woken)) return false;
        } else if (transition(task, word, word | bits_of(node) | held)) {
          return true;
        }
      }
    }
    case unlink_result::forwarded: {
      std::uint64_t word = peek(task);
      for (;;) {
        pass_on(node, word, wait_outcome::interrupted);
        if ((word & woken) != 0) {
          if (transition(task, word, word & ~(woken | raisable(word)))) return false;
        } else if (transition(task, word, (word & ~raisable(word)) | bits_of(node) | armed)) {
          return true;
        }
      }
    }
  }
  return false;
}

bool arm_slowly(task_state& task, wait_node& node) noexcept {
  std::uint64_t word = peek(task);
  for (;;) {
    if ((word & woken) != 0) {
      if (transition(task, word, word & ~woken)) return false;
    } else if (must_raise(task, word)) {
      return arm_interrupted(task, node);
    } else if (transition(task, word, word | bits_of(node) | armed)) {
      return true;
    }
  }
}

/// A canceller that holds the task BUSY ends its visit: back to ARMED or HELD, or schedule if a
/// wake came meanwhile.
void leave_busy(task_state& task, std::uint64_t resting, std::uint64_t pending) noexcept {
  std::uint64_t word = peek(task);
  for (;;) {
    if ((word & woken) != 0) {
      if (transition(task, word, (word & ~(suspended_mask | woken)) | pending))
        return schedule(task);
    } else if (transition(task, word, (word & ~busy) | resting | pending)) {
      return;
    }
  }
}

/// ... after its visit was passed on: the wait goes on, and requests that came meanwhile are spent
/// with it.
void leave_forwarded(task_state& task, wait_node& node, wait_outcome outcome) noexcept {
  std::uint64_t word = peek(task);
  for (;;) {
    pass_on(node, word, outcome);
    if ((word & woken) != 0) {
      if (transition(task, word, word & ~(suspended_mask | woken | raisable(word))))
        return schedule(task);
    } else if (transition(task, word, (word & ~(busy | raisable(word))) | armed)) {
      return;
    }
  }
}

/// The task is BUSY on our behalf.
void interrupt_wait(task_state& task, wait_node& node, wait_outcome outcome,
                    std::uint64_t pending) noexcept {
  chaos::point();  // the primitive may wake it now
  switch (node.unlink(node)) {
    case unlink_result::removed: {
      node.outcome = outcome;
      // One exception stands for all requests made before the task runs again; an expiry does not.
      const std::uint64_t delivered = outcome == wait_outcome::cancelled ? request : 0;
      std::uint64_t word = peek(task);
      while (!transition(task, word, word & ~(suspended_mask | woken | delivered))) {
      }
      return schedule(task);
    }
    case unlink_result::completed:
      return leave_busy(task, held, pending);
    case unlink_result::forwarded:
      return leave_forwarded(task, node, outcome);
  }
}

/// ... if there is something to raise, which may have come from others meanwhile. Else the wait
/// goes on: a scope of the task shields from what has brought us here, or we only came to look.
void raise_or_leave(task_state& task) noexcept {
  std::uint64_t word = peek(task);
  for (;;) {
    if (must_raise(task, word)) {
      const auto outcome =
          raisable(word) != 0 ? wait_outcome::cancelled : wait_outcome::interrupted;
      return interrupt_wait(task, node_of(word), outcome, raisable(word));
    }
    if ((word & woken) != 0) {
      if (transition(task, word, word & ~(suspended_mask | woken))) return schedule(task);
    } else if (transition(task, word, (word & ~busy) | armed)) {
      return;
    }
  }
}

/// Waits until no one edits the waiter list and applies one change to the life word. Returns the
/// old word.
template <class Change>
std::uint32_t change_life(task_state& task, Change change) noexcept {
  std::uint32_t word = task.life.load(std::memory_order_relaxed);
  for (int spins = 0;;) {
    if ((word & task_life::lock) != 0) {
      if (++spins < 256) cpu_relax();
      word = task.life.load(std::memory_order_relaxed);
      continue;
    }
    // acq_rel: pairs with itself, see task_state::life.
    if (task.life.compare_exchange_weak(word, change(word), std::memory_order_acq_rel,
                                        std::memory_order_relaxed))
      return word;
  }
}
std::uint32_t lock_life(task_state& task) noexcept {
  return change_life(task, [](std::uint32_t word) { return word | task_life::lock; });
}
void unlock_life(task_state& task, std::uint32_t word) noexcept {
  // release: pairs with the acquire of the next change; all other writers wait for us, so a store
  // suffices.
  task.life.store(word & ~task_life::lock, std::memory_order_release);
}

/// Nobody can reach the task any more.
void free_block(task_state& task) noexcept {
  task.type->destroy_result(task);
  // Relaxed: who has written it held the task, and has let it go.
  drop_extra(task.extra.load(std::memory_order_relaxed));
  const std::uint8_t size_class = task.size_class;
  // release: a walker that finds no task here has seen all that the last one did; see try_pin. One
  // that still sees the old word fails to pin, because the task is done.
  task.life.store(0, std::memory_order_release);
  frame_pool::release_class(&task, size_class);
}

}  // namespace

bool wait_group::claim(std::uint32_t member) noexcept {
  if (!hold()) return false;
  settle(member);
  return true;
}

bool wait_group::hold() noexcept {
  for (;;) {
    std::uint32_t seen = open;
    if (winner_.compare_exchange_weak(seen, held, std::memory_order_relaxed)) return true;
    if (seen != open && seen != held) return false;
    cpu_relax();
  }
}

void wait_group::settle(std::uint32_t winner_or_open) noexcept {
  winner_.store(winner_or_open, std::memory_order_relaxed);
}

std::uint32_t wait_group::winner() const noexcept {
  return winner_.load(std::memory_order_relaxed);
}

bool arm(wait_node& node) noexcept {
  task_state& task = *node.task;
  chaos::point();  // the node is published: a wake or a cancellation may come first
  std::uint64_t word = task.wait.load(std::memory_order_relaxed);
  // release: see task_state::wait. No acquire: who wrote the old word has told the task nothing.
  if ((word & attention_mask) == 0 &&
      task.wait.compare_exchange_strong(word, word | bits_of(node) | armed,
                                        std::memory_order_release, std::memory_order_relaxed))
      [[likely]] {
    return true;
  }
  return arm_slowly(task, node);
}

void wake(task_state& task) noexcept {
  chaos::point();  // the node is claimed: cancellers find the wait completed
  std::uint64_t word = peek(task);
  for (;;) {
    if ((word & busy) == 0 && (word & (armed | held)) != 0) [[likely]] {
      if (transition(task, word, word & ~suspended_mask)) return schedule(task);
    } else if (transition(task, word, word | woken)) {
      return;
    }
  }
}

namespace {

/// After the request is counted: see set_stop_hook.
void tell_stop_hook(task_state& task) noexcept {
  task_extra* extra = find_extra(task);
  if (extra == nullptr) return;
  stop_hook* hook = nullptr;
  {
    const spin_guard guard(extra->lock);
    hook = extra->stop;
    if (hook != nullptr) hook->add_reference();
  }
  if (hook == nullptr) return;
  hook->request_stop();  // runs callbacks of the user's: without the lock
  hook->drop_reference();
}

}  // namespace

bool cancel(task_state& task) noexcept {
  if (done(task)) return false;
  std::uint64_t word = peek(task);
  for (;;) {
    if ((word & armed) != 0 && (word & (busy | masked)) == 0) {
      if (!transition(task, word, (counted(word) & ~armed) | busy)) continue;
      interrupt_wait(task, node_of(word), wait_outcome::cancelled, request);
      break;
    }
    // Running, queued, held, masked, or another canceller is at work: the request waits for the next
    // suspension, or is delivered together with the other one.
    if (transition(task, word, counted(word) | request)) break;
  }
  tell_stop_hook(task);
  return true;
}

void interrupt(task_state& task) noexcept {
  std::uint64_t word = peek(task);
  for (;;) {
    if ((word & armed) != 0 && (word & busy) == 0) {
      if (!transition(task, word, (word & ~armed) | busy | level)) continue;
      return raise_or_leave(task);
    }
    if (transition(task, word, word | level)) return;
  }
}

void clear_level(task_state& task) noexcept {
  // acquire: the owner looks at its scopes next, and the level that it takes away may be that of one
  // which has expired just now.
  task.wait.fetch_and(~level, std::memory_order_acquire);
}

int cancelling(const task_state& task) noexcept {
  return static_cast<int>(peek(task) >> 56);
}

int uncancel(task_state& task) noexcept {
  std::uint64_t word = peek(task);
  for (;;) {
    if ((word & count_mask) == 0) return 0;
    std::uint64_t less = word - one_request;
    if ((less & count_mask) == 0) less &= ~request;
    if (transition(task, word, less)) return static_cast<int>(less >> 56);
  }
}

int requests_before(const task_state& task) noexcept {
  const std::uint64_t word = peek(task);
  const int count = static_cast<int>(word >> 56);
  return (word & request) != 0 && count > 0 ? count - 1 : count;
}

bool retract(task_state& task, int before) noexcept {
  std::uint64_t word = peek(task);
  for (;;) {
    const std::uint64_t left = (word & count_mask) == 0 ? 0 : (word >> 56) - 1;
    std::uint64_t less = (word & ~count_mask) | left << 56;
    const bool ours = left <= static_cast<std::uint64_t>(before);
    if (ours) less &= ~request;
    if (transition(task, word, less)) return ours;
  }
}

bool request_pending(const task_state& task) noexcept {
  return (peek(task) & request) != 0;
}
void repost_request(task_state& task) noexcept {
  // Relaxed: the task's own, and nothing else goes with it.
  task.wait.fetch_or(request, std::memory_order_relaxed);
}

bool interrupted(const task_state& task) noexcept {
  return must_raise(task, peek(task));
}

bool level_raised(const task_state& task) noexcept {
  return (peek(task) & level) != 0;
}
bool is_suspended(const task_state& task) noexcept {
  return (peek(task) & (armed | held | busy)) != 0;
}

// Relaxed: the mask is the task's own, and cancellers go by the word alone. Who finds the task armed
// later sees what it did before by that.
void mask_requests(task_state& task) noexcept {
  task.wait.fetch_or(masked, std::memory_order_relaxed);
}
void unmask_requests(task_state& task) noexcept {
  task.wait.fetch_and(~masked, std::memory_order_relaxed);
}
bool requests_masked(const task_state& task) noexcept {
  return (peek(task) & masked) != 0;
}

bool set_stop_hook(task_state& task, stop_hook* hook) {
  task_extra& extra = extra_of(task);
  stop_hook* before = nullptr;
  {
    const spin_guard guard(extra.lock);
    before = std::exchange(extra.stop, hook);
  }
  if (before != nullptr) before->drop_reference();
  // A read-modify-write, though it changes nothing: a store-load race. Either it comes after that of
  // a canceller and sees the request, or before it, and then the canceller finds the hook. acquire:
  // what was done before the request is seen.
  return task.wait.fetch_or(0, std::memory_order_acq_rel) >= one_request;
}

const char* waits_for(task_state& task) noexcept {
  return waits_for(task, [](void*, const task_state&) noexcept {}, nullptr);
}

const char* waits_for(task_state& task, look_function look, void* context) noexcept {
  std::uint64_t word = peek(task);
  for (;;) {
    const std::uint64_t resting = word & (armed | held);
    if (resting == 0 || (word & busy) != 0) return nullptr;
    if (!transition(task, word, (word & ~resting) | busy)) continue;
    const char* const what = node_of(word).unlink.what();
    look(context, task);
    if (resting == armed) {
      raise_or_leave(task);
    } else {
      leave_busy(task, held, 0);
    }
    return what;
  }
}

void visit_awaited(const task_state& task, visit_function visit, void* context) noexcept {
  const wait_node& node = node_of(peek(task));
  node.unlink.visit_awaited(node, visit, context);
}

bool consume_request(task_state& task) noexcept {
  if ((peek(task) & masked) != 0) return false;
  // acquire: who is told of a request sees what was done before it. The task itself tells nothing.
  return (task.wait.fetch_and(~request, std::memory_order_acquire) & request) != 0;
}

void init_task(task_state& state, const task_type& type, std::uint8_t runtime,
               std::coroutine_handle<> frame, std::uint32_t life_bits,
               std::uintptr_t extra) noexcept {
  state.wait.store(0, std::memory_order_relaxed);
  state.worker = 0;
  state.runtime = runtime;
  state.leaf =
      reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(frame.address()) | leaf_tag::first);
  state.next = nullptr;
  state.waiters = nullptr;
  state.type = &type;
  state.scopes = nullptr;
  state.extra.store(extra, std::memory_order_relaxed);  // published with life
  // release: pairs with the acquire of walkers that pin the task, and of who takes it from a queue.
  state.life.store(
      task_life::frame | life_bits | std::uint32_t{runtime} << task_life::runtime_shift,
      std::memory_order_release);
}

namespace {

std::uint32_t how_it_ended(const task_state& task) noexcept {
  if (!task.type->failed(task)) return task_life::done;
  return task_life::done |
         (is_cancellation(task.type->exception(task)) ? task_life::cancelled : task_life::failed);
}

bool unseen_failure(std::uint32_t life) noexcept {
  return (life & (task_life::failed | task_life::retrieved)) == task_life::failed;
}

/// In order of registration: the list was built newest first.
void tell(completion_waiter* newest, task_state& task) noexcept {
  if (newest == nullptr) return;
  // A waiter that several tasks share (child_set) is always alone, and its link is not written.
  if (newest->next == nullptr) return newest->on_done(*newest, task);
  completion_waiter* oldest = nullptr;
  while (newest != nullptr) {
    completion_waiter* next = newest->next;
    newest->next = oldest;
    oldest = newest;
    newest = next;
  }
  while (oldest != nullptr) {
    completion_waiter* next = oldest->next;
    oldest->on_done(*oldest, task);
    oldest = next;
  }
}

}  // namespace

void complete(task_state& task) noexcept {
  const std::uint32_t ended = how_it_ended(task);
  // The parameters of the coroutine die before anybody hears of its end. What they run may end other
  // tasks.
  const task_state* const outer = std::exchange(here.ending, &task);
  std::coroutine_handle<>::from_address(reinterpret_cast<std::byte*>(&task) +
                                        task.type->prefix_bytes)
      .destroy();
  here.ending = outer;
  chaos::point();
  if (context_of(task) != nullptr) set_context(task, nullptr);
  if (held_locks::watched()) [[unlikely]]
    end_locks(task);
  const std::uint8_t runtime = task.runtime;
  const std::uint32_t before = lock_life(task);
  completion_waiter* waiters = std::exchange(task.waiters, nullptr);
  const std::uint32_t after = (before & ~task_life::frame) | ended;
  const bool unheld = (after & task_life::handles) == 0;
  unlock_life(task, after);
  chaos::point();
  // Held by somebody else, the task may be gone now. A waiter that looks at it holds it until it is
  // told.
  tell(waiters, task);
  if (unheld) {
    if (unseen_failure(after)) report_unretrieved(task);
    free_block(task);
  }
  task_ended(runtime, (before & task_life::swept) != 0);
}

void complete_unstarted(task_state& task) noexcept {
  static const std::exception_ptr cancellation = std::make_exception_ptr(cancelled_error());
  // The request is delivered with that: who has passed it on does not get it back.
  (void)consume_request(task);
  task.type->set_exception(task, cancellation);
  complete(task);
}

bool condemn(task_state& task) noexcept {
  std::uint64_t word = peek(task);
  do {
    if ((word & (armed | held)) == 0 || (word & busy) != 0) return false;
  } while (!transition(task, word, (word & ~(armed | held)) | busy));
  wait_node& node = node_of(word);
  if (node.unlink(node) != unlink_result::removed) {
    leave_busy(task, word & (armed | held), 0);
    return false;
  }
  // As if it had never run: the worker destroys the frame, and with it all frames that it awaits.
  auto* frame = reinterpret_cast<std::byte*>(&task) + task.type->prefix_bytes;
  task.leaf = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(frame) | leaf_tag::first);
  word = peek(task);
  while (!transition(task, word, (word & ~(suspended_mask | woken | masked)) | request)) {
  }
  schedule(task);
  return true;
}

namespace {

/// changed(life) replaces the life of a live task of this runtime that `wanted` says yes to.
template <class Wanted, class Changed>
bool change_if_live(task_state& task, std::uint8_t runtime, const Wanted& wanted,
                    const Changed& changed) noexcept {
  // acquire: pairs with the release of complete() and free_block(). A shutdown that finds no task
  // promises its caller to see what the tasks have done.
  std::uint32_t word = task.life.load(std::memory_order_acquire);
  while ((word & task_life::frame) != 0 && word >> task_life::runtime_shift == runtime &&
         wanted(word)) {
    if ((word & task_life::lock) != 0) {
      cpu_relax();
      word = task.life.load(std::memory_order_acquire);  // acquire: as above
      continue;
    }
    // acquire: pairs with the release in init_task: the header may be read, also that of the next
    // task in this block whose word is the same. If it fails: as above.
    if (task.life.compare_exchange_weak(word, changed(word), std::memory_order_acquire,
                                        std::memory_order_acquire)) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool try_pin(task_state& task, std::uint8_t runtime) noexcept {
  return change_if_live(
      task, runtime, [](std::uint32_t) { return true; },
      [](std::uint32_t life) { return life + task_life::one_handle; });
}

bool mark_swept(task_state& task, std::uint8_t runtime) noexcept {
  return change_if_live(
      task, runtime, [](std::uint32_t life) { return (life & task_life::swept) == 0; },
      [](std::uint32_t life) { return life | task_life::swept; });
}

void add_handle(task_state& task) noexcept {
  change_life(task, [](std::uint32_t word) { return word + task_life::one_handle; });
}

void drop_handle(task_state& task) noexcept {
  // acquire: pairs with the release in complete(). The last handle of a task that has ended is
  // alone with it.
  std::uint32_t word = task.life.load(std::memory_order_acquire);
  const bool alone =
      (word & (task_life::frame | task_life::lock | task_life::handles)) == task_life::one_handle;
  if (!alone) {
    word = change_life(task, [](std::uint32_t life) { return life - task_life::one_handle; });
    if ((word & (task_life::frame | task_life::handles)) != task_life::one_handle) return;
  }
  if (unseen_failure(word)) report_unretrieved(task);
  free_block(task);
}

bool add_waiter(task_state& task, completion_waiter& waiter) noexcept {
  if (done(task)) return false;
  const std::uint32_t word = lock_life(task);
  const bool pending = (word & task_life::done) == 0;
  if (pending) {
    waiter.next = task.waiters;
    task.waiters = &waiter;
  }
  unlock_life(task, word);
  return pending;
}

bool remove_waiter(task_state& task, completion_waiter& waiter) noexcept {
  const std::uint32_t word = lock_life(task);
  completion_waiter** link = &task.waiters;
  while (*link != nullptr && *link != &waiter) link = &(*link)->next;
  const bool found = *link != nullptr;
  if (found) *link = waiter.next;
  unlock_life(task, word);
  return found;
}

void mark_retrieved(task_state& task) noexcept {
  change_life(task, [](std::uint32_t word) { return word | task_life::retrieved; });
}

namespace {

task_extra* new_extra() {
  // Ids count the tasks that have a name or were asked for their id; nothing is paid for the
  // others.
  static constinit atomic<std::uint64_t> last_id{0};
  auto* made = new task_extra;
  made->id = last_id.fetch_add(1, std::memory_order_relaxed) + 1;
  return made;
}

}  // namespace

task_extra::~task_extra() {
  if (stop != nullptr) stop->drop_reference();
  if (values != nullptr) values->drop_reference();
}

namespace {

// What task_state::extra is, if not a task_extra.
namespace extra_tag {
constexpr std::uintptr_t context = 1;
constexpr std::uintptr_t fork_parent = 2;
constexpr std::uintptr_t mask = 3;
}  // namespace extra_tag

std::uintptr_t word_of(const task_extra* extra) noexcept {
  return reinterpret_cast<std::uintptr_t>(extra);
}
std::uintptr_t word_of(context* values) noexcept {
  return values == nullptr ? 0 : reinterpret_cast<std::uintptr_t>(values) | extra_tag::context;
}
/// What the tagged word points to, if it has this tag.
template <class T>
T* tagged(std::uintptr_t word, std::uintptr_t tag) noexcept {
  return (word & extra_tag::mask) == tag ? reinterpret_cast<T*>(word & ~extra_tag::mask) : nullptr;
}
task_extra* extra_in(std::uintptr_t word) noexcept {
  return tagged<task_extra>(word, 0);
}
context* context_in(std::uintptr_t word) noexcept {
  if (const task_extra* const extra = extra_in(word)) return extra->values;
  return tagged<context>(word, extra_tag::context);
}
task_state* fork_parent_in(std::uintptr_t word) noexcept {
  if (const task_extra* const extra = extra_in(word)) return extra->fork_parent;
  return tagged<task_state>(word, extra_tag::fork_parent);
}
std::uintptr_t peek_extra(const task_state& task) noexcept {
  // acquire: pairs with the release in extra_of.
  return task.extra.load(std::memory_order_acquire);
}

}  // namespace

context* share_context(const task_state& task) noexcept {
  context* const values = context_in(peek_extra(task));
  if (values != nullptr) values->add_reference();
  return values;
}

std::uintptr_t inherit_context() noexcept {
  return here.task == nullptr ? 0 : word_of(share_context(*here.task));
}

namespace {

/// In debug mode; else 0.
std::uint64_t observed_id(const task_state* parent) noexcept {
  const task_extra* const extra = parent == nullptr ? nullptr : find_extra(*parent);
  return extra != nullptr && extra->observed ? extra->id : 0;
}

/// Apart, so that the others pay nothing for it.
[[gnu::noinline]] std::uintptr_t make_extra(std::string_view name, std::uint64_t parent) {
  auto made = std::unique_ptr<task_extra>(new_extra());
  made->name = name;
  made->parent = parent;
  made->values = context_in(inherit_context());
  return word_of(made.release());
}

}  // namespace

std::uintptr_t make_extra(std::string_view name) {
  const std::uint64_t parent = observed_id(here.task);
  if (name.empty() && parent == 0) [[likely]]
    return inherit_context();
  return make_extra(name, parent);
}

std::uintptr_t inherit_extra() noexcept {
  if (observed_id(here.task) == 0) return inherit_context();
  try {
    return make_extra({});
  } catch (const std::bad_alloc&) {
    return inherit_context();
  }
}

void observe(task_state& task) noexcept {
  try {
    task_extra& extra = extra_of(task);
    // Once, before its first step: a thief of its forks may read it later.
    if (!extra.observed) extra.observed = true;
  } catch (const std::bad_alloc&) {  // then its children do not know it
  }
}

std::uintptr_t with_fork_parent(std::uintptr_t extra, task_state* parent) noexcept {
  const std::uint64_t id = observed_id(parent);
  if (extra == 0 && id == 0)
    return reinterpret_cast<std::uintptr_t>(parent) | extra_tag::fork_parent;
  try {
    task_extra* const made = new_extra();
    made->values = context_in(extra);
    made->fork_parent = parent;
    made->parent = id;
    return word_of(made);
  } catch (const std::bad_alloc&) {
    return extra;
  }
}

void drop_extra(std::uintptr_t extra) noexcept {
  if (task_extra* const made = extra_in(extra)) {
    delete made;
  } else if (context* const values = context_in(extra)) {
    values->drop_reference();
  }
}

task_extra* find_extra(const task_state& task) noexcept {
  return extra_in(peek_extra(task));
}

task_extra& extra_of(task_state& task) {
  std::uintptr_t word = peek_extra(task);
  if (task_extra* const known = extra_in(word)) return *known;
  task_extra* const made = new_extra();
  do {
    made->values = context_in(word);
    made->fork_parent = fork_parent_in(word);
    // release: publishes the contents, and with them the context, which the look has seen; acquire:
    // or sees those of who came first.
    if (task.extra.compare_exchange_weak(word, word_of(made), std::memory_order_release,
                                         std::memory_order_acquire))
      return *made;
  } while (extra_in(word) == nullptr);
  made->values = nullptr;  // it is the other one's
  delete made;
  return *extra_in(word);
}

task_state* fork_parent_of(const task_state& task) noexcept {
  return fork_parent_in(peek_extra(task));
}

const context* context_of(const task_state& task) noexcept {
  return context_in(peek_extra(task));
}

void set_context(task_state& task, context* values) noexcept {
  if (fork_parent_of(task) != nullptr) {
    try {
      extra_of(task);                  // room for both
    } catch (const std::bad_alloc&) {  // the context it has to have; the parent is forgotten
    }
  }
  std::uintptr_t word = peek_extra(task);
  context* old = nullptr;
  for (;;) {
    old = context_in(word);
    if (task_extra* const extra = extra_in(word)) {
      extra->values = values;
      break;
    }
    // Relaxed: what it points to is the task's own; others only hand it on. acquire if it fails: as
    // in extra_of.
    if (task.extra.compare_exchange_weak(word, word_of(values), std::memory_order_relaxed,
                                         std::memory_order_acquire))
      break;
  }
  if (old != nullptr) old->drop_reference();
}

std::uint64_t id_of(task_state& task) {
  return extra_of(task).id;
}

std::string name_of(task_state& task) {
  const task_extra& extra = extra_of(task);
  return extra.name.empty() ? "task-" + std::to_string(extra.id) : extra.name;
}

bool is_cancellation(const std::exception_ptr& error) noexcept {
  return error != nullptr && *error.__cxa_exception_type() == typeid(cancelled_error);
}

void throw_awaited_twice() {
  throw_invalid_state("an awaitable is awaited once");
}

}  // namespace weft::detail
