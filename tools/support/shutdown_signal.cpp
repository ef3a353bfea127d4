#include "shutdown_signal.h"

#include <weft/runtime/select.h>

#include <atomic>
#include <csignal>
#include <utility>

#include <signal.h>

namespace weft::tools {

namespace {

// A signal that nobody waited for yet; 0: there was none.
//   written by  remember(), in signal context on any thread
//   read by     shutdown_signal::wait(), which takes it
//   pairing     none; relaxed: no data hangs on it
constinit std::atomic<int> early{0};
static_assert(std::atomic<int>::is_always_lock_free, "used in a signal handler");

void remember(int signal) noexcept {
  early.store(signal, std::memory_order_relaxed);
}

}  // namespace

void expect_shutdown_signals() noexcept {
  struct sigaction action = {};
  action.sa_handler = remember;  // without SA_RESTART: it ends a call that blocks
  for (const int signal : {SIGINT, SIGTERM}) (void)::sigaction(signal, &action, nullptr);
}

shutdown_signal::shutdown_signal() : signals_(SIGINT, SIGTERM) {}

task<int> shutdown_signal::wait() {
  if (const int signal = early.exchange(0, std::memory_order_relaxed)) co_return signal;
  const int signal = co_await signals_.wait();
  co_return signal;
}

task<> drain(server& closing, std::chrono::milliseconds grace, shutdown_signal& impatience,
             task<> idle) {
  const auto first = co_await select(closing.close(grace), impatience.wait(), std::move(idle));
  if (first.index() != 0) co_await closing.close(std::chrono::milliseconds::zero());
}

task<> drain(server& closing, std::chrono::milliseconds grace, shutdown_signal& impatience) {
  const auto first = co_await select(closing.close(grace), impatience.wait());
  if (first.index() != 0) co_await closing.close(std::chrono::milliseconds::zero());
}

}  // namespace weft::tools
