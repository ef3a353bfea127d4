#include "interruption.h"

#include <csignal>

#include <signal.h>

namespace weft::stress {

namespace {

constinit std::atomic<bool> is_interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "used in a signal handler");

}  // namespace

const std::atomic<bool>& interruption() noexcept {
  return is_interrupted;
}

void expect_interruption() noexcept {
  struct sigaction action = {};
  action.sa_handler = [](int) { is_interrupted.store(true, std::memory_order_relaxed); };
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGINT, SIGTERM}) (void)::sigaction(signal, &action, nullptr);
}

}  // namespace weft::stress
