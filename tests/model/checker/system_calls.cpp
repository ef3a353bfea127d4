#include "system_calls.h"

#include "memory.h"
#include "race_detector.h"

#include <algorithm>
#include <array>
#include <limits>

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace weft::model {
namespace {

std::int64_t elapsed_ns = 0;

struct sleeping_place {
  const void* word = nullptr;
  execution::waiting_threads waiting = 0;
};
std::array<sleeping_place, threads_max> places;

/// A place without sleepers may be used for any word.
sleeping_place* find_place(const void* word) noexcept {
  for (sleeping_place& each : places) {
    if (each.waiting != 0 && each.word == word) return &each;
  }
  return nullptr;
}
sleeping_place& make_place(const void* word) noexcept {
  if (sleeping_place* known = find_place(word)) return *known;
  for (sleeping_place& each : places) {
    if (each.waiting != 0) continue;
    each.word = word;
    return each;
  }
  execution::fail("more threads sleep than there are");
}

}  // namespace

std::chrono::nanoseconds time_now() noexcept {
  return std::chrono::nanoseconds(elapsed_ns);
}
void advance_time_to(std::chrono::nanoseconds when) noexcept {
  elapsed_ns = std::max<std::int64_t>(elapsed_ns, when.count());
}

execution::wait_end wait_for(execution::waiting_threads& set, std::int64_t timeout_ns) noexcept {
  constexpr std::int64_t for_ever = std::numeric_limits<std::int64_t>::max();
  const std::int64_t until =
      timeout_ns > for_ever - elapsed_ns ? for_ever : elapsed_ns + timeout_ns;
  const execution::wait_end end = execution::wait_in(set, timeout_ns >= 0);
  if (end == execution::wait_end::timed_out) advance_time_to(std::chrono::nanoseconds(until));
  return end;
}

void reset_system() noexcept {
  elapsed_ns = 0;
  places = {};
}

void futex_wait(const void* word, std::uint32_t expected, std::int64_t timeout_ns) noexcept {
  execution::point(true);
  if (race_detector::is_freed(word)) execution::fail("a thread sleeps on freed memory");
  // The kernel compares under a lock of its own, with the newest value.
  if (memory::see_newest(word, sizeof(expected)) != expected) return;
  (void)wait_for(make_place(word).waiting, timeout_ns);
  (void)memory::see_newest(word, sizeof(expected));
}

void futex_wake_one(const void* word) noexcept {
  execution::point(true);
  if (sleeping_place* place = find_place(word)) execution::wake_one(place->waiting);
}

bool wakeup_descriptor::wait(std::int64_t timeout_ns) noexcept {
  execution::point(true);
  while (!notified_) {
    if (timeout_ns == 0) return false;
    if (wait_for(waiting_, timeout_ns) == execution::wait_end::timed_out && !notified_)
      return false;
  }
  notified_ = false;
  return true;
}

void wakeup_descriptor::notify() noexcept {
  execution::point(true);
  if (race_detector::is_freed(this)) execution::fail("a descriptor is notified that was closed");
  notified_ = true;
  execution::wake_one(waiting_);
}

}  // namespace weft::model

// In the place of the C library's: the standard clocks of C++ ask it.
extern "C" int clock_gettime(clockid_t which, timespec* into) noexcept {
  if (!weft::model::execution::inside())
    return static_cast<int>(::syscall(SYS_clock_gettime, which, into));
  constexpr std::int64_t second_ns = 1'000'000'000;
  const std::int64_t now = weft::model::time_now().count();
  into->tv_sec = now / second_ns;
  into->tv_nsec = now % second_ns;
  return 0;
}
