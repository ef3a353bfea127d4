#pragma once

// One thread that runs tasks.
//
// Its loop reads: run the next task; every 100 us, or when there is none, look at inbox, timers and
// descriptors; then steal; then sleep in the own poller until an event, a timer or a notification.
//
// Where the next task comes from, in order:
//
//   local      tasks that must not move (spawn_local), and all tasks of a runtime with one worker:
//              a plain list
//   next slot  the task that the running task woke last: its data is in this cache; at most a few
//              in a row
//   ring       ready tasks, first in first out, open to thieves (run_queue.h). While the other
//              workers sleep it is private, and its front is the next slot
//   overflow   what did not fit into the ring
//
// Tasks of other threads arrive through the inbox. With one worker there is only the local list,
// the order is asyncio's.
//
// WHEN TO WAKE ANOTHER WORKER decides more than any queue: waking a thread costs 10-50 us on two
// CPUs, a task 50 ns. So a push looks at the backlog in time (tasks times their average step) and
// wakes a sleeper only when the backlog is worth it: never for tasks of less than 100 ns, which
// are sooner run than fetched. What this estimate misses (a task that
// suddenly computes for long) the watcher finds within a few milliseconds: an idle worker that
// looks at the tick counters of the busy ones, and takes over what belongs to one whose tick stands
// still: ring, next slot, overflow, inbox, forks, its timers and its poller.
//
// A CALL ON A THREAD that is as short as a wake-up is waited for without sleeping: as long as calls
// are out, a worker without work spins for about what it would cost to sleep and be woken, so that
// it pays at most twice the better of both (competitive spinning: Karlin, Li, Manasse, Owicki,
// "Empirical studies of competitive spinning", SOSP 1991). Each spin in vain doubles the number of
// chances that are passed over before the next one, each other one halves it: long calls cost next
// to nothing.
//
// FALLING ASLEEP against a push into the inbox is a store-load race:
//
//   park   1. state_ = asleep (seq_cst)    2. look into the inbox (seq_cst)
//   push   1. inbox push (seq_cst CAS)     2. look at state_ (seq_cst)
//
// One of the two sees the other, so a task in the inbox never waits for a sleeping worker. The
// other queues are filled by their owner only, who is awake.

#include "biased_lock.h"
#include "fork_deque.h"
#include "idle_set.h"
#include "inbox.h"
#include "poller.h"
#include "run_queue.h"
#include "task_fifo.h"
#include "timer_wheel.h"

#include <cstdint>

namespace weft::detail {

class scheduler;

/// Counters of one worker.
//   written by  its thread only: load, add, store, relaxed
//   read by     metrics(), any thread, relaxed: exact only at rest
struct alignas(cache_line) worker_counters {
  atomic<std::uint64_t> spawned{0};
  atomic<std::uint64_t> finished{0};
  atomic<std::uint64_t> steals{0};
  atomic<std::uint64_t> rescues{0};
  atomic<std::uint64_t> parks{0};
  atomic<std::uint64_t> polls{0};
  atomic<std::uint64_t> notifications{0};

  static void add(atomic<std::uint64_t>& counter, std::uint64_t count = 1) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
};

class worker {
 public:
  worker(scheduler& owner, unsigned index, bool single);
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  static worker* current() noexcept { return static_cast<worker*>(here.worker); }

  /// Makes this thread the worker, while the object lives.
  class attachment {
   public:
    explicit attachment(worker& self) noexcept;
    ~attachment();
    attachment(const attachment&) = delete;
    attachment& operator=(const attachment&) = delete;
  };

  /// Runs tasks until the scheduler says stop (leave: asked after each batch).
  void run(const atomic<bool>& leave) noexcept;

  /// On this worker's thread: the task was woken or spawned here.
  void push(task_state& task) noexcept;
  /// ... and goes behind everything that is ready (yield).
  void push_back(task_state& task) noexcept;
  /// From any other thread.
  void push_remote(task_state& task) noexcept;
  /// Ends the sleep of the worker, or its next one. Any thread.
  void notify() noexcept;

  fork_deque& forks() noexcept { return forks_; }
  /// The newest fork of the running task that nobody has taken; null when there is none.
  task_state* pop_fork() noexcept { return single_ ? forks_.pop_unshared() : forks_.pop(); }
  timer_wheel& timers() noexcept { return timers_; }
  poller& poll() noexcept { return poller_; }
  worker_counters& counters() noexcept { return counters_; }
  [[nodiscard]] std::uint64_t steps() const noexcept {
    return tick_.load(std::memory_order_relaxed);
  }
  /// In its poller, or about to be. Any thread; a snapshot.
  [[nodiscard]] bool asleep() const noexcept {
    return state_.load(std::memory_order_relaxed) == state::asleep;
  }
  /// Where the runtime is observed. Any thread; a snapshot.
  [[nodiscard]] bool runs(const task_state& task) const noexcept {
    return running_.load(std::memory_order_relaxed) == &task;
  }
  [[nodiscard]] scheduler& home() noexcept { return scheduler_; }
  [[nodiscard]] unsigned index() const noexcept { return index_; }

  /// After a fork: an idle worker may want it.
  void offer_forks() noexcept;
  /// Runs other tasks inside the current one until `child` is done: for the destructor of a fork
  /// that was taken and never awaited. Here and in run_nested() tasks nest on one stack.
  void help_until_done(task_state& child) noexcept;
  /// Runs the first step of a new task inside the current one. False: too deep.
  bool run_nested(task_state& task) noexcept;

 private:
  enum class state : std::uint32_t { awake, asleep, notified };

  [[gnu::always_inline]] task_state* next_task() noexcept;
  [[gnu::noinline]] task_state* next_shared() noexcept;
  task_state* its_turn(task_state* next) noexcept;
  bool push_next(task_state& task) noexcept;
  void execute(task_state& task) noexcept;
  void run_observed(const atomic<bool>& leave) noexcept;
  void execute_observed(task_state& task) noexcept;
  void execute_timed(task_state& task) noexcept;
  void flush_forks() noexcept;
  [[nodiscard]] bool has_ready() const noexcept;
  void push_ring(task_state& task) noexcept;
  [[gnu::noinline]] void push_overflow(task_state& task) noexcept;
  [[gnu::noinline]] task_state* pop_overflow() noexcept;

  bool search() noexcept;
  bool look_around() noexcept;
  bool spin_for_call() noexcept;
  bool drain_inbox() noexcept;
  bool poll_now() noexcept;
  void begin_batch() noexcept;
  void end_stretch() noexcept;
  void end_batch(std::uint64_t now) noexcept;
  void share_backlog() noexcept;
  void wake_searcher() noexcept;
  [[nodiscard]] std::uint64_t backlog_ns() const noexcept;

  struct helper;
  [[nodiscard]] bool forked_a_helper(const task_state& task) const noexcept;

  bool find_work() noexcept;
  void end_search() noexcept;
  bool steal_from(worker& victim, std::uint64_t least) noexcept;
  bool adopt_fork(worker& victim) noexcept;
  bool steal_overflow(worker& victim) noexcept;
  bool take_ready(worker& stuck) noexcept;
  bool rescue(worker& stuck) noexcept;
  bool watch() noexcept;

  void park() noexcept;
  void sleep(std::int64_t timeout_ns) noexcept;
  void park_in_virtual_time() noexcept;
  void park_alone() noexcept;
  [[nodiscard]] std::int64_t sleep_limit_ns() noexcept;
  std::size_t dispatch(std::int64_t timeout_ns) noexcept;
  void call_watcher() noexcept;

  // Immutable.
  scheduler& scheduler_;
  const unsigned index_;
  const bool single_;
  const bool may_be_alone_;  // ring and overflow can be its own for a time

  // Owner thread only.
  task_fifo local_;
  helper* helping_ = nullptr;   // innermost
  unsigned nested_ = 0;         // calls of run_nested that have not returned
  task_fifo held_back_;         // must not run above a helper; goes back when one has ended
  unsigned next_runs_ = 0;      // tasks from the next slot in a row
  bool front_is_next_ = false;  // the front of the ring is the next slot, not its turn
  bool local_turn_ = false;     // local and shared tasks alternate
  // A batch: from one look at the reactor to the next. A stretch: to the next look at the clock.
  std::uint32_t stretch_ = 32;  // in steps
  std::uint32_t stretch_left_ = 1;
  std::uint32_t batch_left_ = 0;
  std::uint64_t stretch_begin_ns_ = 0;
  std::uint64_t batch_begin_ns_ = 0;
  std::uint64_t step_ns_ = 500;          // moving average, see end_stretch()
  std::uint64_t stretch_step_ns_ = 500;  // average of the last stretch
  std::uint32_t pushes_ = 0;
  bool others_active_ = false;  // at the last look as the watcher
  std::int64_t watch_ns_ = 1'000'000;
  unsigned alert_ = 0;  // looks left at the short interval
  std::uint64_t last_watch_ns_ = 0;
  std::uint32_t spins_skipped_ = 0;  // chances to spin that were passed over since the last spin
  std::uint32_t spin_pause_ = 0;     // ... and how many have to be
  std::uint64_t seen_ticks_[idle_set::workers_max] = {};
  std::uint32_t random_;

  // Shared with thieves and rescuers.
  //   written by  the owner (exchange) and a rescuer that takes it (exchange)
  //   pairing     release where a task is put there, acquire where a rescuer takes it; relaxed
  //               where the owner takes what it has put there
  alignas(cache_line) atomic<task_state*> next_{nullptr};
  // Steps so far.
  //   written by  the owner
  //   read by     watchers and metrics
  //   pairing     none; relaxed: a clock
  atomic<std::uint64_t> tick_{0};
  // The innermost running task, where the runtime is observed.
  //   written by  the owner
  //   read by     who watches, on any thread
  //   pairing     none; relaxed: the address alone, a snapshot
  atomic<const task_state*> running_{nullptr};
  //   written by  who wakes us to search, and the owner
  //   pairing     none; relaxed: state_ orders it
  atomic<bool> searching_{false};
  //   written by  the owner (park) and who notifies
  //   pairing     seq_cst, see FALLING ASLEEP above; release of who notifies, acquire of the owner
  //               that falls asleep or wakes up: it sees what it was notified of
  atomic<state> state_{state::awake};
  //   written by  the owner
  //   read by     thieves
  //   pairing     none; relaxed: an estimate
  atomic<std::uint64_t> shared_step_ns_{500};
  run_queue ring_;
  biased_lock overflow_lock_;
  task_fifo overflow_;              // guarded by overflow_lock_
  atomic<bool> overflowed_{false};  // a hint that overflow_ is not empty; written under the lock
  inbox inbox_;
  fork_deque forks_;
  timer_wheel timers_;
  poller poller_;
  worker_counters counters_;
};

}  // namespace weft::detail
