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

struct descriptor {
  bool open = false;
  bool notified = false;
  execution::waiting_threads waiting = 0;
};
std::array<descriptor, 16> descriptors;
int descriptor_count = 0;

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
  descriptors = {};
  descriptor_count = 0;
}

void futex_wait(const void* word, std::uint32_t expected, std::int64_t timeout_ns) noexcept {
  execution::point(true);
  execution::opaque();
  if (race_detector::is_freed(word)) execution::fail("a thread sleeps on freed memory");
  // The kernel compares under a lock of its own, with the newest value.
  if (memory::see_newest(word, sizeof(expected)) != expected) return;
  (void)wait_for(make_place(word).waiting, timeout_ns);
  (void)memory::see_newest(word, sizeof(expected));
}

void futex_wake_one(const void* word) noexcept {
  execution::point(true);
  execution::opaque();
  if (sleeping_place* place = find_place(word)) execution::wake_one(place->waiting);
}

namespace {

descriptor& find_descriptor(int number) noexcept {
  descriptor& found = descriptors[static_cast<std::size_t>(number)];
  if (!found.open) execution::fail("a descriptor is used that is closed");
  return found;
}

}  // namespace

int open_descriptor() noexcept {
  const int number = descriptor_count++;  // none is used twice
  if (static_cast<std::size_t>(number) == descriptors.size())
    execution::fail("the model has too many descriptors");
  descriptors[static_cast<std::size_t>(number)].open = true;
  return number;
}

void close_descriptor(int number) noexcept {
  execution::point(true);
  execution::opaque();
  find_descriptor(number).open = false;
}

bool wait_for_descriptor(int number, std::int64_t timeout_ns) noexcept {
  execution::point(true);
  execution::opaque();
  descriptor& awaited = find_descriptor(number);
  while (!awaited.notified) {
    if (timeout_ns == 0) return false;
    if (wait_for(awaited.waiting, timeout_ns) == execution::wait_end::timed_out &&
        !awaited.notified) {
      return false;
    }
  }
  awaited.notified = false;
  return true;
}

void notify_descriptor(int number) noexcept {
  execution::point(true);
  execution::opaque();
  descriptor& told = find_descriptor(number);
  told.notified = true;
  execution::wake_one(told.waiting);
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
