#include "baseline.h"

#include "process_state.h"
#include <weft/runtime/metrics.h>

#include <chrono>
#include <string>
#include <thread>

#ifdef WEFT_TSAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace weft::stress {

using namespace std::chrono_literals;

namespace {

/// ThreadSanitizer starts a process that finds names, with pipes to it, at its first report (also
/// one that is suppressed then): better now than between two counts of descriptors.
void start_symbolizer() {
#ifdef WEFT_TSAN
  char name[64];
  __sanitizer_symbolize_pc(__builtin_return_address(0), "%f", name, sizeof name);
#endif
}

std::size_t settled_descriptors() {
  start_symbolizer();
  return open_descriptors();
}

}  // namespace

baseline::baseline() : descriptors_(settled_descriptors()), threads_(running_threads()) {}

void baseline::check(const reporter& violated) {
  check_ledger(violated);
  check_threads(violated);
  check_memory(violated);
  const std::size_t descriptors = open_descriptors();
  if (descriptors != descriptors_) {
    violated(invariant::descriptors_baseline, std::to_string(descriptors_) + " at the start, " +
                                                  std::to_string(descriptors) + " now");
  }
}

void baseline::check_ledger(const reporter& violated) const {
  const ledger left = take_ledger();
  const std::pair<const char*, std::int64_t> counts[] = {
      {"tasks", left.tasks},     {"frames", left.frames}, {"timers", left.timers},
      {"waiters", left.waiters}, {"bytes", left.bytes},   {"registrations", left.registrations},
      {"descriptors", left.fds},
  };
  std::string text;
  for (const auto& [name, count] : counts) {
    if (count != 0) text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + name;
  }
  if (!text.empty()) violated(invariant::nothing_left, text + " left");
}

/// A thread that was joined may be seen for a moment longer.
void baseline::check_threads(const reporter& violated) const {
  const auto until = std::chrono::steady_clock::now() + 2s;
  std::size_t threads = running_threads();
  while (threads != threads_ && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(1ms);
    threads = running_threads();
  }
  if (threads == threads_) return;
  violated(invariant::threads_baseline,
           std::to_string(threads_) + " at the start, " + std::to_string(threads) + " now");
}

/// A leak makes every epoch in which it happens a record; caches that grow with the busiest epoch
/// do so less and less often.
void baseline::check_memory(const reporter& violated) {
  constexpr unsigned records_max = 8;
  const std::int64_t bytes = live_bytes();
  if (++epochs_ > 2 * settled_) {
    settled_ = epochs_;
    records_ = 0;
  }
  if (bytes <= most_bytes_) return;
  most_bytes_ = bytes;
  if (epochs_ <= settled_ || ++records_ < records_max) return;
  violated(invariant::memory_baseline, "grew in " + std::to_string(records_) + " of the last " +
                                           std::to_string(epochs_ - settled_) + " epochs, to " +
                                           std::to_string(bytes) + " bytes");
}

}  // namespace weft::stress
