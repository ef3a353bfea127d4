#include "sigint_guard.h"

#include "scheduler.h"

#include <cerrno>
#include <csignal>
#include <mutex>
#include <utility>

#include <signal.h>
#include <unistd.h>

namespace weft::detail {
namespace {

// Whose main task the next SIGINT cancels; null: none.
//   written by  guards that begin and end, under guards_mutex
//   read by     the handler, on any thread
//   pairing     seq_cst, a store-load race against visitors: either the handler sees that the guard
//               is gone, or the ending guard sees the visitor
constinit atomic<scheduler*> target{nullptr};
//   written by  the handler; read by the ending guard
//   pairing     seq_cst, see target
constinit atomic<std::uint32_t> visitors{0};
//   written by  the handler, and guards that begin; relaxed: a count
constinit atomic<std::uint32_t> signals_seen{0};
// A forked child inherits the handler, not the workers. Relaxed: set before the handler is.
constinit atomic<pid_t> owner_process{0};

static_assert(atomic<scheduler*>::is_always_lock_free && atomic<pid_t>::is_always_lock_free,
              "used in a signal handler");

constinit std::mutex guards_mutex;

/// As if there had been no handler: the signal is blocked in here, and comes when we return.
void raise_by_default() noexcept {
  struct sigaction by_default = {};
  by_default.sa_handler = SIG_DFL;
  ::sigaction(SIGINT, &by_default, nullptr);
  ::raise(SIGINT);
}

/// Runs in signal context: nothing but atomics and write().
void on_sigint(int) noexcept {
  const int error = errno;
  visitors.fetch_add(1, std::memory_order_seq_cst);  // seq_cst: see target
  // seq_cst: see target.
  scheduler* const on = target.load(std::memory_order_seq_cst);
  const bool ours = on != nullptr && ::getpid() == owner_process.load(std::memory_order_relaxed);
  if (ours && signals_seen.fetch_add(1, std::memory_order_relaxed) == 0) {
    on->request_interrupt();
  } else {
    raise_by_default();
  }
  visitors.fetch_sub(1, std::memory_order_seq_cst);  // seq_cst: see target
  errno = error;
}

/// Nobody else has it: the default, or what a guard has left behind (a signal_set that began during
/// a guard and ended after it puts our handler back).
bool signal_is_free() noexcept {
  struct sigaction now = {};
  ::sigaction(SIGINT, nullptr, &now);
  return (now.sa_flags & SA_SIGINFO) == 0 &&
         (now.sa_handler == SIG_DFL || now.sa_handler == on_sigint);
}

}  // namespace

sigint_guard::sigint_guard(scheduler& on, task_state& main) noexcept : on_(on) {
  const std::lock_guard lock(guards_mutex);
  if (target.load(std::memory_order_relaxed) != nullptr || !signal_is_free()) return;
  armed_ = true;
  on_.set_interruptible(&main);
  signals_seen.store(0, std::memory_order_relaxed);
  owner_process.store(::getpid(), std::memory_order_relaxed);
  target.store(&on_, std::memory_order_seq_cst);  // seq_cst: see target
  struct sigaction ours = {};
  ours.sa_handler = on_sigint;
  ours.sa_flags = SA_RESTART | SA_ONSTACK;
  sigemptyset(&ours.sa_mask);
  ::sigaction(SIGINT, &ours, nullptr);
}

bool sigint_guard::finish() noexcept {
  if (!std::exchange(armed_, false)) return false;
  const std::lock_guard lock(guards_mutex);
  // The default first: a signal that comes in between must not be swallowed. What somebody else has
  // installed since stays.
  if (signal_is_free()) {
    struct sigaction by_default = {};
    by_default.sa_handler = SIG_DFL;
    ::sigaction(SIGINT, &by_default, nullptr);
  }
  target.store(nullptr, std::memory_order_seq_cst);                   // seq_cst: see target
  while (visitors.load(std::memory_order_seq_cst) != 0) cpu_relax();  // seq_cst: see target
  on_.set_interruptible(nullptr);
  return signals_seen.load(std::memory_order_relaxed) != 0;
}

}  // namespace weft::detail
