#include "shutdown_signal.h"

#include <weft/runtime/select.h>

#include <atomic>
#include <csignal>
#include <utility>

#include <signal.h>
#include <unistd.h>

namespace weft::tools {

namespace {

//   written by  drain(), once
//   read by     end_unless_ending, in signal context on any thread
//   pairing     none; relaxed: no data hangs on it
constinit std::atomic<bool> is_ending{false};
static_assert(std::atomic<bool>::is_always_lock_free, "used in a signal handler");

void end_unless_ending(int /*signal*/) noexcept {
  if (!is_ending.load(std::memory_order_relaxed)) ::_exit(0);
}

}  // namespace

void expect_shutdown_signals() noexcept {
  struct sigaction action = {};
  action.sa_handler = end_unless_ending;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM}) (void)::sigaction(signal, &action, nullptr);
}

shutdown_signal::shutdown_signal() : signals_(SIGINT, SIGTERM) {}

task<> drain(server& closing, std::chrono::milliseconds grace, shutdown_signal& impatience,
             task<> idle) {
  is_ending.store(true, std::memory_order_relaxed);
  const auto first = co_await select(closing.close(grace), impatience.wait(), std::move(idle));
  if (first.index() != 0) co_await closing.close(std::chrono::milliseconds::zero());
}

task<> drain(server& closing, std::chrono::milliseconds grace, shutdown_signal& impatience) {
  is_ending.store(true, std::memory_order_relaxed);
  const auto first = co_await select(closing.close(grace), impatience.wait());
  if (first.index() != 0) co_await closing.close(std::chrono::milliseconds::zero());
}

}  // namespace weft::tools
