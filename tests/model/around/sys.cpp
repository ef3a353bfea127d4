// The system calls that the library makes in models: see checker/system_calls.h.
#include "../../../runtime/detail/sys.h"

#include "../checker/system_calls.h"

namespace weft::detail::sys {

constinit atomic<interposer_function> interposer{nullptr};

void futex_wait(const void* word, std::uint32_t expected, std::int64_t timeout_ns) noexcept {
  model::futex_wait(word, expected, timeout_ns);
}
void futex_wake_one(const void* word) noexcept {
  model::futex_wake_one(word);
}

void heavy_barrier() noexcept {
  detail::heavy_barrier();
}
bool enable_heavy_barrier() noexcept {
  return true;
}

// Threads of a model get no signals.
all_signals_blocked::all_signals_blocked() noexcept {
  ::sigemptyset(&before_);
}
all_signals_blocked::~all_signals_blocked() = default;

}  // namespace weft::detail::sys
