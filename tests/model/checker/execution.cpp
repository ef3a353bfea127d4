#include "execution.h"

#include "fiber.h"
#include "globals.h"
#include "heap.h"
#include "memory.h"
#include "race_detector.h"
#include "system_calls.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <vector>

#include <cxxabi.h>
#include <signal.h>
#include <sys/single_threaded.h>
#include <unistd.h>

namespace weft::model::execution {
namespace {

enum class status : std::uint8_t { runnable, blocked, timed, spinning, finished };

constexpr std::size_t kept_bytes_max = 128;

// What became of a preemption. See execution.h.
enum class delay : std::uint8_t {
  none,      // there was none; or it has made a difference
  pending,   // the thread has not done its operation yet
  possible,  // ... has, and met nothing: it would be the same after it
};

struct thread_record {
  fiber flow;
  vector_clock clock;
  vector_clock seen_of_others;
  status state = status::finished;
  bool just_resumed = false;  // has done nothing that others see since it was given its turn
  bool idle = false;          // ... has done nothing at all
  bool timed_out = false;
  delay later = delay::none;
  std::uint32_t kept_since = 0;  // step of the preemption
  unsigned timeouts_before = 0;  // ... and how many waits had ended by their time-out
  std::size_t decisions_before = 0;
  unsigned vain_rounds =
      0;  // in which it spun though nothing could change, since it changed something
  waiting_threads joiners = 0;
  std::uint64_t priority = 0;  // pct
  void (*run)(void*) = nullptr;
  void* argument = nullptr;
  std::vector<std::uint32_t> loop_reads;  // locations read since the last spin()
  std::byte kept[kept_bytes_max];
};

struct kept_object {
  void* address;
  std::size_t bytes;
};

std::array<thread_record, threads_max> threads;
fiber host;
options bounds;
mode purpose = mode::search;
choices* decisions = nullptr;
unsigned running = 0;
unsigned started = 0;
bool is_inside = false;
std::uint64_t step_count = 0;
unsigned preemptions = 0;
unsigned timeouts = 0;
unsigned spurious = 0;
unsigned stale = 0;
bool failed = false;
bool cut_short = false;
std::string why_failed;
std::string* trace_text = nullptr;
std::uint64_t longest = 50;                   // pct: steps of the executions so far
std::array<std::uint64_t, 16> change_points;  // pct
std::uint64_t lowest_priority = 0;            // pct

std::array<kept_object, 4> kept;
std::size_t kept_count = 0;
std::byte kept_initially[kept_bytes_max];

void save_kept(std::byte* into) noexcept {
  for (std::size_t i = 0; i < kept_count; ++i) {
    std::memcpy(into, kept[i].address, kept[i].bytes);
    into += kept[i].bytes;
  }
}
void load_kept(const std::byte* from) noexcept {
  for (std::size_t i = 0; i < kept_count; ++i) {
    std::memcpy(kept[i].address, from, kept[i].bytes);
    from += kept[i].bytes;
  }
}

void switch_to(unsigned next) noexcept {
  if (next == running) return;
  thread_record& from = threads[running];
  thread_record& to = threads[next];
  save_kept(from.kept);
  load_kept(to.kept);
  running = next;
  fiber::swap(from.flow, to.flow);
}

[[noreturn]] void leave() noexcept {
  is_inside = false;
  load_kept(kept_initially);
  fiber abandoned;
  fiber::swap(abandoned, host);
  std::abort();  // an execution that has ended does not go on
}

// The threads that may go on next, the preferred one first.
struct candidates {
  std::array<unsigned, threads_max> thread;
  unsigned count = 0;
  void add(unsigned which) noexcept { thread[count++] = which; }
};

void add_others(candidates& to, bool must_give_way) noexcept {
  for (unsigned i = 0; i < started; ++i) {
    if (i != running && threads[i].state == status::runnable) to.add(i);
  }
  // A time-out is a rare event: a few of them at any point, more when nothing else can happen.
  const bool at_any_point = timeouts < bounds.timeouts;
  const bool alone_left = must_give_way && to.count == 0;
  if (!at_any_point && !alone_left) return;
  for (unsigned i = 0; i < started; ++i) {
    if (threads[i].state == status::timed) to.add(i);
  }
}

unsigned pick(const candidates& from) noexcept {
  if (from.count == 1) return from.thread[0];
  const host_memory outside;
  std::array<std::uint8_t, threads_max> names{};
  for (unsigned i = 0; i < from.count; ++i) names[i] = static_cast<std::uint8_t>(from.thread[i]);
  decisions->name_threads(names.data(), from.count);
  unsigned index = 0;
  if (bounds.how == strategy::pct) {
    for (unsigned i = 1; i < from.count; ++i) {
      if (threads[from.thread[i]].priority > threads[from.thread[index]].priority) index = i;
    }
    index = decisions->record(from.count, index);
  } else {
    index = decisions->choose(from.count);
  }
  if (decisions->diverged()) fail("the model depends on more than its decisions");
  return from.thread[index];
}

void turn_of(unsigned next) noexcept {
  thread_record& chosen = threads[next];
  if (chosen.state == status::timed) {
    chosen.state = status::runnable;
    chosen.timed_out = true;
    ++timeouts;
  }
  switch_to(next);
}

const char* state_name(status state) noexcept {
  switch (state) {
    case status::runnable:
      return "runnable";
    case status::blocked:
      return "waits";
    case status::timed:
      return "waits for a time";
    case status::spinning:
      return "spins";
    case status::finished:
      return "finished";
  }
  return "";
}

// Nobody can change what the spinning threads wait for. A loop with a bound ends all the same, so
// they go on in turn. Which of them goes first is no decision: their rounds change nothing.
void let_spin(candidates& next) noexcept {
  constexpr unsigned rounds_max = 300;  // the longest bounded loop of the library has 256
  for (unsigned i = 1; i <= started; ++i) {
    const unsigned each = (running + i) % started;
    if (threads[each].state != status::spinning) continue;
    if (++threads[each].vain_rounds > rounds_max) continue;
    threads[each].state = status::runnable;
    return next.add(each);
  }
}

// The running thread cannot go on.
void give_way() noexcept {
  threads[running].later = delay::none;
  candidates next;
  if (threads[running].state == status::runnable) next.add(running);
  add_others(next, true);
  if (next.count == 0) let_spin(next);
  if (next.count == 0) {
    std::string states;
    for (unsigned i = 0; i < started; ++i)
      states += " thread " + std::to_string(i) + " " + state_name(threads[i].state) + ";";
    fail("deadlock:" + states);
  }
  turn_of(pick(next));
  threads[running].just_resumed = threads[running].idle = true;
}

void change_priorities() noexcept {
  for (unsigned i = 0; i + 1 < bounds.pct_depth && i < change_points.size(); ++i) {
    if (change_points[i] == step_count) threads[running].priority = lowest_priority--;
  }
}

void thread_entry() {
  thread_record& self = threads[running];
  try {
    self.run(self.argument);
  } catch (const std::exception& error) {
    fail(std::string("exception: ") + error.what());
  } catch (...) {  // of no type that we could ask
    fail("unknown exception");
  }
  if (running == 0) {
    for (unsigned i = 1; i < started; ++i) {
      if (threads[i].state != status::finished) fail("a thread of the model was not joined");
    }
    leave();
  }
  self.state = status::finished;
  wake_all(self.joiners);
  give_way();
}

void prepare_thread(unsigned index, void (*run)(void*), void* argument) noexcept {
  thread_record& made = threads[index];
  made.state = status::runnable;
  made.just_resumed = made.idle = true;
  made.timed_out = false;
  made.later = delay::none;
  made.seen_of_others = {};
  made.vain_rounds = 0;
  made.joiners = 0;
  made.priority = 1'000'000 + decisions->random() % 1'000'000;
  made.run = run;
  made.argument = argument;
  made.loop_reads.clear();
  std::memcpy(made.kept, kept_initially, kept_bytes_max);
  made.flow.prepare(heap::stack_of(index), heap::stack_bytes, thread_entry);
}

void on_signal(int number) {
  if (!is_inside) {
    ::signal(number, SIG_DFL);
    ::raise(number);
    return;
  }
  fail(number == SIGABRT ? "abort" : "segmentation fault");
}

void catch_signals() {
  static const bool once = [] {
    static std::array<std::byte, 64 * 1024> signal_stack;
    stack_t stack{};
    stack.ss_sp = signal_stack.data();
    stack.ss_size = signal_stack.size();
    ::sigaltstack(&stack, nullptr);
    struct sigaction action{};
    action.sa_handler = on_signal;
    action.sa_flags = SA_ONSTACK | SA_NODEFER;
    for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT})
      ::sigaction(number, &action, nullptr);
    // The C++ library must not take us for a program with one thread, which needs no atomics.
    __libc_single_threaded = 0;
    // Exceptions that are being handled belong to a thread.
    keep_per_thread(abi::__cxa_get_globals(), 2 * sizeof(void*));
    save_kept(kept_initially);
    return true;
  }();
  (void)once;
}

}  // namespace

bool run(const options& with, mode why, choices& from, void (*body)(void*), void* argument) {
  catch_signals();
  bounds = with;
  purpose = why;
  decisions = &from;
  decisions->begin_execution();
  heap::reset();
  race_detector::reset();
  memory::reset();
  reset_system();
  running = 0;
  started = 1;
  step_count = 0;
  preemptions = timeouts = spurious = stale = 0;
  failed = cut_short = false;
  why_failed.clear();
  lowest_priority = 1000;
  for (std::uint64_t& each : change_points) each = 1 + decisions->random() % longest;
  threads[0].clock = {};
  threads[0].clock.at[0] = 1;
  prepare_thread(0, body, argument);
  is_inside = true;
  fiber::swap(host, threads[0].flow);
  longest = std::max(longest, step_count);
  if (!failed && !cut_short) {
    if (const heap::leak left = heap::leaked(); left.blocks > with.immortal_blocks) {
      failed = true;
      why_failed = "leak: " + std::to_string(left.blocks) + " allocations, the first of " +
                   std::to_string(left.first_bytes) + " bytes";
    }
  }
  failed || cut_short ? globals::restore() : globals::keep();
  return !failed;
}

const std::string& failure() noexcept {
  return why_failed;
}
std::uint64_t steps() noexcept {
  return step_count;
}
void trace_to(std::string* text) noexcept {
  trace_text = text;
}
bool traced() noexcept {
  return trace_text != nullptr;
}
void trace(const char* what) {
  const host_memory outside;
  *trace_text += "  thread " + std::to_string(running) + "  " + what + "\n";
}

bool inside() noexcept {
  return is_inside;
}
unsigned thread_count() noexcept {
  return started;
}
unsigned current() noexcept {
  return running;
}
vector_clock& clock() noexcept {
  return threads[running].clock;
}
bool alone() noexcept {
  for (unsigned i = 0; i < started; ++i) {
    if (i != running && threads[i].state != status::finished) return false;
  }
  return true;
}

void fail(const std::string& why) noexcept {
  is_inside = false;  // from here on memory is the host's
  failed = true;
  why_failed = why;
  leave();
}

std::string describe_code(const void* address) {
  const host_memory outside;
  char command[256];
  // Position independent or not: the tool wants the offset from the begin of the program.
  extern const char begin[] asm("__executable_start");
  std::snprintf(
      command, sizeof(command),
      "addr2line -s -f -C -i -e /proc/%d/exe %#zx 2>/dev/null | paste -sd ' ' | cut -c1-300",
      static_cast<int>(::getpid()),
      static_cast<std::size_t>(static_cast<const char*>(address) - begin - 1));
  std::string text;
  if (traced()) {  // only for the report: an external program is slow
    if (FILE* output = ::popen(command, "r")) {
      char line[400];
      if (std::fgets(line, sizeof(line), output) != nullptr) text = line;
      ::pclose(output);
    }
    while (!text.empty() && text.back() == '\n') text.pop_back();
  }
  if (!text.empty()) return text;
  std::snprintf(command, sizeof(command), "%p", address);
  return command;
}

namespace {

/// The preemption that the thread has come back from could be here instead.
void cut_if_delayable(thread_record& self) noexcept {
  if (self.later != delay::possible) return;
  self.later = delay::none;
  if (self.timeouts_before != timeouts) return;  // the clock was moved
  cut_short = true;
  decisions->cut(self.decisions_before, running);
  leave();
}

}  // namespace

void point(bool shared) noexcept {
  if (++step_count > bounds.steps_max) fail("livelock: too many steps");
  thread_record& self = threads[running];
  if (bounds.how == strategy::pct && purpose == mode::search) change_priorities();
  // What a search skips, a replay decides: it does not know yet what is shared.
  const bool searched = shared && !self.just_resumed;
  const bool replayed = !self.idle;
  if (shared) self.just_resumed = false;
  self.idle = false;
  if (!(purpose == mode::replay ? replayed : searched || purpose == mode::transcript)) return;
  const bool bounded = bounds.how == strategy::depth_first || bounds.how == strategy::replay;
  if (searched && purpose == mode::search && bounds.how == strategy::depth_first)
    cut_if_delayable(self);
  if (bounded && preemptions >= bounds.preemptions) return;
  candidates next;
  next.add(running);
  add_others(next, false);
  if (purpose == mode::transcript && !searched) {
    const host_memory outside;
    if (replayed && next.count > 1) decisions->skip(next.count);
    return;
  }
  const unsigned chosen = pick(next);
  if (chosen == running) return;
  ++preemptions;
  self.kept_since = static_cast<std::uint32_t>(step_count);
  self.timeouts_before = timeouts;
  self.decisions_before = decisions->position();
  turn_of(chosen);
  self.just_resumed = self.idle = false;
  self.later = delay::pending;
}

std::uint32_t step() noexcept {
  return static_cast<std::uint32_t>(step_count);
}
std::uint32_t kept_since() noexcept {
  const thread_record& self = threads[running];
  return self.later == delay::pending ? self.kept_since : 0;
}
void end_preemption(bool met_others) noexcept {
  threads[running].later = met_others ? delay::none : delay::possible;
}
void opaque() noexcept {
  threads[running].later = delay::none;
}

std::uint32_t choose(std::uint32_t total) noexcept {
  if (total <= 1) return 0;
  const host_memory outside;
  const std::uint32_t chosen = decisions->choose(total);
  if (decisions->diverged()) fail("the model depends on more than its decisions");
  return chosen;
}

bool take_spurious_failure() noexcept {
  if (spurious >= bounds.spurious_failures || alone()) return false;
  if (choose(2) == 0) return false;
  ++spurious;
  return true;
}

bool may_be_stale() noexcept {
  const bool bounded = bounds.how == strategy::depth_first || bounds.how == strategy::replay;
  return !bounded || stale < bounds.stale_reads;
}
void was_stale() noexcept {
  ++stale;
}

bool forbids_early_loads() noexcept {
  return bounds.no_early_loads;
}
vector_clock& seen_of_others() noexcept {
  return threads[running].seen_of_others;
}

unsigned start_thread(void (*run)(void*), void* argument) noexcept {
  if (started == threads_max) fail("a model has at most 8 threads at a time");
  opaque();
  const unsigned made = started++;
  threads[made].clock = threads[running].clock;
  threads[made].clock.at[made] = 1;
  ++threads[running].clock.at[running];
  prepare_thread(made, run, argument);
  return made;
}

void join_thread(unsigned thread) noexcept {
  opaque();
  if (threads[thread].state != status::finished) (void)wait_in(threads[thread].joiners, false);
  clock().join(threads[thread].clock);
}

wait_end wait_in(waiting_threads& set, bool timed) noexcept {
  thread_record& self = threads[running];
  const waiting_threads bit = waiting_threads{1} << running;
  set |= bit;
  self.state = timed ? status::timed : status::blocked;
  self.timed_out = false;
  if (traced()) trace("waits");
  give_way();
  if (traced()) trace(self.timed_out ? "goes on: time-out" : "goes on");
  if (!self.timed_out) return wait_end::woken;
  set &= ~bit;
  return wait_end::timed_out;
}

void wake(unsigned thread) noexcept {
  opaque();
  threads[thread].state = status::runnable;
}

void wake_all(waiting_threads& set) noexcept {
  for (unsigned i = 0; i < started; ++i) {
    if ((set >> i & 1) != 0) wake(i);
  }
  set = 0;
}

void wake_one(waiting_threads& set) noexcept {
  const auto count = static_cast<std::uint32_t>(__builtin_popcount(set));
  if (count == 0) return;
  std::uint32_t skipped = choose(count);
  for (unsigned i = 0; i < started; ++i) {
    if ((set >> i & 1) == 0 || skipped-- > 0) continue;
    set &= ~(waiting_threads{1} << i);
    return wake(i);
  }
}

void spin() noexcept {
  opaque();
  if (++step_count > bounds.steps_max) fail("livelock: too many steps");
  thread_record& self = threads[running];
  bool changed = self.loop_reads.empty();
  for (const std::uint32_t location : self.loop_reads) changed |= memory::see_newest(location);
  if (!changed) {
    self.state = status::spinning;
    give_way();
    for (const std::uint32_t location : self.loop_reads) memory::see_newest(location);
  } else if (self.loop_reads.empty()) {
    // Gives way to any other thread.
    candidates next;
    add_others(next, false);
    if (next.count > 0) {
      turn_of(pick(next));
      self.just_resumed = self.idle = true;
    }
  }
  self.loop_reads.clear();
}

void note_read(std::uint32_t location) noexcept {
  std::vector<std::uint32_t>& reads = threads[running].loop_reads;
  constexpr std::size_t loop_reads_max = 8;  // of a loop that waits
  if (std::find(reads.begin(), reads.end(), location) != reads.end()) return;
  const host_memory outside;
  if (reads.size() == loop_reads_max) reads.erase(reads.begin());
  reads.push_back(location);
}

void note_change(std::uint32_t location) noexcept {
  threads[running].vain_rounds = 0;
  for (unsigned i = 0; i < started; ++i) {
    thread_record& each = threads[i];
    if (each.state != status::spinning) continue;
    if (std::find(each.loop_reads.begin(), each.loop_reads.end(), location) !=
        each.loop_reads.end())
      each.state = status::runnable;
  }
}

void keep_per_thread(void* object, std::size_t bytes) noexcept {
  kept[kept_count++] = {object, bytes};
  save_kept(kept_initially);
}

host_memory::host_memory() noexcept : before_(is_inside) {
  is_inside = false;
}
host_memory::~host_memory() {
  is_inside = before_;
}

}  // namespace weft::model::execution

// assert() of the code under test.
extern "C" void __assert_fail(const char* text, const char* file, unsigned line,
                              const char*) noexcept {
  const std::string what =
      std::string("assertion failed: ") + text + " (" + file + ":" + std::to_string(line) + ")";
  if (weft::model::execution::inside()) weft::model::execution::fail(what);
  std::fprintf(stderr, "%s\n", what.c_str());
  std::abort();
}
