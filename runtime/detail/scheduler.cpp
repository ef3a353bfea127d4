#include "scheduler.h"

#include "../error.h"
#include "../exception_context.h"
#include "address_space.h"
#include "blocking_waiter.h"
#include "debug_reports.h"
#include "frame_pool.h"
#include "held_locks.h"
#include "io_operation.h"
#include "open_generators.h"
#include "step_trace.h"
#include "sys.h"
#include "wait_node.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <new>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace weft::detail {
namespace {

// Schedulers of the process by index. A task names its scheduler by 8 bits.
//   written by  constructors (compare-exchange) and destructors of schedulers
//   read by     find(), by whoever holds a task of it
//   pairing     none; relaxed: who holds a task of a scheduler has got that after it was made, and
//               sees the scheduler by that
constexpr std::uint32_t schedulers_max = 255;
constinit atomic<scheduler*> schedulers[schedulers_max];

std::uint8_t register_scheduler(scheduler& self) {
  for (std::uint32_t i = 0; i < schedulers_max; ++i) {
    scheduler* none = nullptr;
    // Relaxed: see schedulers.
    if (schedulers[i].compare_exchange_strong(none, &self, std::memory_order_relaxed)) {
      return static_cast<std::uint8_t>(i);
    }
  }
  throw std::runtime_error("too many runtimes alive in one process (255)");
}

}  // namespace

// ---- The calls that come up from task_state.h and io_operation.h --------------------------------

void schedule(task_state& task) noexcept {
  if (here.runtime == task.runtime) [[likely]]
    return worker::current()->push(task);
  scheduler::at(task.runtime).push_remote(task);
}

void schedule_back(task_state& task) noexcept {
  if (here.runtime == task.runtime) [[likely]]
    return worker::current()->push_back(task);
  scheduler::at(task.runtime).push_remote(task);
}

void run_now(task_state& task) noexcept {
  const bool inside_a_task = here.runtime == task.runtime && here.task != nullptr;
  if (!inside_a_task || !worker::current()->run_nested(task)) schedule_back(task);
}

void reschedule_current() noexcept {
  schedule_back(*here.task);
}

int register_source(io_source& source) noexcept {
  worker* self = worker::current();
  if (self == nullptr)
    self = &scheduler::at(here.task->runtime).worker_at(0);  // on an executor's thread
  return self->poll().add(source.fd(), source.tag());
}

bool submit_blocking(std::uint32_t runtime, blocking_job& job) noexcept {
  return scheduler::at(runtime).blocking(job.kind).submit(job);
}

bool withdraw_blocking(std::uint32_t runtime, blocking_job& job) noexcept {
  return scheduler::at(runtime).blocking(job.kind).withdraw(job);
}

void task_ended(std::uint8_t runtime, bool swept) noexcept {
  scheduler::at(runtime).count_end(swept);
}

void report_unretrieved(task_state& task) noexcept {
  exception_context context;
  context.message = "task exception was never retrieved";
  context.exception = task.type->exception(task);
  // A name is not made up for a dying task.
  if (const task_extra* extra = find_extra(task)) context.task = extra->id;
  // A handle may outlive the runtime of its task.
  if (scheduler* home = scheduler::find(task.runtime)) return home->report(context);
  print_report(context);
}

void end_locks(task_state& task) noexcept {
  const std::size_t held = held_locks::forget_all_of(task);
  if (held == 0) return;
  scheduler& home = scheduler::at(task.runtime);
  if (home.debug()) report_held_locks(home, task, held);
}

// ---- Construction -------------------------------------------------------------------------------

scheduler::scheduler(scheduler_options options)
    : index_(register_scheduler(*this)),
      virtual_time_(options.virtual_time),
      debug_(options.debug),
      inspectable_(options.inspectable),
      trace_(std::move(options.trace)),
      lock_watch_(observed()),
      on_deadlock_(options.on_deadlock),
      deadlock_patience_(options.deadlock_patience),
      name_(std::move(options.name)),
      blocking_(options.blocking_threads_max, options.blocking_keep_alive),
      look_ups_(options.look_up_threads_max, options.blocking_keep_alive) {
  try {
    if (on_deadlock_ == deadlock_action::by_mode)
      on_deadlock_ = debug_ ? deadlock_action::report : deadlock_action::ignore;
    assert(options.workers >= 1 && options.workers <= idle_set::workers_max);
    make_workers(options.workers);
    if (!single()) start_threads();
  } catch (...) {
    stop_threads();
    leave_process();
    throw;
  }
}

void scheduler::make_workers(unsigned count) {
  try {
    for (unsigned i = 0; i < count; ++i)
      workers_.push_back(std::make_unique<worker>(*this, i, count == 1));
  } catch (const std::bad_alloc&) {
    throw out_of_memory("workers", sizeof(worker));
  }
}

scheduler::~scheduler() {
  for (blocking_pool* each : {&blocking_, &look_ups_})
    (void)each->stop(std::chrono::steady_clock::now());
  stop_threads();
  // acquire: see push_remote. They are past their push and never wait.
  while (visitors_.load(std::memory_order_acquire) != 0) yield_thread();
  io_source::end_registrations(index_);
  leave_process();
}

/// The index may be used again.
void scheduler::leave_process() noexcept {
  schedulers[index_].store(nullptr, std::memory_order_relaxed);  // relaxed: see schedulers
}

void scheduler::start_threads() {
  const sys::all_signals_blocked blocked;
  threads_.reserve(workers_.size());
  for (auto& each : workers_) start_thread(*each);
}

void scheduler::start_thread(worker& self) {
  try {
    threads_.emplace_back([this, &self] {
      const worker::attachment attached(self);
      self.run(stopping_);
    });
  } catch (const std::system_error& error) {
    throw_no_thread(error.code().value(),
                    "worker " + std::to_string(self.index() + 1) + " of " + std::to_string(size()));
  }
}

void scheduler::stop_threads() noexcept {
  stopping_.store(true, std::memory_order_relaxed);  // relaxed: see stopping_
  for (auto& each : workers_) each->notify();
  for (os_thread& thread : threads_) thread.join();
  threads_.clear();
}

scheduler& scheduler::at(std::uint32_t index) noexcept {
  return *find(index);
}

scheduler* scheduler::find(std::uint32_t index) noexcept {
  return schedulers[index].load(std::memory_order_relaxed);  // relaxed: see schedulers
}

atomic<std::int32_t>& scheduler::away(std::uint8_t index) noexcept {
  static constinit atomic<std::int32_t> counts[schedulers_max];
  return counts[index];
}

scheduler& scheduler::current(const char* operation) {
  if (worker* self = worker::current()) return self->home();
  if (here.task != nullptr) return at(here.task->runtime);  // on an executor's thread
  throw std::logic_error(std::string(operation) + " needs a running weft runtime on this thread");
}

// ---- Running ------------------------------------------------------------------------------------

void scheduler::push_remote(task_state& task) noexcept {
  // As soon as it is in the inbox the task may run, end, and the runtime with it: then the
  // destructor waits for us.
  visitors_.fetch_add(1, std::memory_order_relaxed);
  workers_[task.worker]->push_remote(task);
  visitors_.fetch_sub(1, std::memory_order_release);  // release: our last look at the scheduler
}

std::uint16_t scheduler::place_foreign() noexcept {
  // A few in a row to one worker: one wake-up serves them all.
  constexpr std::uint32_t in_a_row = 16;
  return static_cast<std::uint16_t>(next_worker_.fetch_add(1, std::memory_order_relaxed) /
                                    in_a_row % workers_.size());
}

bool scheduler::running() const noexcept {
  return !single() || loop_running_.load(std::memory_order_relaxed);
}

void scheduler::leave() noexcept {
  // release: pairs with the acquire in run_loop_until(); a read-modify-write: see there.
  leave_.exchange(true, std::memory_order_release);
}

void scheduler::declare_deadlock() noexcept {
  deadlock_ = true;
  leave();
}

void scheduler::check_fork_can_end() noexcept {
  if (!deadlock_) return;
  const std::string waiting =
      "deadlock: a fork that was left un-awaited can never end, and its parent waits for it\n" +
      describe_tasks();
  exception_context context;
  context.message = waiting;
  report(context);
  std::terminate();
}

/// One thread at a time is the single worker.
class scheduler::loop_claim {
 public:
  /// Holds it, or nothing: another thread has it.
  explicit loop_claim(scheduler& on) noexcept
      // acquire: pairs with the release in the destructor, of who was the worker before.
      : scheduler_(on), held_(!on.loop_running_.exchange(true, std::memory_order_acquire)) {}
  loop_claim(const loop_claim&) = delete;
  loop_claim& operator=(const loop_claim&) = delete;
  ~loop_claim() {
    if (!held_) return;
    const std::lock_guard lock(scheduler_.sweep_mutex_);
    // release: pairs with the acquire in the constructor, of who is the worker next.
    scheduler_.loop_running_.store(false, std::memory_order_release);
    scheduler_.sweep_changed_.notify_all();
  }
  [[nodiscard]] bool held() const noexcept { return held_; }

 private:
  scheduler& scheduler_;
  const bool held_;
};

/// Runs the single worker, which the caller has claimed, until what leave() comes after is so.
template <class Ended>
void scheduler::run_loop_until(const Ended& ended) {
  const worker::attachment attached(*workers_[0]);
  for (;;) {
    // A read-modify-write: either it sees a leave() from before, and with that what has ended, or
    // the leave() comes after it and counts.
    leave_.exchange(false, std::memory_order_acquire);
    if (ended()) return;
    workers_[0]->run(leave_);
  }
}

namespace {

/// Ends the loop of the single worker when the main task is done.
struct leaving_waiter : completion_waiter {
  explicit leaving_waiter(scheduler& target) : owner(target) {
    on_done = [](completion_waiter& self, task_state&) noexcept {
      static_cast<leaving_waiter&>(self).owner.leave();
    };
  }
  scheduler& owner;
};

}  // namespace

void scheduler::run_until_done(task_state& task) {
  if (!single()) return wait_until_done(task);
  const loop_claim claim(*this);
  if (!claim.held())
    throw std::logic_error("runtime::run(): another thread runs the one worker already");
  leaving_waiter waiter(*this);
  if (!add_waiter(task, waiter)) return;
  deadlock_watch watch(*this, deadlock_patience_);
  if (watches_deadlocks()) watch_ = &watch;
  run_loop_until([&] { return done(task) || deadlock_; });
  watch_ = nullptr;
  if (!deadlock_) return;
  deadlock_ = false;
  remove_waiter(task, waiter);
  throw deadlock_error(deadlock_text());
}

/// Of workers with threads of their own.
void scheduler::wait_until_done(task_state& task) {
  blocking_waiter waiter;
  if (!add_waiter(task, waiter)) return;
  if (!watches_deadlocks()) return waiter.wait();
  deadlock_watch watch(*this, deadlock_patience_);
  while (!waiter.wait_until(std::chrono::steady_clock::now() + watch.interval())) {
    if (watch.look() && must_fail_of_deadlock() && remove_waiter(task, waiter))
      throw deadlock_error(deadlock_text());
  }
}

// ---- Deadlocks ----------------------------------------------------------------------------------

std::string scheduler::deadlock_text() {
  return "deadlock: nothing can run any more, no timer, I/O or blocking call is pending\n" +
         describe_tasks();
}

/// False: it is enough to report it, which is done.
bool scheduler::must_fail_of_deadlock() noexcept {
  if (on_deadlock_ == deadlock_action::fail) return true;
  const std::string text = deadlock_text();
  exception_context context;
  context.message = text;
  report(context);
  return false;
}

void scheduler::look_for_deadlock() noexcept {
  if (watch_ != nullptr && watch_->look() && must_fail_of_deadlock()) declare_deadlock();
}

bool scheduler::stands_still() noexcept {
  for (const auto& each : workers_) {
    if (each->timers().size_approx() > 0 || (!single() && !each->asleep())) return false;
  }
  // Relaxed: a snapshot, of which the watch takes two.
  return away(index_).load(std::memory_order_relaxed) == 0 && blocking_pending() == 0 &&
         !io_source::anyone_waits();
}

std::uint64_t scheduler::steps() const noexcept {
  std::uint64_t total = 0;
  for (const auto& each : workers_) total += each->steps();
  return total;
}

// ---- Interruption -------------------------------------------------------------------------------

void scheduler::set_interruptible(task_state* main) noexcept {
  interrupt_requested_.store(false, std::memory_order_relaxed);
  const spin_guard guard(interrupt_lock_);
  interruptible_ = main;
}

void scheduler::request_interrupt() noexcept {
  interrupt_requested_.store(true, std::memory_order_relaxed);
  workers_[0]->notify();  // if that one is in a long step, the watcher asks soon
}

bool scheduler::deliver_interrupt() noexcept {
  if (!interrupt_requested_.exchange(false, std::memory_order_relaxed)) return false;
  task_state* main = nullptr;
  {
    const spin_guard guard(interrupt_lock_);
    main = interruptible_;
    if (main == nullptr) return false;
    add_handle(*main);
  }
  const bool woken = cancel(*main);  // may call what the user has given to a stop_token
  drop_handle(*main);
  return woken;
}

// ---- Shutdown -----------------------------------------------------------------------------------

std::vector<task_state*> scheduler::pin_all() {
  struct collection {
    std::uint8_t runtime;
    std::vector<task_state*> tasks;
  } found{index_, {}};
  frame_pool::for_each_block(
      [](void* context, task_state& header) {
        auto& into = *static_cast<collection*>(context);
        if (try_pin(header, into.runtime)) into.tasks.push_back(&header);
      },
      &found);
  return std::move(found.tasks);
}

/// Calls act(task) for each live task that `wanted` says yes to. The task is pinned, and the walk's
/// lock is free. Takes no memory.
template <class Wanted, class Action>
void scheduler::for_each_task(const Wanted& wanted, const Action& act) noexcept {
  struct batch {
    std::uint8_t runtime;
    std::size_t count = 0;
    task_state* tasks[256];
  } pinned{.runtime = index_, .tasks = {}};
  frame_pool::walk at;
  bool more = true;
  while (more) {
    pinned.count = 0;
    more = frame_pool::visit_blocks(
        at,
        [](void* context, task_state& header) {
          auto& into = *static_cast<batch*>(context);
          if (try_pin(header, into.runtime)) into.tasks[into.count++] = &header;
          return into.count < std::size(into.tasks);
        },
        &pinned);
    for (std::size_t i = 0; i < pinned.count; ++i) {
      task_state& task = *pinned.tasks[i];
      if (wanted(task)) act(task);
      drop_handle(task);
    }
  }
}

/// Marks what is alive now: the round ends with them, and with what others have marked before, in a
/// shutdown that goes on or has given up. False: nothing is.
bool scheduler::mark_all() noexcept {
  struct marking {
    scheduler& self;
    bool any = false;
  } state{*this};
  // One more: a task may end before it is counted, and is not the last one of others then.
  swept_.fetch_add(1, std::memory_order_relaxed);
  frame_pool::for_each_block(
      [](void* context, task_state& header) {
        auto& [self, any] = *static_cast<marking*>(context);
        if (!mark_swept(header, self.index_)) return;
        any = true;
        self.swept_.fetch_add(1, std::memory_order_relaxed);
      },
      &state);
  count_swept_end();
  return state.any || !round_ended();
}

/// Cancels what is alive now, or only waits for it. False: nothing was, the runtime is quiet.
/// All are marked before the first is cancelled: what a task spawns in order to clean up belongs to
/// the next round, and may finish its work in this one.
bool scheduler::begin_round(round kind) noexcept {
  const bool any = mark_all();
  if (kind == round::cancels) {
    // Relaxed: who has ended of it sees it by its request.
    cancelling_all_.fetch_add(1, std::memory_order_relaxed);
    for_each_task(is_swept, [](task_state& task) { cancel(task); });
    cancelling_all_.fetch_sub(1, std::memory_order_release);  // release: see cancelling_all_
  }
  return any;
}

bool scheduler::round_ended() const noexcept {
  return swept_.load(std::memory_order_relaxed) == 0;
}

/// True: all tasks of the round ended in time.
bool scheduler::await_round(std::chrono::steady_clock::time_point until) {
  for (;;) {
    if (single()) {
      const loop_claim claim(*this);
      if (claim.held()) return run_round(until);
    }
    // The tasks end on other threads.
    std::unique_lock lock(sweep_mutex_);
    const auto changed = [this] { return round_ended() || !running(); };
    if (!sweep_changed_.wait_until(lock, until, changed)) return false;
    if (round_ended()) return true;
  }
}

/// With one worker, claimed by the caller.
bool scheduler::run_round(std::chrono::steady_clock::time_point until) {
  struct limit_timer : timer_node {
    scheduler* owner;
  } limit;
  limit.owner = this;
  limit.fire = [](timer_node& self) noexcept {
    scheduler* owner = static_cast<limit_timer&>(self).owner;
    self.end_fire();
    owner->leave();
  };
  const auto left = std::chrono::ceil<clock::duration>(until - std::chrono::steady_clock::now());
  limit.when = (virtual_time_ ? virtual_now_ : clock::now()) + left;
  workers_[0]->timers().arm(limit);
  // Relaxed: finish_disarm() comes before its end.
  bool ended = false;
  run_loop_until([&] {
    ended = round_ended();
    const bool in_time = limit.state.load(std::memory_order_relaxed) == timer_node::phase::armed;
    return ended || !in_time || deadlock_;
  });
  deadlock_ = false;
  timer_wheel::finish_disarm(limit);
  return ended;
}

void scheduler::stop_blocking(std::chrono::steady_clock::time_point until) {
  const auto stop = [&](blocking_pool& pool, const char* calls) {
    const std::size_t left = pool.stop(until);
    if (left == 0) return;
    const std::string message =
        std::string(calls) + " that still run after the shutdown time-out: " + std::to_string(left);
    exception_context context;
    context.message = message;
    report(context);
  };
  stop(blocking_, "calls of to_thread(abandon_on_cancel, ...)");
  stop(look_ups_, "name look-ups");
}

bool scheduler::shutdown(std::chrono::milliseconds timeout) {
  if (worker* self = worker::current(); self != nullptr) {
    throw std::logic_error(
        "shutdown() called on a worker: call it from a thread outside the runtime");
  }
  const auto until = std::chrono::steady_clock::now() + timeout;
  round next = round::cancels;
  for (;;) {
    while (begin_round(next)) {
      next = round::cancels;
      if (await_round(until)) continue;
      destroy_survivors();
      return false;
    }
    if (!close_generator()) return true;
    next = round::only_waits;
  }
}

/// Starts a task that closes the oldest open generator: a later one may live inside it, and is gone
/// with it. False: none is open.
bool scheduler::close_generator() {
  while (open_generator* oldest = take_open_generator(index_)) {
    if (oldest->close(*this)) return true;
  }
  return false;
}

/// Tasks that swallow every cancellation: named, then destroyed where they wait.
void scheduler::destroy_survivors() {
  const std::string survivors =
      "tasks that did not end within the shutdown time-out are destroyed where they wait; one that "
      "waits for a call on another thread, when that returns:\n" +
      describe_tasks();
  exception_context context;
  context.message = survivors;
  report(context);
  // From now on the workers destroy what is queued instead of resuming it; what waits is unlinked
  // and queued.
  destroying_.store(true, std::memory_order_relaxed);
  for (int rounds = 0; rounds < 100; ++rounds) {
    bool any = false;
    // Those that were begun meanwhile, too: await_round() waits for what is marked.
    (void)mark_all();
    for_each_task([](task_state&) { return true; },
                  [&](task_state& task) {
                    any = true;
                    condemn(task);
                  });
    if (!any) break;
    (void)await_round(std::chrono::steady_clock::now() + std::chrono::milliseconds(20));
  }
  destroying_.store(false, std::memory_order_relaxed);
}

bool scheduler::runs(const task_state& task) const noexcept {
  if (here.task == &task) return true;
  return std::any_of(workers_.begin(), workers_.end(),
                     [&](const auto& each) { return each->runs(task); });
}

std::string scheduler::describe_tasks() {
  const std::size_t listed_max = debug_ ? std::numeric_limits<std::size_t>::max() : 20;
  std::vector<task_state*> tasks = pin_all();
  std::string text;
  for (std::size_t i = 0; i < tasks.size() && i < listed_max; ++i) {
    const char* const where = waits_for(*tasks[i]);
    text += "  " + name_of(*tasks[i]);
    text += where == nullptr ? "\n" : std::string(" waits for ") + where + "\n";
  }
  if (tasks.size() > listed_max)
    text += "  and " + std::to_string(tasks.size() - listed_max) + " more\n";
  for (task_state* task : tasks) drop_handle(*task);
  return text;
}

void scheduler::count_end(bool swept) noexcept {
  if (worker* self = worker::current(); self != nullptr && &self->home() == this) {
    worker_counters::add(self->counters().finished);
  } else {
    foreign_finished_.fetch_add(1, std::memory_order_relaxed);
  }
  if (swept) count_swept_end();
}

/// One task less that a shutdown waits for.
void scheduler::count_swept_end() noexcept {
  if (swept_.fetch_sub(1, std::memory_order_relaxed) != 1) return;
  if (single()) {
    leave();
    if (here.worker != workers_[0].get()) workers_[0]->notify();
  }
  const std::lock_guard lock(sweep_mutex_);
  sweep_changed_.notify_all();
}

task_state& scheduler::adopt_fork(task_state& child) noexcept {
  // Its context was taken at the fork, and its parent lies in the link.
  const std::uintptr_t context = child.extra.load(std::memory_order_relaxed);
  init_task(child, *child.type, index_, std::coroutine_handle<>::from_address(child.leaf),
            task_life::one_handle, with_fork_parent(context, child.next));
  count_spawn();
  return child;
}

void scheduler::count_spawn() noexcept {
  if (worker* self = worker::current(); self != nullptr && &self->home() == this) {
    worker_counters::add(self->counters().spawned);
  } else {
    foreign_spawned_.fetch_add(1, std::memory_order_relaxed);
  }
}

std::uint64_t scheduler::spawned() const noexcept {
  std::uint64_t total = foreign_spawned_.load(std::memory_order_relaxed);
  for (const auto& each : workers_)
    total += each->counters().spawned.load(std::memory_order_relaxed);
  return total;
}

std::int64_t scheduler::alive() const noexcept {
  std::uint64_t finished = foreign_finished_.load(std::memory_order_relaxed);
  for (const auto& each : workers_)
    finished += each->counters().finished.load(std::memory_order_relaxed);
  return static_cast<std::int64_t>(spawned() - finished);
}

// ---- Reports ------------------------------------------------------------------------------------

namespace {

/// Whose handler this thread is in.
thread_local constinit const scheduler* reporting = nullptr;

}  // namespace

void scheduler::set_exception_handler(exception_handler handler) {
  auto next = std::make_shared<const exception_handler>(std::move(handler));
  std::unique_lock lock(handler_mutex_, std::defer_lock);
  if (reporting != this) lock.lock();  // nobody is in the old one any more
  handler_.swap(next);
}

void scheduler::report(const exception_context& context) noexcept {
  if (reporting == this) return print_report(context);  // from inside the handler
  const std::lock_guard lock(handler_mutex_);
  const auto handler = handler_;  // which it may replace
  if (handler == nullptr || !*handler) return print_report(context);
  const scheduler* const outer = std::exchange(reporting, this);
  try {
    (*handler)(context);
  } catch (...) {  // a handler that fails must not take the runtime down: its report goes to stderr
    print_report(context);
  }
  reporting = outer;
}

}  // namespace weft::detail
