// Each set has a pipe, and the process has one handler for all signals: it writes the number of the
// signal into the pipe of every set that wants it. So a set is read like any other descriptor, by
// whatever runtime waits for it; order and number of the deliveries are kept; and nothing but
// write() happens in signal context.
//
// The handler finds the sets in a static table and may run on any thread while a set ends on
// another. A slot therefore counts its visitors: the set first takes its wish list away, then waits
// until no handler looks at the slot any more, and only then closes the pipe. A handler that
// interrupts the ending thread itself ends before that thread goes on.
//
// Rejected: signalfd (the signal must be blocked in all threads of the program, which a library
// cannot do, and children inherit the mask); one pipe for the process (a reader must then pass
// signals on to sets in other runtimes).

#include "signal_set.h"

#include "detail/address_space.h"
#include "detail/sys.h"

#include <cerrno>
#include <csignal>
#include <mutex>
#include <stdexcept>
#include <string>

#include <signal.h>
#include <unistd.h>

namespace weft {
namespace detail {

struct signal_slot {
  // The signals this set wants, one bit each; none: the slot is free, or its set is ending.
  //   written by  sets that begin and end, under registry_mutex
  //   read by     the handler on any thread
  //   pairing     seq_cst, a store-load race against visitors: either the handler sees that the
  //               wish is gone, or the ending set sees the visitor
  atomic<std::uint64_t> wanted{0};
  //   written by  the handler on any thread
  //   read by     the ending set
  //   pairing     seq_cst, see wanted
  atomic<std::uint32_t> visitors{0};
  //   the ends of the pipe; written before `wanted` is set, which publishes them
  atomic<int> write_end{-1};
  int read_end = -1;
  bool taken = false;  // guarded by registry_mutex
};

namespace {

constexpr int signals_max = 64;
constexpr std::size_t slots_max = 128;

constinit signal_slot slots[slots_max];

// A forked child shares the pipes: what it catches is not for us. Relaxed: set before any handler
// is installed.
constinit atomic<pid_t> owner_process{0};

static_assert(atomic<std::uint64_t>::is_always_lock_free && atomic<pid_t>::is_always_lock_free,
              "used in a signal handler");

constexpr std::uint64_t bit(int signal) noexcept {
  return std::uint64_t{1} << (signal - 1);
}

/// Runs in signal context: nothing but atomics and write().
void pass_on(int signal) noexcept {
  const int error = errno;
  const auto number = static_cast<unsigned char>(signal);
  const bool ours = ::getpid() == owner_process.load(std::memory_order_relaxed);
  for (signal_slot& slot : slots) {
    if (!ours || (slot.wanted.load(std::memory_order_relaxed) & bit(signal)) == 0) continue;
    slot.visitors.fetch_add(1, std::memory_order_seq_cst);                   // seq_cst: see wanted
    if ((slot.wanted.load(std::memory_order_seq_cst) & bit(signal)) != 0) {  // seq_cst: see wanted
      // A full pipe drops the signal: 65,536 of them wait there already.
      [[maybe_unused]] const auto written =
          ::write(slot.write_end.load(std::memory_order_relaxed), &number, 1);
    }
    slot.visitors.fetch_sub(1, std::memory_order_seq_cst);  // seq_cst: see wanted
  }
  errno = error;
}

// What the process did about a signal before the first set named it.
struct disposition {
  unsigned sets = 0;
  struct sigaction before = {};
};

constinit std::mutex registry_mutex;
constinit disposition dispositions[signals_max + 1];  // guarded by registry_mutex

/// Called with registry_mutex held. Throws when the signal cannot be caught.
void begin_catching(int signal) {
  disposition& known = dispositions[signal];
  if (known.sets == 0) {
    struct sigaction ours = {};
    ours.sa_handler = pass_on;
    ours.sa_flags = SA_RESTART | SA_ONSTACK;
    sigfillset(&ours.sa_mask);
    if (::sigaction(signal, &ours, &known.before) != 0) {
      throw std::invalid_argument("signal_set: signal " + std::to_string(signal) +
                                  " cannot be caught");
    }
  }
  ++known.sets;
}

/// Called with registry_mutex held. A handler that somebody else has installed since stays.
void end_catching(int signal) noexcept {
  disposition& known = dispositions[signal];
  if (--known.sets > 0) return;
  struct sigaction now = {};
  ::sigaction(signal, nullptr, &now);
  if (now.sa_handler == pass_on) ::sigaction(signal, &known.before, nullptr);
}

void end_catching_all(std::uint64_t signals) noexcept {
  for (int signal = 1; signal <= signals_max; ++signal) {
    if ((signals & bit(signal)) != 0) end_catching(signal);
  }
}

std::uint64_t checked_set(std::span<const int> signals) {
  std::uint64_t wanted = 0;
  for (const int signal : signals) {
    if (signal < 1 || signal > signals_max) {
      throw std::invalid_argument("signal_set: " + std::to_string(signal) + " is not a signal");
    }
    wanted |= bit(signal);
  }
  return wanted;
}

signal_slot& take_slot() {
  const std::lock_guard lock(registry_mutex);
  for (signal_slot& slot : slots) {
    if (!std::exchange(slot.taken, true)) return slot;
  }
  throw std::runtime_error("too many signal sets alive in one process (" +
                           std::to_string(slots_max) + ")");
}

void open_pipe(signal_slot& slot) {
  int ends[2];
  if (const int failed = sys::pipe(ends); failed < 0)
    throw_system_error(-failed, "pipe for signals");
  slot.read_end = ends[0];
  slot.write_end.store(ends[1], std::memory_order_relaxed);
}

void close_pipe(signal_slot& slot) noexcept {
  if (slot.read_end < 0) return;
  sys::close(std::exchange(slot.read_end, -1));
  sys::close(slot.write_end.exchange(-1, std::memory_order_relaxed));
}

/// Either all signals of the set are caught from now on, or none.
void subscribe(signal_slot& slot, std::uint64_t signals) {
  const std::lock_guard lock(registry_mutex);
  owner_process.store(::getpid(), std::memory_order_relaxed);
  slot.wanted.store(signals, std::memory_order_seq_cst);  // seq_cst: see wanted
  std::uint64_t caught = 0;
  try {
    for (int signal = 1; signal <= signals_max; ++signal) {
      if ((signals & bit(signal)) == 0) continue;
      begin_catching(signal);
      caught |= bit(signal);
    }
  } catch (...) {  // what was begun is undone
    end_catching_all(caught);
    slot.wanted.store(0, std::memory_order_seq_cst);  // seq_cst: see wanted
    throw;
  }
}

/// When it returns, no handler looks at the slot any more.
void unsubscribe(signal_slot& slot) noexcept {
  const std::lock_guard lock(registry_mutex);
  // The former dispositions first: a signal that comes in between must not be swallowed.
  end_catching_all(slot.wanted.load(std::memory_order_relaxed));
  slot.wanted.store(0, std::memory_order_seq_cst);                         // seq_cst: see wanted
  while (slot.visitors.load(std::memory_order_seq_cst) != 0) cpu_relax();  // seq_cst: see wanted
}

void release(signal_slot& slot) noexcept {
  close_pipe(slot);
  const std::lock_guard lock(registry_mutex);
  slot.taken = false;
}

}  // namespace

io_progress signal_wait::read_one(io_operation& self) noexcept {
  auto& wait = static_cast<signal_wait&>(self);
  unsigned char number = 0;
  const ssize_t count = sys::read(wait.source_->fd(), &number, 1);
  if (count == -EAGAIN) return io_progress::blocked;
  wait.value = count > 0 ? number : count;
  wait.source_->put_ready(io_direction::read);  // there may be more
  return io_progress::done;
}

int signal_wait::take() const {
  if (value == -EBUSY) throw_invalid_state("one task at a time waits on a signal_set");
  if (value < 0) throw_system_error(static_cast<int>(-value), "signal_set::wait");
  return static_cast<int>(value);
}

}  // namespace detail

signal_set::signal_set(std::span<const int> signals) : slot_(nullptr), source_(nullptr) {
  const std::uint64_t wanted = detail::checked_set(signals);
  slot_ = &detail::take_slot();
  try {
    detail::open_pipe(*slot_);
    source_ = detail::io_source::open(slot_->read_end, true);
    if (source_ == nullptr) detail::throw_no_source(slot_->read_end, "pipe for signals");
    detail::subscribe(*slot_, wanted);
  } catch (...) {  // nothing was caught
    if (source_ != nullptr) source_->close();
    detail::release(*slot_);
    throw;
  }
}

signal_set::~signal_set() {
  stop();
  source_->close();
  detail::release(*slot_);
}

void signal_set::stop() noexcept {
  detail::unsubscribe(*slot_);
}

void signal_registration::cancel() noexcept {
  if (signals_ == nullptr) return;
  signals_->stop();
  caller_.cancel();
  caller_.detach();
  signals_.reset();
}

}  // namespace weft
