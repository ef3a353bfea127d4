#include "lock_storm.h"

#include "../line_order.h"
#include "../on_exit.h"
#include <weft/runtime/error.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/mutex.h>
#include <weft/sync/semaphore.h>
#include <weft/sync/shared_mutex.h>

#include <atomic>
#include <cstddef>
#include <utility>

namespace weft::stress {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t tasks = 8;  // of each kind
constexpr std::ptrdiff_t permits = 3;
static_assert(tasks <= line_order::places_max);

/// How long a task waits for a lock, at most.
std::chrono::microseconds patience(random_stream& random) noexcept {
  return random.up_to(300us);
}

}  // namespace

struct lock_storm::state {
  // ---- One owner. The plain counter is for the race detectors, the atomic one for all builds.
  mutex single;
  std::atomic<int> owners{0};
  std::uint64_t guarded = 0;
  std::atomic<std::uint64_t> entries{0};

  // ---- Readers or one writer
  shared_mutex shared;
  std::atomic<int> readers{0};
  std::atomic<int> writers{0};
  std::uint64_t first_half = 0;
  std::uint64_t second_half = 0;

  // ---- Permits
  semaphore counted{permits};
  std::atomic<std::ptrdiff_t> out{0};

  // ---- A line
  semaphore lined{1};
  line_order line;

  /// An owner for as long as the result lives.
  auto enter(stage& on) noexcept {
    on.check(owners.fetch_add(1) == 0, invariant::exclusion, "two owners of a mutex");
    return on_exit([this] { owners.fetch_sub(1); });
  }
  task<> lock(stage& on, std::size_t own);
  task<> hold(stage& on, random_stream& random);
  task<> share(stage& on, std::size_t own);
  task<> read(stage& on, random_stream& random);
  task<> write(stage& on, random_stream& random);
  task<> take_permits(stage& on, std::size_t own);
  task<> stand_in_line(stage& on, std::size_t own);
};

// ---- Mutex

task<> lock_storm::state::hold(stage& on, random_stream& random) {
  if (on.strikes(plant::broken_lock)) {  // in without a lock, until another one is in
    const auto inside = enter(on);
    while (owners.load() == 1 && !on.is_over()) co_await yield();
    co_return;
  }
  lock_guard guard;
  if (random.one_in(3)) {
    guard = co_await wait_for(single.lock(), patience(random));
  } else if (random.one_in(4)) {
    guard = single.try_lock();
    if (!guard) co_return;
  } else {
    guard = co_await single.lock();
  }
  const auto inside = enter(on);
  ++guarded;
  entries.fetch_add(1);
  co_await on.waver(random);
}

task<> lock_storm::state::lock(stage& on, std::size_t own) {
  heartbeat alive(on.dog(), "owner of the mutex " + std::to_string(own));
  random_stream random = on.random(own);
  while (!on.is_over()) {
    try {
      co_await hold(on, random);
    } catch (const timeout_error&) {  // not ours this time
    }
    alive.beat();
    co_await on.waver(random);
  }
}

// ---- Shared mutex

task<> lock_storm::state::read(stage& on, random_stream& random) {
  shared_lock_guard guard;
  if (random.one_in(3)) {
    guard = co_await wait_for(shared.lock_shared(), patience(random));
  } else {
    guard = co_await shared.lock_shared();
  }
  readers.fetch_add(1);
  const on_exit leave([this] { readers.fetch_sub(1); });
  on.check(writers.load() == 0, invariant::exclusion, "a reader beside a writer");
  on.check(first_half == second_half, invariant::exclusion, "a reader saw half of a change");
  co_await on.waver(random);
}

task<> lock_storm::state::write(stage& on, random_stream& random) {
  lock_guard guard;
  if (random.one_in(3)) {
    guard = co_await wait_for(shared.lock(), patience(random));
  } else {
    guard = co_await shared.lock();
  }
  on.check(writers.fetch_add(1) == 0, invariant::exclusion, "two writers");
  on.check(readers.load() == 0, invariant::exclusion, "a writer beside a reader");
  ++first_half;
  const on_exit leave([this] {
    ++second_half;
    writers.fetch_sub(1);
  });
  co_await on.waver(random);
}

task<> lock_storm::state::share(stage& on, std::size_t own) {
  heartbeat alive(on.dog(), "reader or writer " + std::to_string(own));
  random_stream random = on.random(100 + own);
  while (!on.is_over()) {
    try {
      if (random.one_in(3)) {
        co_await write(on, random);
      } else {
        co_await read(on, random);
      }
    } catch (const timeout_error&) {  // not this time
    }
    alive.beat();
    co_await on.waver(random);
  }
}

// ---- Semaphore

task<> lock_storm::state::take_permits(stage& on, std::size_t own) {
  heartbeat alive(on.dog(), "taker of permits " + std::to_string(own));
  random_stream random = on.random(200 + own);
  while (!on.is_over()) {
    const auto count = static_cast<std::ptrdiff_t>(1 + random.below(permits));
    permit taken;
    try {
      if (random.one_in(2)) {
        taken = co_await wait_for(counted.acquire(count), patience(random));
      } else {
        taken = co_await counted.acquire(count);
      }
    } catch (const timeout_error&) {
      alive.beat();
      continue;
    }
    on.check(out.fetch_add(count) + count <= permits, invariant::permits_conserved,
             "more permits are out than exist");
    {
      const on_exit leave([this, count] { out.fetch_sub(count); });
      co_await on.waver(random);
    }
    taken.release();
    if (on.strikes(plant::double_permit)) counted.release();
    alive.beat();
  }
}

// ---- The line

task<> lock_storm::state::stand_in_line(stage& on, std::size_t own) {
  heartbeat alive(on.dog(), "stander in line " + std::to_string(own));
  random_stream random = on.random(300 + own);
  line_order::place& place = line.at(own);
  permit taken;
  while (!on.is_over()) {
    line.begin(place);
    // The fault keeps the permit and takes its next turn at once, though others wait.
    if (!taken) {
      try {
        if (random.one_in(3)) {
          taken = co_await wait_for(in_line(lined.acquire(), place), patience(random));
        } else {
          taken = co_await in_line(lined.acquire(), place);
        }
      } catch (const timeout_error&) {
        line.gave_up(place);
        alive.beat();
        continue;
      }
    }
    on.check(line.granted(place), invariant::first_in_first_out,
             "a waiter of a semaphore was overtaken");
    if (random.one_in(2)) co_await yield();
    if (on.plan().planted != plant::overtaking || random.one_in(2)) taken.release();
    alive.beat();
    co_await on.waver(random);
  }
}

// ---- All of it

lock_storm::lock_storm() : state_(std::make_unique<state>()) {}
lock_storm::~lock_storm() = default;

task<> lock_storm::run(stage& on) {
  state& all = *state_;
  auto body = [&](task_group& group) {
    for (std::size_t i = 0; i < tasks; ++i) {
      group.spawn(all.lock(on, i));
      group.spawn(all.share(on, i));
      group.spawn(all.take_permits(on, i));
      group.spawn(all.stand_in_line(on, i));
    }
  };
  co_await with_task_group(body);
}

void lock_storm::check(stage& on) {
  state& all = *state_;
  on.check(!all.single.locked() && !all.shared.locked() && all.shared.readers() == 0,
           invariant::permits_conserved, "a lock is held by nobody");
  on.check(all.counted.available() == permits && all.lined.available() == 1,
           invariant::permits_conserved, "permits were lost or made");
  on.check(all.entries.load() == all.guarded, invariant::exclusion,
           "a change under the mutex was lost");
}

}  // namespace weft::stress
