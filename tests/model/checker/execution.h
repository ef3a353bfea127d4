#pragma once

// One execution of a model: its threads, which are fibers, and the decisions about them.
//
// A thread runs until it comes to an operation that others can see. There, before the operation,
// another thread may go on instead: a preemption, of which the depth-first search allows a few. A
// thread that blocks, spins or ends gives way without using one up.
//
// Of preemptions that make no difference the search takes the latest. When a thread comes back from
// one and its operation meets nothing of what the others did meanwhile (no location that they have
// touched, one of both writing), the same would have come of a preemption after that operation. So
// the execution is cut short where that one would be, and so are all in which it comes back even
// earlier. What a thread does besides operations on memory it does in order: see opaque().

#include "choices.h"
#include "vector_clock.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace weft::model {

/// Bounds of an execution, and of the search.
struct options {
  strategy how = strategy::depth_first;
  /// Switches away from a thread that could go on. Depth first only.
  unsigned preemptions = 2;
  /// Operations that take another value than the newest one they could: what weak memory adds. Few
  /// are needed to show that an order is missing. Depth first only; no bound unless said.
  unsigned stale_reads = ~0u;
  /// Weak compare-exchanges that fail though the value was the expected one.
  unsigned spurious_failures = 0;
  /// Timed waits that end by their time-out while somebody else could go on.
  unsigned timeouts = 1;
  /// A store fails the model when an earlier load of another thread could have returned it: the
  /// storing thread has seen something that the other one wrote after its load, and nothing orders
  /// the two. Executions do not show such a load (load buffering). For code where no load may be so
  /// early.
  bool no_early_loads = false;
  /// Allocations that live as long as the process.
  unsigned immortal_blocks = 0;
  /// More operations than this are taken for a livelock.
  unsigned steps_max = 2000;
  std::uint64_t executions_max = ~std::uint64_t{0};
  double seconds_max = 1e9;
  std::uint64_t seed = 1;
  unsigned pct_depth = 3;
};

namespace execution {

// ---- For the search

enum class mode : std::uint8_t { search, transcript, replay };

/// Runs `body` once as thread 0. True: it ended well, or was cut short; false: see failure().
bool run(const options& bounds, mode why, choices& decisions, void (*body)(void*), void* argument);
const std::string& failure() noexcept;
std::uint64_t steps() noexcept;
/// Collects what threads do, for the report of a failure.
void trace_to(std::string* text) noexcept;
[[nodiscard]] bool traced() noexcept;
void trace(const char* what);

// ---- For the checker's own parts, on a thread of the model

/// Is the caller a thread of a model? Then operator new takes memory of the model.
bool inside() noexcept;
unsigned current() noexcept;
/// Threads that were started so far, thread 0 included.
unsigned thread_count() noexcept;
/// What the running thread knows; its own time goes on with each operation.
vector_clock& clock() noexcept;
/// Is the running thread the only one?
bool alone() noexcept;

/// Ends the execution: the model is wrong.
[[noreturn]] void fail(const std::string& why) noexcept;
std::string describe_code(const void* address);

/// Before each operation: maybe others go first. Not when only this thread knows the object.
void point(bool shared) noexcept;
/// For memory: which step runs; and since which one the running thread was kept from the operation
/// that it does now (0: it was not).
[[nodiscard]] std::uint32_t step() noexcept;
[[nodiscard]] std::uint32_t kept_since() noexcept;
/// ... and after that operation: has it met what others did meanwhile?
void end_preemption(bool met_others) noexcept;
/// The running thread does something that others may notice, and is no operation on memory.
void opaque() noexcept;
/// One of 0 .. total-1.
std::uint32_t choose(std::uint32_t total) noexcept;
bool take_spurious_failure() noexcept;
/// May the running operation see something older than the newest? Asked before it decides; it says
/// afterwards that it has.
bool may_be_stale() noexcept;
void was_stale() noexcept;

/// options::no_early_loads.
[[nodiscard]] bool forbids_early_loads() noexcept;
/// What the running thread has seen of others, whatever the orders; for that.
vector_clock& seen_of_others() noexcept;

unsigned start_thread(void (*run)(void*), void* argument) noexcept;
void join_thread(unsigned thread) noexcept;

/// A set of threads that wait for the same thing.
using waiting_threads = std::uint32_t;
enum class wait_end : std::uint8_t { woken, timed_out };
/// Waits in `set` until wake() names us; a timed wait may also end by itself.
wait_end wait_in(waiting_threads& set, bool timed) noexcept;
/// The thread goes on. It has been taken out of its set by the caller.
void wake(unsigned thread) noexcept;
void wake_all(waiting_threads& set) noexcept;
void wake_one(waiting_threads& set) noexcept;

/// One round of a loop that waits for memory to change: goes on when something that the loop has
/// read has changed, and then sees it. It goes on, too, when nobody is left who could change it, for
/// as many rounds as a loop with a bound may have.
void spin() noexcept;
/// For memory: the running thread has read a location; a location has a new value.
void note_read(std::uint32_t location) noexcept;
void note_change(std::uint32_t location) noexcept;

/// An object with one address (thread_local) that each thread of the model has for itself. Call
/// before the first execution.
void keep_per_thread(void* object, std::size_t bytes) noexcept;

/// While it lives, operator new takes memory that outlives the execution.
class host_memory {
 public:
  host_memory() noexcept;
  ~host_memory();
  host_memory(const host_memory&) = delete;
  host_memory& operator=(const host_memory&) = delete;

 private:
  bool before_;
};

}  // namespace execution
}  // namespace weft::model
