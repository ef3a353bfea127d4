#pragma once

// The header of a spawned task, and the protocol by which it waits, is woken and is cancelled.
//
// A task is one coroutine that the scheduler knows, plus the coroutines it awaits, which the
// scheduler has never heard of. Its header lies in front of its frame (frame_pool.h) and holds all
// that queues, wakers and cancellers touch: one cache line. A wake names the task; the worker
// resumes its *leaf*, the innermost suspended coroutine, whatever the depth.
//
// THE WAIT WORD decides every race between suspending, waking and cancelling. Its bits:
//
//   63..56  count    cancellation requests, minus uncancel(): asyncio's cancelling(). Saturates at
//                    255
//   50      MASK     the task postpones requests (owner's flag); its scopes know what else they shield
//                    from
//   49      LEVEL    a scope of the task (deadline) has expired: every suspension raises until the
//                    scope is left
//   48      REQUEST  a cancellation that was not delivered yet
//   47..4   node     the wait_node of the pending await (16-aligned), while ARMED, BUSY or HELD
//   3       WOKEN    a wake came before the task was armed, or while it was BUSY
//   2       BUSY     suspended; a canceller is using node
//   1       HELD     suspended; not cancellable: the operation has completed and its wake is on the way
//   0       ARMED    suspended; cancellable through node
//
// None of the low four: running, queued, or not started. The transitions:
//
//   suspend (owner)   1. publish the node at the primitive
//                     2. arm: 0 -> node|ARMED, one CAS
//   wake (anyone)     1. claim the node at the primitive
//                     2. node|ARMED -> 0 and schedule, one CAS; or 0 -> WOKEN
//   cancel (anyone)   1. node|ARMED -> node|BUSY
//                     2. node->unlink(), then back to 0, ARMED or HELD
//
// The task cannot run while BUSY, so node and frame stay alive for the canceller; a waker that
// meets BUSY leaves WOKEN behind and the canceller schedules in its place. Whoever unlinks the node
// at the primitive owns the outcome, so each suspension has exactly one wake, and wakes need
// neither reference counts nor "already queued" bookkeeping.
//
// Rejected: delivering cancellation by std::stop_callback (allocates, and deregistration blocks); a
// reference for each wake, as tokio does (four to six atomic operations for a wake and a poll; this
// is two).

#include "atomic.h"
#include "spin_lock.h"

#include <coroutine>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

namespace weft::detail {

class context;
struct task_state;
struct wait_node;
struct interrupt_scope;

/// What the untyped core must know of a task's result type. One constant object for each type.
struct task_type {
  std::size_t prefix_bytes;                    // from the header to the coroutine frame
  bool (*failed)(const task_state&) noexcept;  // ended with an exception
  // Destroys the result of a task whose frame is already gone.
  void (*destroy_result)(task_state&) noexcept;
  // The exception the task ended with, or null.
  std::exception_ptr (*exception)(const task_state&) noexcept;
  void (*set_exception)(task_state&, std::exception_ptr) noexcept;
};

/// Somebody who wants to know that a task is done. on_done runs once, on the thread that completes
/// the task, after which the waiter may be gone.
struct completion_waiter {
  completion_waiter* next = nullptr;
  void (*on_done)(completion_waiter& self, task_state& task) noexcept = nullptr;
};

/// Told of each cancellation of a task that has asked for a stop token. Counted: a canceller may
/// still use it when the task has another one already.
class stop_hook {
 public:
  virtual void request_stop() noexcept = 0;
  void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void drop_reference() noexcept {
    // acq_rel: the last one sees all uses.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 protected:
  virtual ~stop_hook() = default;

 private:
  atomic<int> references_{1};
};

/// What few tasks have: made when it is asked for.
struct task_extra {
  std::string name;
  std::uint64_t id = 0;
  spin_lock lock;
  stop_hook* stop = nullptr;  // guarded by lock; replaced by the task, used by cancellers
  context* values = nullptr;  // owner only; a counted reference
  // In debug mode, where every task gets one of these before it first runs:
  bool observed = false;     // written before the first step: its children note whose they are
  std::uint64_t parent = 0;  // id of the task that has spawned it; immutable once published
  task_state* fork_parent = nullptr;  // immutable once published; see fork_parent_of

  task_extra() = default;
  task_extra(const task_extra&) = delete;
  task_extra& operator=(const task_extra&) = delete;
  ~task_extra();
};

struct alignas(64) task_state {
  /// See the table above.
  //   written by  the task itself (arm), wakers, cancellers: any thread
  //   read by     the same
  //   pairing     every transition between threads is an acq_rel read-modify-write, so that what
  //               the waker wrote before the wake is seen by the resumed task, and what the task
  //               wrote before it armed is seen by waker and canceller. Where a task changes its
  //               own flags, or only arms, half of that or less is enough: said at each place
  atomic<std::uint64_t> wait;

  /// Life-cycle bits and handle count, see task_life below. Zero: no task lives in this block.
  //   written by  spawner (once), completing worker, handle owners: any thread, by compare-exchange
  //   read by     the same, and walkers of the frame pool
  //   pairing     release when the task completes, acquire by who reads its result or frees its
  //               memory
  atomic<std::uint32_t> life;

  // Where it ran last, or must run when pinned. Owner only: the thread that runs or dequeued it.
  std::uint16_t worker;
  std::uint8_t runtime;     // index of its scheduler in the process; immutable after the spawn
  std::uint8_t size_class;  // of the block, once the frame is gone

  void* leaf;        // what to resume: a coroutine address, maybe with leaf_tag bits; owner only
  task_state* next;  // link of the queue that holds it
  completion_waiter* waiters;  // guarded by the lock bit of life
  const task_type* type;       // immutable after the spawn
  interrupt_scope* scopes;     // innermost deadline or cancel scope; owner only
  /// A task_extra, once something was asked for. Until then null, or with a tag in the lowest bits
  /// the task's context or the parent that has forked it: to inherit one allocates nothing.
  //   written by  extra_of, any thread with a handle or pin: once, by compare-exchange; before that
  //               set_context, on the task's own thread, by the same
  //   read by     the same
  //   pairing     release of who makes a task_extra, acquire of all others: its contents are seen
  atomic<std::uintptr_t> extra;
};
static_assert(sizeof(task_state) == 64);

/// Bits of task_state::life. All transitions are compare-exchanges that wait while LOCK is set.
namespace task_life {
inline constexpr std::uint32_t lock = 1;             // somebody edits `waiters`
inline constexpr std::uint32_t frame = 2;            // the runtime owns a frame that has not ended
inline constexpr std::uint32_t done = 4;             // result is there
inline constexpr std::uint32_t cancelled = 8;        // ... and it is a cancellation
inline constexpr std::uint32_t failed = 16;          // ... or an exception
inline constexpr std::uint32_t retrieved = 32;       // somebody has seen the failure
inline constexpr std::uint32_t swept = 64;           // a shutdown waits for its end
inline constexpr std::uint32_t pinned = 128;         // never leaves task_state::worker
inline constexpr std::uint32_t one_handle = 1 << 8;  // handles and pins, 16 bits
inline constexpr std::uint32_t handles = 0xffff << 8;
// Index of the scheduler, so that walkers see whose task it is.
inline constexpr std::uint32_t runtime_shift = 24;
}  // namespace task_life

namespace leaf_tag {
// Points to a retry_node: try the operation again before resuming.
inline constexpr std::uintptr_t retry = 1;
// Never ran: a pending request means it never will.
inline constexpr std::uintptr_t first = 2;
inline constexpr std::uintptr_t mask = 3;
}  // namespace leaf_tag

inline constexpr std::uint32_t no_runtime = 0xffff'ffff;

/// What this thread is doing. Reached by one thread-local access; never keep its address across a
/// suspension.
struct execution {
  task_state* task = nullptr;  // the running task; null in callbacks and outside workers
  // Set by the final suspension of a root coroutine for the worker to complete.
  task_state* finished = nullptr;
  int budget = 0;                      // ready awaits left before this resume must let others run
  std::uint32_t runtime = no_runtime;  // index of the worker's scheduler
  void* worker = nullptr;              // detail::worker of this thread, or null
  // Outside of a task, on whose behalf this thread works: to_thread. Not counted.
  const context* borrowed = nullptr;
  // Whose frame complete() is destroying: the block stays. Asked here by every frame that ends, so
  // that a coroutine which was only awaited never touches its header.
  const task_state* ending = nullptr;
};
[[gnu::tls_model("initial-exec")]] extern constinit thread_local execution here;

/// Makes `state` (uninitialised header memory) a task that was not queued yet. `life_bits`:
/// task_life::pinned and any number of one_handle; frame is added.
/// `extra`: what make_extra gave, or inherit_context.
void init_task(task_state& state, const task_type& type, std::uint8_t runtime,
               std::coroutine_handle<> frame, std::uint32_t life_bits,
               std::uintptr_t extra) noexcept;
/// For a task with a name, or without, begun by the running one. Throws std::bad_alloc.
std::uintptr_t make_extra(std::string_view name);
/// ... without a name; where memory is short its parent is not known.
std::uintptr_t inherit_extra() noexcept;
/// ... of which only the context matters: it may never become a task.
std::uintptr_t inherit_context() noexcept;
/// ... of a child that `parent` has forked, from what inherit_context() gave.
std::uintptr_t with_fork_parent(std::uintptr_t extra, task_state* parent) noexcept;
/// Takes back one that no task has got.
void drop_extra(std::uintptr_t extra) noexcept;

/// Puts a task that is not queued into a queue of its scheduler. Any thread. Defined by the
/// scheduler: the one call that goes up.
void schedule(task_state& task) noexcept;
/// ... behind everything that is ready.
void schedule_back(task_state& task) noexcept;
/// Runs the first step of a new task inside the running one; or queues it where that cannot be.
void run_now(task_state& task) noexcept;
/// Accounting at the end of a task's life, and the report of a failure nobody has seen. Defined by
/// the scheduler too.
void task_ended(std::uint8_t runtime, bool swept) noexcept;
void report_unretrieved(task_state& task) noexcept;
/// Where locks are watched, of a task whose frame is gone and whose end nobody has heard of yet.
void end_locks(task_state& task) noexcept;
/// In debug mode, on this thread: a coroutine that never began was destroyed; or another mistake.
void report_unawaited(const void* frame) noexcept;
void report_misuse(const char* what) noexcept;

/// Wakes a task whose wait node the caller has claimed. Any thread; never runs the task here.
/// Afterwards the node and the frame may be gone.
void wake(task_state& task) noexcept;

/// Counts a cancellation request and delivers it if the task waits. Any thread that keeps the task
/// alive (a handle, a pin, or being the task). False if it was done already.
bool cancel(task_state& task) noexcept;

/// Raises `LEVEL` for an expired scope of the task: like cancel, without a count, until
/// clear_level().
void interrupt(task_state& task) noexcept;
void clear_level(task_state& task) noexcept;

/// asyncio's cancelling() and uncancel(). Reaching zero withdraws a request that was not delivered.
int cancelling(const task_state& task) noexcept;
int uncancel(task_state& task) noexcept;
/// For a scope that begins now: requests that it has nothing to do with. One that is still pending
/// counts as if it came a moment later: unless a shield is up it will end what is inside.
int requests_before(const task_state& task) noexcept;
/// A scope that made one request of its own takes it back. True: the cancellation was its own. No
/// more requests are left than those `before` it, and one that was not delivered is withdrawn.
bool retract(task_state& task, int before) noexcept;
bool request_pending(const task_state& task) noexcept;
/// Makes a delivered request pending again, without counting it.
void repost_request(task_state& task) noexcept;
/// A request is pending that the next suspension would deliver. Owner only.
bool interrupted(const task_state& task) noexcept;
/// An expired scope of the task is not left yet. Owner only.
bool level_raised(const task_state& task) noexcept;
/// Waits for something. A snapshot.
bool is_suspended(const task_state& task) noexcept;
/// ... and for what: "mutex::lock()". Null when it does not wait. Any thread that keeps the task
/// alive; visits it as a canceller does.
const char* waits_for(task_state& task) noexcept;
/// ... and meanwhile looks at the task, which cannot run.
using look_function = void (*)(void* context, const task_state& task) noexcept;
const char* waits_for(task_state& task, look_function look, void* context) noexcept;
/// Told of a task whose end, or lock, is awaited. It may be ending: only its address is good for
/// anything.
using visit_function = void (*)(void* context, const task_state& awaited) noexcept;
/// The tasks that it waits for. While it is looked at only.
void visit_awaited(const task_state& task, visit_function visit, void* context) noexcept;
/// Takes a pending request as delivered; false if there is none, or it is masked. Owner only.
bool consume_request(task_state& task) noexcept;
/// While a scope shields: requests are counted and wait. Owner only.
void mask_requests(task_state& task) noexcept;
void unmask_requests(task_state& task) noexcept;
bool requests_masked(const task_state& task) noexcept;

/// The worker's part of completion: destroys the frame of a task whose body has ended, publishes
/// the result, tells the waiters, and frees the block if nobody holds it.
void complete(task_state& task) noexcept;
/// Destroys a task that never ran and ends it as cancelled.
void complete_unstarted(task_state& task) noexcept;

/// Last resort of a shutdown: destroys the frames of a task that waits and will not end. The caller
/// has a pin. False if it cannot be done now (it runs, or its wake is on the way).
bool condemn(task_state& task) noexcept;

/// Handles and pins keep the block and the result alive. False when no live task of this runtime is
/// there.
bool try_pin(task_state& task, std::uint8_t runtime) noexcept;
/// The end of the task will be reported to task_ended as swept. False when it is no live task of
/// this runtime, or marked already. The caller need not have pinned it.
bool mark_swept(task_state& task, std::uint8_t runtime) noexcept;
[[nodiscard]] inline bool is_swept(const task_state& task) noexcept {
  return (task.life.load(std::memory_order_relaxed) & task_life::swept) != 0;
}
void add_handle(task_state& task) noexcept;
void drop_handle(task_state& task) noexcept;

/// Registers a waiter. False if the task is done already: on_done will not be called.
bool add_waiter(task_state& task, completion_waiter& waiter) noexcept;
/// Takes a waiter back. False if it is not registered any more: on_done has been or is being
/// called.
bool remove_waiter(task_state& task, completion_waiter& waiter) noexcept;

[[nodiscard]] inline bool done(const task_state& task) noexcept {
  // acquire: pairs with the release in complete(), so that the result may be read.
  return (task.life.load(std::memory_order_acquire) & task_life::done) != 0;
}
[[nodiscard]] inline bool ended_cancelled(const task_state& task) noexcept {
  // acquire: as in done().
  return (task.life.load(std::memory_order_acquire) & task_life::cancelled) != 0;
}
void mark_retrieved(task_state& task) noexcept;
[[nodiscard]] inline bool is_retrieved(const task_state& task) noexcept {
  return (task.life.load(std::memory_order_relaxed) & task_life::retrieved) != 0;
}

/// From now on cancellers tell this hook, whose reference is taken over. True: a request was there
/// before, of which it has not heard. Owner only.
bool set_stop_hook(task_state& task, stop_hook* hook);

task_extra& extra_of(task_state& task);
/// From now on the children of the running task note whose they are.
void observe(task_state& task) noexcept;
/// Null when there is none.
task_extra* find_extra(const task_state& task) noexcept;

/// Who has forked this task and will wait for its end; null when nobody has, or memory was short.
/// Any thread that keeps the task from ending.
task_state* fork_parent_of(const task_state& task) noexcept;

/// Owner only, or while the task waits for the caller.
const context* context_of(const task_state& task) noexcept;
/// ... with a reference; null when there is none.
context* share_context(const task_state& task) noexcept;
/// Takes over the reference. Owner only.
void set_context(task_state& task, context* values) noexcept;
std::uint64_t id_of(task_state& task);
std::string name_of(task_state& task);

/// Is this exception a cancelled_error? Without rethrowing it.
bool is_cancellation(const std::exception_ptr& error) noexcept;

}  // namespace weft::detail
