#include "worker.h"

#include "../clock.h"
#include "await_chain.h"
#include "chaos.h"
#include "debug_reports.h"
#include "io_operation.h"
#include "scheduler.h"
#include "step_trace.h"
#include "sys.h"
#include "wait_node.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace weft::detail {
namespace {

// Between two looks at the reactor while tasks are ready: bounds what a busy worker adds to the
// latency of I/O. A look costs about as much as 64 short steps.
constexpr std::uint64_t batch_ns = 100'000;
constexpr std::uint32_t batch_steps = 1024;
// Between two looks at the clock, which costs about as much as one short step: so many steps of
// another length than expected come before we notice.
constexpr std::uint32_t stretch_max = 64;
// A backlog is worth waking another worker when running it here takes longer than the wake-up
// itself.
constexpr std::uint64_t worth_waking_ns = 100'000;
// ... and worth being stolen by a worker that is awake when it is worth moving the tasks' data to
// another cache.
constexpr std::uint64_t worth_stealing_ns = 10'000;
// ... unless its tasks are this short: then another worker spends longer on fetching them, line by
// line of cache, than their owner on running them, and slows it down.
constexpr std::uint64_t worth_moving_ns = 100;
// A look at the backlog every so many pushes, and at the end of each batch.
constexpr std::uint32_t pushes_between_looks = 32;
// From the overflow list to a ring under one lock.
constexpr std::uint64_t moved_max = std::min<std::uint64_t>(run_queue::capacity / 2, 512);
constexpr unsigned next_runs_max = 3;
// Of eager tasks that begin eager tasks: each takes about 500 bytes of the stack, and what it needs
// itself.
constexpr unsigned nested_max = 32;
// The watcher looks this often while it finds something, and less often while all is well.
constexpr std::int64_t watch_min_ns = 1'000'000;
constexpr std::int64_t watch_max_ns = 4'000'000;
constexpr std::uint64_t stands_still_ns = 500'000;
// After a rescue there is often the next one (a task that computes for long, again and again):
// so many looks in a row at the short interval.
constexpr unsigned alert_looks = 64;
// A worker that is busy itself looks after the others this often.
constexpr std::uint64_t busy_watch_ns = 4'000'000;

// What it costs to sleep and be woken by a thread of the pool: two wake-ups.
constexpr std::uint64_t spin_ns = 30'000;
// ... without giving way: long enough for the answer of a thread that spins as well.
constexpr std::uint64_t spin_alone_ns = 2'000;
constexpr std::uint32_t spin_pause_max = 1023;  // in chances to spin

// In debug mode, a step that is worth a report.
constexpr std::uint64_t slow_step_ns = 100'000'000;

/// Real time, also where tasks see a virtual clock: how long their steps take.
std::uint64_t now_ns() noexcept {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

}  // namespace

worker::worker(scheduler& owner, unsigned index, bool single)
    : scheduler_(owner),
      index_(index),
      single_(single),
      may_be_alone_(!single && sys::enable_heavy_barrier()),
      random_(index * 2654435761u + 1),
      timers_(owner.virtual_time() ? *owner.virtual_clock() : clock::now()) {}

worker::attachment::attachment(worker& self) noexcept {
  assert(here.worker == nullptr);
  here.worker = &self;
  here.runtime = self.scheduler_.index();
  set_thread_clock(self.scheduler_.virtual_clock());
}

worker::attachment::~attachment() {
  here.worker = nullptr;
  here.runtime = no_runtime;
  set_thread_clock(nullptr);
}

// ---- The loop -----------------------------------------------------------------------------------

// This and what it calls is most of what a step costs beside the task itself: what is rare stands
// in functions of its own, so that the rest needs no stack frame.
inline task_state* worker::next_task() noexcept {
  if (local_.empty()) [[likely]] {
    if (single_) return nullptr;
    if (next_.load(std::memory_order_relaxed) == nullptr && !front_is_next_) {
      next_runs_ = 0;
      if (task_state* task = ring_.pop_private()) [[likely]]
        return task;
    }
    return next_shared();
  }
  if (!single_ && !(local_turn_ = !local_turn_)) {
    if (task_state* task = next_shared()) return task;
  }
  return local_.pop();
}

void worker::run(const atomic<bool>& leave) noexcept {
  if (scheduler_.observed()) [[unlikely]]
    return run_observed(leave);
  begin_batch();
  // Relaxed: run_loop_until() asks again, with an order; a thread of its own only ends.
  while (!leave.load(std::memory_order_relaxed)) {
    if (task_state* task = next_task()) {
      execute(*task);
      if (--stretch_left_ == 0) end_stretch();
      continue;
    }
    if (!search()) park();
  }
}

/// In debug mode, for a trace and for weft-ps, a loop of its own: the other one pays nothing.
void worker::run_observed(const atomic<bool>& leave) noexcept {
  begin_batch();
  // Relaxed: as in run().
  while (!leave.load(std::memory_order_relaxed)) {
    if (task_state* task = next_task()) {
      execute_observed(*task);
      if (--stretch_left_ == 0) end_stretch();
      continue;
    }
    if (!search()) park();
  }
}

void worker::execute_observed(task_state& task) noexcept {
  observe(task);
  const task_state* const outer = running_.load(std::memory_order_relaxed);
  running_.store(&task, std::memory_order_relaxed);
  if (scheduler_.times_steps()) {
    execute_timed(task);
  } else {
    execute(task);
  }
  running_.store(outer, std::memory_order_relaxed);
}

void worker::execute_timed(task_state& task) noexcept {
  add_handle(task);  // it may end here
  const resume_point from = resume_point_of(innermost_frame(task));
  const std::uint64_t begin = now_ns();
  execute(task);
  const std::uint64_t end = now_ns();
  if (step_trace* trace = scheduler_.trace()) trace->add(index_, begin, end, from, task);
  if (scheduler_.debug() && end - begin >= slow_step_ns)
    report_slow_step(scheduler_, task, end - begin, from);
  drop_handle(task);
}

task_state* worker::next_shared() noexcept {
  if (std::exchange(front_is_next_, false)) {
    if (task_state* next = its_turn(ring_.pop())) return next;
  }
  if (next_.load(std::memory_order_relaxed) != nullptr) {
    // Relaxed: we have put it there. The exchange decides between us and a rescuer.
    if (task_state* next = its_turn(next_.exchange(nullptr, std::memory_order_relaxed)))
      return next;
  }
  next_runs_ = 0;
  if (task_state* task = ring_.pop()) [[likely]]
    return task;
  return overflowed_.load(std::memory_order_relaxed) ? pop_overflow() : nullptr;
}

/// What was in the next slot. Null: a rescuer has it, or the slot has had its turns in a row and it
/// waits in the ring now.
inline task_state* worker::its_turn(task_state* next) noexcept {
  if (next == nullptr || ++next_runs_ <= next_runs_max) return next;
  push_ring(*next);
  return nullptr;
}

/// The last step of a shutdown: a queued task is destroyed instead of resumed, wherever it was.
/// Nobody holds its nodes: its wait is over.
static void make_unstarted(task_state& task) noexcept {
  auto* frame = reinterpret_cast<std::byte*>(&task) + task.type->prefix_bytes;
  task.leaf = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(frame) | leaf_tag::first);
  unmask_requests(task);
  cancel(task);
}

/// What a task that is not a plain suspended coroutine needs first. Null: do not resume it.
static void* prepare(task_state& task) noexcept {
  const auto leaf = reinterpret_cast<std::uintptr_t>(task.leaf);
  if ((leaf & leaf_tag::first) != 0) {
    if (interrupted(task)) {
      complete_unstarted(task);
      return nullptr;
    }
    return reinterpret_cast<void*>(leaf & ~leaf_tag::mask);
  }
  auto& node = *reinterpret_cast<retry_node*>(leaf & ~leaf_tag::mask);
  const std::coroutine_handle<> waiter = node.waiter;  // the node may be gone once it waits again
  return node.retry(node) ? waiter.address() : nullptr;
}

void worker::execute(task_state& task) noexcept {
  here.task = &task;
  here.budget = operations_per_resume;
  task.worker = static_cast<std::uint16_t>(index_);
  tick_.store(tick_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (scheduler_.destroying()) [[unlikely]]
    make_unstarted(task);
  void* leaf = task.leaf;
  if ((reinterpret_cast<std::uintptr_t>(leaf) & leaf_tag::mask) != 0) [[unlikely]]
    leaf = prepare(task);
  if (leaf != nullptr) std::coroutine_handle<>::from_address(leaf).resume();
  // A task that suspends or ends leaves its forks to others: the deque holds children of the
  // running task only.
  if (!forks_.empty_approx()) [[unlikely]]
    flush_forks();
  // Without a current task, so that whom the end of this one wakes goes to the ring, not the next
  // slot: who joins many tasks would be resumed for each of them.
  here.task = nullptr;
  if (task_state* finished = std::exchange(here.finished, nullptr)) complete(*finished);
}

void worker::flush_forks() noexcept {
  while (task_state* child = pop_fork()) {
    push_back(scheduler_.adopt_fork(*child));
  }
}

void worker::begin_batch() noexcept {
  stretch_begin_ns_ = batch_begin_ns_ = now_ns();
  stretch_left_ = stretch_;
  batch_left_ = batch_steps;
  if (may_be_alone_ && scheduler_.all_asleep_but(index_)) {
    ring_.make_private();
    overflow_lock_.bias();
  }
}

/// A look at the clock: are steps as long as they were, and is it time to look at the reactor?
void worker::end_stretch() noexcept {
  const std::uint64_t now = now_ns();
  const std::uint64_t before =
      std::exchange(stretch_step_ns_, (now - stretch_begin_ns_) / stretch_);
  // The lower of two: one long step (of a task that spawns a thousand) says nothing about those
  // that wait. It falls at once and rises slowly: what makes steps longer for a while is often the
  // worker that was woken because they were.
  const std::uint64_t lower = std::min(before, stretch_step_ns_);
  step_ns_ = std::min(lower, (step_ns_ * 3 + lower) / 4);
  shared_step_ns_.store(step_ns_, std::memory_order_relaxed);
  batch_left_ -= std::min(batch_left_, stretch_);
  if (batch_left_ == 0 || now - batch_begin_ns_ >= batch_ns) return end_batch(now);
  stretch_begin_ns_ = now;
  stretch_left_ = stretch_;
}

void worker::end_batch(std::uint64_t now) noexcept {
  stretch_ = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(
      batch_ns / (std::max(step_ns_, stretch_step_ns_) + 1), 1, stretch_max));
  (void)scheduler_.check_interrupt();
  drain_inbox();
  poll_now();
  begin_batch();
  if (single_) return;
  end_search();  // who woke us to search may have come too late: we were at work already
  share_backlog();
  // With nobody asleep there is no watcher: the busy ones look after each other.
  if (now - last_watch_ns_ >= busy_watch_ns) watch();
}

/// Nothing is ready: looks at what arrives from outside, then into the queues of others.
bool worker::search() noexcept {
  const bool found = look_around() || (!single_ && find_work());
  end_search();
  if (!found && !spin_for_call()) return false;
  share_backlog();
  if (!single_) call_watcher();  // it may be us who has watched until now
  return true;
}

/// A look at what arrives from outside, without sleeping.
bool worker::look_around() noexcept {
  if (scheduler_.check_interrupt() || drain_inbox()) return true;
  // With one worker the sleep that follows polls anyway.
  return !single_ && timers_.due(clock::now()) && poll_now();
}

/// See A CALL ON A THREAD.
bool worker::spin_for_call() noexcept {
  if (!scheduler_.blocking_busy()) return false;
  if (spins_skipped_ < spin_pause_) {
    ++spins_skipped_;
    return false;
  }
  spins_skipped_ = 0;
  const std::uint64_t begin = now_ns();
  for (std::uint64_t now = begin; now - begin < spin_ns; now = now_ns()) {
    // The thread that makes the call may wait for this very CPU.
    if (now - begin >= spin_alone_ns) yield_thread();
    for (int i = 0; i < 8; ++i) cpu_relax();
    if (drain_inbox()) {
      spin_pause_ /= 2;
      return true;
    }
  }
  spin_pause_ = std::min(spin_pause_ * 2 + 1, spin_pause_max);
  return false;
}

bool worker::drain_inbox() noexcept {
  task_fifo arrived;
  if (inbox_.take(arrived) == 0) return false;
  while (task_state* task = arrived.pop()) push_back(*task);
  return true;
}

/// Fires timers and takes events without waiting.
bool worker::poll_now() noexcept {
  std::size_t found = 0;
  if (io_source::registrations() > 0) found += dispatch(0);
  if (scheduler_.virtual_time()) return found > 0;
  const clock::time_point now = clock::now();
  if (timers_.due(now)) found += timers_.expire(now);
  return found > 0;
}

// ---- Queues -------------------------------------------------------------------------------------

void worker::push(task_state& task) noexcept {
  const bool pinned = (task.life.load(std::memory_order_relaxed) & task_life::pinned) != 0;
  if (pinned && task.worker != index_) return scheduler_.worker_at(task.worker).push_remote(task);
  if (single_ || pinned) return local_.push(task);
  if (here.task == nullptr) return push_ring(task);
  if (ring_.is_private() && push_next(task)) return;
  // release: pairs with the acquire in rescue(). What it displaces we have put there.
  if (task_state* displaced = next_.exchange(&task, std::memory_order_release))
    push_ring(*displaced);
}

/// While the ring is private its front is the next slot. False: it is not private any more, or
/// full.
inline bool worker::push_next(task_state& task) noexcept {
  task_state* displaced = std::exchange(front_is_next_, false) ? ring_.pop() : nullptr;
  front_is_next_ = ring_.push_front(task);
  if (displaced != nullptr) push_ring(*displaced);
  return front_is_next_;
}

void worker::push_back(task_state& task) noexcept {
  const bool pinned = (task.life.load(std::memory_order_relaxed) & task_life::pinned) != 0;
  if (pinned && task.worker != index_) return scheduler_.worker_at(task.worker).push_remote(task);
  if (single_ || pinned) return local_.push(task);
  push_ring(task);
}

inline void worker::push_ring(task_state& task) noexcept {
  if (overflowed_.load(std::memory_order_relaxed) || !ring_.push(task)) [[unlikely]]
    push_overflow(task);
  if (++pushes_ % pushes_between_looks == 0) [[unlikely]]
    share_backlog();
}

/// Behind the tasks that are there already, until the ring has run empty.
void worker::push_overflow(task_state& task) noexcept {
  const biased_lock::owner_guard guard(overflow_lock_);
  overflow_.push(task);
  overflowed_.store(true, std::memory_order_relaxed);
}

/// The ring is empty. Where it costs nothing to come back the list is used up task by task; else it
/// refills the ring, in order.
task_state* worker::pop_overflow() noexcept {
  const biased_lock::owner_guard guard(overflow_lock_);
  task_state* first = overflow_.pop();
  const std::uint64_t refill = guard.is_biased() ? 0 : moved_max;
  for (std::uint64_t moved = 0; moved < refill && !overflow_.empty(); ++moved) {
    if (!ring_.push(*overflow_.pop())) break;
  }
  overflowed_.store(!overflow_.empty(), std::memory_order_relaxed);
  return first;
}

void worker::push_remote(task_state& task) noexcept {
  inbox_.push(task);
  chaos::point();
  // seq_cst: FALLING ASLEEP, push side.
  if (state_.load(std::memory_order_seq_cst) == state::asleep) {
    notify();
  } else if (!single_) {
    call_watcher();  // it may be in a long step that began when nobody was there to watch
  }
}

void worker::notify() noexcept {
  // One notifier makes the system call. release: pairs with the exchanges in sleep().
  if (state_.exchange(state::notified, std::memory_order_release) != state::asleep) return;
  chaos::point();
  poller_.notify();
}

std::uint64_t worker::backlog_ns() const noexcept {
  if (step_ns_ < worth_moving_ns) return 0;
  const bool more = overflowed_.load(std::memory_order_relaxed);
  return (ring_.size_approx() + (more ? run_queue::capacity : 0)) * step_ns_;
}

/// Wakes a sleeper if what waits here is worth it.
void worker::share_backlog() noexcept {
  if (scheduler_.idle().anyone_asleep() && backlog_ns() >= worth_waking_ns) wake_searcher();
}

void worker::offer_forks() noexcept {
  if (!single_ && scheduler_.idle().anyone_asleep()) [[unlikely]]
    wake_searcher();
}

void worker::wake_searcher() noexcept {
  const unsigned chosen = scheduler_.idle().claim_searcher();
  if (chosen == idle_set::nobody) return;
  worker_counters::add(counters_.notifications);
  worker& sleeper = scheduler_.worker_at(chosen);
  sleeper.searching_.store(true, std::memory_order_relaxed);  // published by the notification
  sleeper.notify();
}

// ---- Stealing -----------------------------------------------------------------------------------

bool worker::find_work() noexcept {
  const unsigned count = scheduler_.size();
  random_ = random_ * 1664525u + 1013904223u;
  const unsigned start = random_ >> 16;
  bool found = false;
  for (unsigned i = 0; i < count && !found; ++i) {
    worker& victim = scheduler_.worker_at((start + i) % count);
    if (&victim == this) continue;
    found = adopt_fork(victim);
    // Tasks of a worker that runs short steps are sooner run there than moved here.
    const std::uint64_t step = victim.shared_step_ns_.load(std::memory_order_relaxed);
    if (!found && step >= worth_moving_ns) found = steal_from(victim, worth_stealing_ns / step + 1);
  }
  if (found) worker_counters::add(counters_.steals);
  return found;
}

void worker::end_search() noexcept {
  if (!searching_.load(std::memory_order_relaxed)) return;
  searching_.store(false, std::memory_order_relaxed);
  scheduler_.idle().end_search();
}

bool worker::steal_from(worker& victim, std::uint64_t least) noexcept {
  return victim.ring_.steal(ring_, least) > 0 || steal_overflow(victim);
}

bool worker::steal_overflow(worker& victim) noexcept {
  if (!victim.overflowed_.load(std::memory_order_relaxed)) return false;
  task_fifo taken;
  {
    const biased_lock::visitor_guard guard(victim.overflow_lock_);
    for (std::uint64_t moved = 0; moved < moved_max && !victim.overflow_.empty(); ++moved) {
      taken.push(*victim.overflow_.pop());
    }
    victim.overflowed_.store(!victim.overflow_.empty(), std::memory_order_relaxed);
  }
  const bool any = !taken.empty();
  while (task_state* task = taken.pop()) push_ring(*task);
  return any;
}

/// A forked child becomes a task of its own here.
bool worker::adopt_fork(worker& victim) noexcept {
  if (victim.forks_.empty_approx()) return false;
  task_state* child = victim.forks_.steal();
  if (child == nullptr) return false;
  push_back(scheduler_.adopt_fork(*child));
  return true;
}

// ---- Helping ------------------------------------------------------------------------------------

/// A task whose step waits on this stack for its fork, while other tasks run above it.
struct worker::helper {
  const task_state* task;
  helper* below;
};

/// Has it forked, maybe over several generations, a task that helps on this stack? If it ran above
/// that one and dropped its fork as well, each would wait for the other.
bool worker::forked_a_helper(const task_state& task) const noexcept {
  for (const helper* each = helping_; each != nullptr; each = each->below) {
    const task_state* descendant = each->task;
    while (descendant != nullptr) {
      descendant = fork_parent_of(*descendant);
      if (descendant == &task) return true;
    }
  }
  return false;
}

void worker::help_until_done(task_state& child) noexcept {
  const execution outer = here;
  helper self{outer.task, helping_};
  helping_ = &self;
  flush_forks();
  while (!done(child)) {
    if (task_state* task = next_task()) {
      if (forked_a_helper(*task)) {
        held_back_.push(*task);
      } else if (scheduler_.observed()) {
        execute_observed(*task);
      } else {
        execute(*task);
      }
    } else if (scheduler_.virtual_time()) {
      park_in_virtual_time();
      scheduler_.check_fork_can_end();
    } else if (!search()) {
      sleep(watch_min_ns);
    }
  }
  helping_ = self.below;
  while (task_state* task = held_back_.pop()) push_back(*task);
  here = outer;
}

bool worker::run_nested(task_state& task) noexcept {
  if (nested_ == nested_max) return false;
  ++nested_;
  const execution outer = here;
  flush_forks();  // those of the outer task: a step ends with an empty deque
  if (scheduler_.observed()) {
    execute_observed(task);
  } else {
    execute(task);
  }
  here = outer;
  --nested_;
  return true;
}

// ---- Rescue -------------------------------------------------------------------------------------

/// Some of what was ready when we came: it may be no more than a step of a few milliseconds that
/// starts many tasks, and the next look comes soon. Our own ring may be in use, then the tasks go one
/// by one.
bool worker::take_ready(worker& stuck) noexcept {
  if (ring_.size_approx() == 0) return steal_from(stuck, 1);
  bool any = false;
  std::uint64_t left = std::min(stuck.ring_.size_approx(), run_queue::stolen_max);
  for (; left > 0; --left) {
    task_state* task = stuck.ring_.steal_one();
    if (task == nullptr) break;
    push_ring(*task);
    any = true;
  }
  return any | steal_overflow(stuck);
}

/// Takes over all that can be taken from a worker whose tick stands still.
bool worker::rescue(worker& stuck) noexcept {
  bool found = false;
  // acquire: pairs with the release in push().
  if (task_state* task = stuck.next_.exchange(nullptr, std::memory_order_acquire)) {
    push_ring(*task);
    found = true;
  }
  while (adopt_fork(stuck)) found = true;
  task_fifo arrived;
  if (stuck.inbox_.take(arrived) > 0) {
    while (task_state* task = arrived.pop()) {
      if ((task->life.load(std::memory_order_relaxed) & task_life::pinned) != 0 &&
          task->worker == stuck.index_) {
        // It has to wait for its worker, who may have gone to sleep by now.
        stuck.push_remote(*task);
      } else {
        push_back(*task);
        found = true;
      }
    }
  }
  found |= take_ready(stuck);
  poll_event events[poller::batch];
  const std::size_t count = stuck.poller_.wait(0, events);
  chaos::point();
  for (std::size_t i = 0; i < count; ++i) {
    if (io_source* source = io_source::find(events[i].tag)) {
      source->on_event(events[i].readable, events[i].writable, events[i].hung_up);
      found = true;
    }
  }
  // The look may have swallowed a notification that was on its way to the owner, who falls asleep
  // meanwhile: it gets it back. Its state would not tell: not every notifier sets it.
  stuck.poller_.notify();
  const clock::time_point now = clock::now();
  if (stuck.timers_.due(now)) found |= stuck.timers_.expire(now) > 0;
  if (found) worker_counters::add(counters_.rescues);
  return found;
}

/// The watcher's round. True: somebody is still busy, keep watching.
bool worker::watch() noexcept {
  const std::uint64_t now = now_ns();
  // Too soon to tell a long step from a short one.
  if (now - last_watch_ns_ < stands_still_ns) return true;
  last_watch_ns_ = now;
  bool active = false;
  bool rescued = false;
  const std::uint64_t sleepers = scheduler_.idle().sleepers();
  for (unsigned i = 0; i < scheduler_.size(); ++i) {
    worker& other = scheduler_.worker_at(i);
    if (&other == this) continue;
    const std::uint64_t tick = other.tick_.load(std::memory_order_relaxed);
    // One that is notified counts as awake: it may be so since long before the step it is in now.
    const bool asleep =
        (sleepers >> i & 1) != 0 || other.state_.load(std::memory_order_relaxed) == state::asleep;
    const bool moved = tick != seen_ticks_[i];
    seen_ticks_[i] = tick;
    active |= moved || !asleep;
    if (!moved && !asleep) rescued |= rescue(other);
  }
  if (rescued) alert_ = alert_looks;
  if (alert_ > 0) --alert_;
  watch_ns_ = alert_ > 0 ? watch_min_ns : std::min(watch_ns_ * 2, watch_max_ns);
  return active;
}

/// On the way from sleep to work: somebody has to look after us now.
void worker::call_watcher() noexcept {
  idle_set& idle = scheduler_.idle();
  if (!idle.needs_watcher()) return;
  const unsigned chosen = idle.claim_sleeper();
  if (chosen != idle_set::nobody) scheduler_.worker_at(chosen).notify();
}

// ---- Sleeping -----------------------------------------------------------------------------------

std::size_t worker::dispatch(std::int64_t timeout_ns) noexcept {
  poll_event events[poller::batch];
  worker_counters::add(counters_.polls);
  const std::size_t count = poller_.wait(timeout_ns, events);
  chaos::point();
  std::size_t delivered = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (io_source* source = io_source::find(events[i].tag)) {
      source->on_event(events[i].readable, events[i].writable, events[i].hung_up);
      ++delivered;
    }
  }
  return delivered;
}

std::int64_t worker::sleep_limit_ns() noexcept {
  const clock::time_point deadline = timers_.next_deadline();
  if (deadline == clock::time_point::max()) return -1;
  return std::max<std::int64_t>(0, (deadline - clock::now()).count());
}

bool worker::has_ready() const noexcept {
  return !local_.empty() || next_.load(std::memory_order_relaxed) != nullptr ||
         ring_.size_approx() > 0;
}

void worker::park() noexcept {
  // Only we put tasks there: what next_task() and search() did not find, nobody would until we wake.
  assert(!has_ready() && !overflowed_.load(std::memory_order_relaxed));
  if (scheduler_.virtual_time()) return park_in_virtual_time();
  if (single_) return park_alone();
  idle_set& idle = scheduler_.idle();
  std::int64_t limit = sleep_limit_ns();
  idle.fall_asleep(index_);
  chaos::point();
  // Somebody is busy, or was a moment ago: one of the sleepers looks after them.
  const bool watching =
      (others_active_ || idle.sleepers() != scheduler_.everyone()) && idle.become_watcher(index_);
  if (watching) limit = limit < 0 ? watch_ns_ : std::min(limit, watch_ns_);
  sleep(limit);
  idle.wake_up(index_);
  if (watching) idle.stop_watching();
  others_active_ = watching && watch();
  if (!has_ready() && inbox_.empty()) return;
  end_search();
  call_watcher();
}

/// The single worker has nobody else to find out that nothing can wake it any more.
void worker::park_alone() noexcept {
  const std::int64_t limit = sleep_limit_ns();
  const std::int64_t interval = scheduler_.watch_interval().count();
  if (interval == 0) return sleep(limit);
  sleep(limit < 0 ? interval : std::min(limit, interval));
  if (!has_ready() && inbox_.empty()) scheduler_.look_for_deadlock();
}

/// Virtual time stands still while anything can run; then it jumps to the next timer. With neither
/// it is a deadlock.
void worker::park_in_virtual_time() noexcept {
  if (io_source::registrations() > 0 && dispatch(0) > 0) return;
  // Others are at work for us. Their end may wake nobody (a call that was abandoned), so look again
  // soon. acquire: see scheduler::away.
  const bool others_work =
      scheduler::away(scheduler_.index()).load(std::memory_order_acquire) > 0 ||
      scheduler_.blocking_pending() > 0;
  if (others_work) return sleep(1'000'000);
  if (!inbox_.empty()) return;  // ... and just now they came back: it is not time yet
  const clock::time_point next = timers_.earliest();
  if (next != clock::time_point::max()) {
    clock::time_point& now = *scheduler_.virtual_clock();
    now = std::max(now, next);
    timers_.expire_exactly(now);
  } else if (io_source::registrations() > 0) {
    sleep(-1);
  } else if (inbox_.empty()) {
    scheduler_.declare_deadlock();
  }
}

void worker::sleep(std::int64_t timeout_ns) noexcept {
  // seq_cst: FALLING ASLEEP, park side. Who claimed us since we joined the idle set has notified us
  // already, and made no system call for it.
  const bool notified =
      state_.exchange(state::asleep, std::memory_order_seq_cst) == state::notified;
  // Relaxed: see stopping_.
  if (notified || !inbox_.empty() || scheduler_.stopping().load(std::memory_order_relaxed))
    timeout_ns = 0;
  worker_counters::add(counters_.parks);
  chaos::point();
  dispatch(timeout_ns);
  chaos::point();
  // acquire: pairs with the release in notify(): what the notifier did before is seen.
  state_.exchange(state::awake, std::memory_order_acquire);
  if (!scheduler_.virtual_time()) {
    const clock::time_point now = clock::now();
    if (timers_.due(now)) timers_.expire(now);
  }
  begin_batch();
}

}  // namespace weft::detail
