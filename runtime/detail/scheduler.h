#pragma once

// All workers of a runtime, and what they share: the idle set, the blocking pools, the clock. What
// users see of it is runtime.h.
//
// Start: the constructor makes the workers; with two or more, each runs on a thread of its own from
// then on. With one, the thread that calls run() is the worker while it runs.
// Stop: shutdown() cancels and awaits what is left, in rounds, because clean-up code may spawn; it
// closes the generators that are still open, one after the other; then the blocking pools are
// joined, then the workers.

#include "../debug.h"
#include "blocking_pool.h"
#include "deadlock_watch.h"
#include "held_locks.h"
#include "step_trace.h"
#include "threads.h"
#include "worker.h"

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace weft {
struct exception_context;
}

namespace weft::detail {

struct scheduler_options {
  unsigned workers = 1;
  std::size_t blocking_threads_max = 512;
  std::size_t look_up_threads_max = 32;
  std::chrono::milliseconds blocking_keep_alive{10'000};
  bool virtual_time = false;
  bool debug = false;
  bool inspectable = false;  // weft-ps may look into it
  deadlock_action on_deadlock = deadlock_action::ignore;
  std::chrono::milliseconds deadlock_patience{1'000};
  std::string name = {};
  std::unique_ptr<step_trace> trace = {};  // null: none is wanted
};

class scheduler {
 public:
  explicit scheduler(scheduler_options options);
  ~scheduler();
  scheduler(const scheduler&) = delete;
  scheduler& operator=(const scheduler&) = delete;

  /// The scheduler with this index in the process; it lives while one of its tasks does.
  static scheduler& at(std::uint32_t index) noexcept;
  /// Null when it is gone: for handles that outlive their runtime.
  static scheduler* find(std::uint32_t index) noexcept;
  /// Of the calling worker. Throws std::logic_error on other threads: "`operation` needs a running
  /// weft runtime".
  static scheduler& current(const char* operation);

  [[nodiscard]] std::uint8_t index() const noexcept { return index_; }
  [[nodiscard]] bool single() const noexcept { return workers_.size() == 1; }
  [[nodiscard]] unsigned size() const noexcept { return static_cast<unsigned>(workers_.size()); }
  worker& worker_at(unsigned i) noexcept { return *workers_[i]; }
  idle_set& idle() noexcept { return idle_; }
  /// The idle mask when all sleep.
  [[nodiscard]] std::uint64_t everyone() const noexcept {
    return ~std::uint64_t{0} >> (idle_set::workers_max - size());
  }
  /// A look without order.
  [[nodiscard]] bool all_asleep_but(unsigned worker) const noexcept {
    return (idle_.sleepers() | std::uint64_t{1} << worker) == everyone();
  }
  blocking_pool& blocking(call_kind kind) noexcept {
    return kind == call_kind::look_up ? look_ups_ : blocking_;
  }
  /// Of both pools: threads, and calls queued or running.
  [[nodiscard]] std::size_t blocking_threads() const noexcept {
    return blocking_.threads() + look_ups_.threads();
  }
  [[nodiscard]] std::size_t blocking_pending() const noexcept {
    return blocking_.pending() + look_ups_.pending();
  }
  /// Is any? A hint.
  [[nodiscard]] bool blocking_busy() const noexcept { return blocking_.busy() || look_ups_.busy(); }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// Queues a task from a thread that is none of our workers: where it ran last, for its data is
  /// there.
  void push_remote(task_state& task) noexcept;
  /// The worker for a task that such a thread spawns.
  std::uint16_t place_foreign() noexcept;

  /// Blocks until `task` is done: with one worker by running the loop here, else by waiting. Throws
  /// deadlock_error when time is virtual and nothing can ever run again. The caller holds the task.
  void run_until_done(task_state& task);
  /// A shutdown has cancelled some tasks and not yet all: a parent may see the end of a child before
  /// it hears of its own.
  [[nodiscard]] bool cancelling_all() const noexcept {
    // acquire: see cancelling_all_.
    return cancelling_all_.load(std::memory_order_acquire) != 0;
  }
  /// Is anybody running the loop?
  [[nodiscard]] bool running() const noexcept;
  /// Single worker: its loop asks again whether it is over.
  void leave() noexcept;
  void leave_process() noexcept;

  /// Whom request_interrupt() cancels; null: nobody any more.
  void set_interruptible(task_state* main) noexcept;
  /// A worker cancels that task soon. Any thread, async-signal-safe.
  void request_interrupt() noexcept;
  /// Workers ask between steps. True: it has come, and a task may have become ready here.
  bool check_interrupt() noexcept {
    return interrupt_requested_.load(std::memory_order_relaxed) && deliver_interrupt();
  }

  /// Cancels and awaits all tasks in rounds, then closes open generators. True: what the tasks did
  /// is seen by the caller. False: some did not end in time; they were reported and destroyed.
  bool shutdown(std::chrono::milliseconds timeout);

  /// Joins the threads for blocking calls. Calls that nobody waits for any more are left alone once
  /// the time has come, and reported.
  void stop_blocking(std::chrono::steady_clock::time_point until);

  /// Accounting; any thread.
  void count_spawn() noexcept;
  /// A forked child that will not run in place becomes a task of its own, not queued yet; its fork
  /// object has the handle.
  task_state& adopt_fork(task_state& child) noexcept;
  void count_end(bool swept) noexcept;
  [[nodiscard]] std::int64_t alive() const noexcept;
  [[nodiscard]] std::uint64_t spawned() const noexcept;

  /// The runtime object around us.
  void set_owner(void* owner) noexcept { owner_ = owner; }
  [[nodiscard]] void* owner() const noexcept { return owner_; }

  [[nodiscard]] bool virtual_time() const noexcept { return virtual_time_; }
  [[nodiscard]] bool debug() const noexcept { return debug_; }
  [[nodiscard]] step_trace* trace() const noexcept { return trace_.get(); }
  /// Somebody wants to know how long each step takes.
  [[nodiscard]] bool times_steps() const noexcept { return debug_ || trace_ != nullptr; }
  [[nodiscard]] bool inspectable() const noexcept { return inspectable_; }
  /// Somebody wants to know which tasks run, and who has spawned whom.
  [[nodiscard]] bool observed() const noexcept { return inspectable_ || times_steps(); }
  /// Does one of our workers run it, as far as is known? Any thread; a snapshot.
  [[nodiscard]] bool runs(const task_state& task) const noexcept;
  [[nodiscard]] clock::time_point* virtual_clock() noexcept {
    return virtual_time_ ? &virtual_now_ : nullptr;
  }
  [[nodiscard]] const atomic<bool>& stopping() const noexcept { return stopping_; }
  /// Tasks of the scheduler with this index that are in the hands of an executor, which will give
  /// them back: meanwhile virtual time stands still. A count of the process, so that an executor's
  /// thread may still touch it when the scheduler is gone.
  //   written by  tasks that go there (relaxed) and executors that have given one back (release)
  //   read by     the one worker of a virtual runtime (acquire): the task is in the inbox then; and
  //               the deadlock watch (relaxed)
  static atomic<std::int32_t>& away(std::uint8_t index) noexcept;

  /// Nothing can wake anybody any more: the loop of the single worker ends, run_until_done throws.
  void declare_deadlock() noexcept;
  /// While the single worker of a runtime with a real clock runs a main task and looks for
  /// deadlocks: how often; else zero.
  [[nodiscard]] std::chrono::nanoseconds watch_interval() const noexcept {
    return watch_ == nullptr ? std::chrono::nanoseconds(0) : watch_->interval();
  }
  void look_for_deadlock() noexcept;
  /// All workers sleep, and nothing is pending that could wake one. Any thread; the single worker
  /// does not count itself.
  [[nodiscard]] bool stands_still() noexcept;
  [[nodiscard]] std::uint64_t steps() const noexcept;
  /// For a destructor that waits for a fork: it cannot throw, so a deadlock ends the process with a
  /// report.
  void check_fork_can_end() noexcept;
  /// The workers destroy queued tasks instead of resuming them.
  [[nodiscard]] bool destroying() const noexcept {
    return destroying_.load(std::memory_order_relaxed);
  }

  using exception_handler = std::function<void(const exception_context&)>;
  void set_exception_handler(exception_handler handler);
  /// Calls into one handler are serialised; what is reported from inside it is printed. Never
  /// throws; any thread.
  void report(const exception_context& context) noexcept;

  /// Pins each live task of this runtime; the caller drops the handles.
  [[nodiscard]] std::vector<task_state*> pin_all();
  /// What waits, one a line: for errors about tasks that will not end. At most twenty, and all in
  /// debug mode.
  [[nodiscard]] std::string describe_tasks();

 private:
  void make_workers(unsigned count);
  void start_threads();
  void start_thread(worker& self);
  void stop_threads() noexcept;
  enum class round : std::uint8_t { cancels, only_waits };
  template <class Wanted, class Action>
  void for_each_task(const Wanted& wanted, const Action& act) noexcept;
  bool mark_all() noexcept;
  void count_swept_end() noexcept;
  bool begin_round(round kind) noexcept;
  [[nodiscard]] bool round_ended() const noexcept;
  bool await_round(std::chrono::steady_clock::time_point until);
  bool run_round(std::chrono::steady_clock::time_point until);
  bool close_generator();
  void destroy_survivors();
  class loop_claim;
  template <class Ended>
  void run_loop_until(const Ended& ended);
  void wait_until_done(task_state& task);
  [[nodiscard]] bool watches_deadlocks() const noexcept {
    return !virtual_time_ && on_deadlock_ != deadlock_action::ignore;
  }
  [[nodiscard]] std::string deadlock_text();
  bool must_fail_of_deadlock() noexcept;
  bool deliver_interrupt() noexcept;

  // Immutable after the constructor.
  std::uint8_t index_;
  bool virtual_time_;
  bool debug_;
  bool inspectable_;
  const std::unique_ptr<step_trace> trace_;
  const held_locks::watch lock_watch_;
  deadlock_action on_deadlock_;  // by_mode is resolved
  std::chrono::milliseconds deadlock_patience_;
  std::string name_;
  void* owner_ = nullptr;
  std::vector<std::unique_ptr<worker>> workers_;

  idle_set idle_;
  blocking_pool blocking_;
  blocking_pool look_ups_;
  clock::time_point virtual_now_{};  // the one worker only

  // Tasks spawned and ended on foreign threads; relaxed statistics.
  atomic<std::uint64_t> foreign_spawned_{0};
  atomic<std::uint64_t> foreign_finished_{0};
  // Rotates foreign spawns over the workers. Relaxed: any value will do.
  atomic<std::uint32_t> next_worker_{0};
  // Foreign threads inside push_remote.
  //   written by  them
  //   read by     the destructor
  //   pairing     release/acquire: they are done with all of us
  atomic<std::uint32_t> visitors_{0};

  //   written by  stop_threads
  //   read by     workers
  //   pairing     none; relaxed: the notification that follows brings it. Who leaves looks at
  //               nothing else
  atomic<bool> stopping_{false};
  //   written by  the single worker's thread and leave(), by exchange
  //   read by     its loop
  //   pairing     release of leave(), acquire of the exchange in run_loop_until(): what has ended is
  //               seen
  atomic<bool> leave_{false};
  //   written by  loop_claim
  //   read by     loop_claim; running(), relaxed: a snapshot
  //   pairing     release of who was the worker, acquire of who is it next
  atomic<bool> loop_running_{false};
  // Written and read by the single worker's thread only.
  bool deadlock_ = false;
  deadlock_watch* watch_ = nullptr;
  //   written by  destroy_survivors
  //   read by     workers before each step
  //   pairing     none; relaxed: they meet in the queues
  atomic<bool> destroying_{false};

  //   written by  request_interrupt, in a signal handler; and the worker that delivers it
  //   read by     workers; relaxed: whom it is for comes under interrupt_lock_
  atomic<bool> interrupt_requested_{false};
  spin_lock interrupt_lock_;
  task_state* interruptible_ = nullptr;  // guarded by interrupt_lock_

  os_mutex sweep_mutex_;
  os_condition sweep_changed_;  // round_ended(), running()
  // Tasks of shutdown rounds that have not ended; and one, while somebody marks them. Then one that
  // has ended already may be missing for a moment, which is what the other one makes up for.
  //   written by  mark_all, and ending tasks
  //   pairing     none; relaxed: the order of the word tells the last one apart. What the tasks did
  //               is seen by the walk over all tasks that finds none, which ends the rounds
  atomic<std::int64_t> swept_{0};

  // Shutdowns that are at telling all tasks of their cancellation.
  //   written by  begin_round
  //   read by     cancelling_all()
  //   pairing     release of the end, acquire of who asks: afterwards each task has its request
  atomic<int> cancelling_all_{0};

  os_mutex handler_mutex_;
  std::shared_ptr<const exception_handler> handler_;  // guarded by handler_mutex_

  std::vector<os_thread> threads_;
};

}  // namespace weft::detail
