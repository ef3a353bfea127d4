#include "timer_storm.h"

#include <weft/runtime/as_result.h>
#include <weft/runtime/error.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/event.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

namespace weft::stress {

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t sleepers = 60;
constexpr std::uint64_t callers = 4;
constexpr std::size_t callbacks = 20;  // that a caller has under way

/// Short ones are common; some fill the higher levels of the wheel.
std::chrono::microseconds any_delay(random_stream& random) noexcept {
  return std::chrono::microseconds(random.spread(0, 60'000));
}

void check_not_early(stage& on, clock::time_point due) noexcept {
  on.check(clock::now() >= due, invariant::timers_never_early, "a timer fired before its time");
}

/// One callback of call_later.
struct call_record {
  std::atomic<int> calls{0};
  std::atomic<bool> is_cancelled{false};  // successfully
  clock::time_point due;
};

}  // namespace

struct timer_storm::state {
  event never;

  task<> be_late(stage& on, random_stream& random);
  task<> time_out(stage& on, random_stream& random);
  task<> meet_deadline(stage& on, random_stream& random);
  task<> tick(stage& on, random_stream& random);
  task<> cancel_a_sleep(stage& on, random_stream& random);
  task<> sleep_in_turns(stage& on, std::uint64_t own);
  task<> call_back(stage& on, std::uint64_t own);
};

task<> timer_storm::state::be_late(stage& on, random_stream& random) {
  const auto delay = any_delay(random);
  const clock::time_point due = clock::now() + delay;
  if (on.strikes(plant::early_timer)) {
    check_not_early(on, due + 1h);
  } else if (random.one_in(2)) {
    co_await sleep(delay);
  } else {
    co_await sleep_until(due);
  }
  check_not_early(on, due);
}

task<> timer_storm::state::time_out(stage& on, random_stream& random) {
  const auto limit = any_delay(random);
  const clock::time_point due = clock::now() + limit;
  bool timed_out = false;
  try {
    co_await wait_for(never.wait(), limit);
  } catch (const timeout_error&) {
    timed_out = true;
  }
  on.check(timed_out, invariant::exactly_once, "a wait for what never happens ended");
  check_not_early(on, due);
}

task<> timer_storm::state::meet_deadline(stage& on, random_stream& random) {
  const auto limit = any_delay(random);
  const auto longer = limit + random.up_to(2ms);
  const clock::time_point due = clock::now() + limit;
  try {
    const deadline outer(longer);
    const deadline inner(limit);
    co_await never.wait();
  } catch (const timeout_error&) {
    check_not_early(on, due);
  }
}

task<> timer_storm::state::tick(stage& on, random_stream& random) {
  const auto period = 1us + random.up_to(3ms);
  interval ticks(period, random.one_in(2) ? missed_tick::burst : missed_tick::skip);
  for (std::uint64_t i = 0; i < 4; ++i) {
    const clock::time_point due = co_await ticks.tick();
    check_not_early(on, due);
  }
}

task<> timer_storm::state::cancel_a_sleep(stage& on, random_stream& random) {
  auto sleeping = spawn(sleep(1h));
  co_await on.waver(random);
  sleeping.cancel();
  const result<void> ended = co_await as_result(sleeping);
  on.check(ended.cancelled(), invariant::timers_never_early, "a sleep of an hour ended at once");
}

task<> timer_storm::state::sleep_in_turns(stage& on, std::uint64_t own) {
  heartbeat alive(on.dog(), "sleeper " + std::to_string(own));
  random_stream random = on.random(own);
  while (!on.is_over()) {
    switch (random.below(5)) {
      case 0:
        co_await time_out(on, random);
        break;
      case 1:
        co_await meet_deadline(on, random);
        break;
      case 2:
        co_await tick(on, random);
        break;
      case 3:
        co_await cancel_a_sleep(on, random);
        break;
      default:
        co_await be_late(on, random);
    }
    alive.beat();
  }
}

/// Schedules callbacks and cancels half of them; at the end each has run or was cancelled.
task<> timer_storm::state::call_back(stage& on, std::uint64_t own) {
  heartbeat alive(on.dog(), "caller " + std::to_string(own));
  random_stream random = on.random(100 + own);
  while (!on.is_over()) {
    std::vector<std::shared_ptr<call_record>> records;
    std::vector<timer_handle> handles;
    clock::time_point last{};
    for (std::size_t i = 0; i < callbacks; ++i) {
      auto record = std::make_shared<call_record>();
      const auto delay = random.up_to(3ms);
      record->due = clock::now() + delay;
      last = std::max(last, record->due);
      handles.push_back(call_later(delay, [&on, record] {
        check_not_early(on, record->due);
        record->calls.fetch_add(1);
      }));
      records.push_back(std::move(record));
    }
    co_await sleep(random.up_to(3ms));
    for (std::size_t i = 0; i < callbacks; ++i) {
      if (random.one_in(2)) continue;
      if (handles[i].cancel()) records[i]->is_cancelled.store(true);
      if (records[i]->is_cancelled.load() && on.strikes(plant::undead_callback))
        records[i]->calls.fetch_add(1);
    }
    // They are late by what a busy machine needs; that each runs is what counts.
    for (std::size_t i = 0; i < callbacks; ++i) {
      while (!records[i]->is_cancelled.load() && records[i]->calls.load() == 0)
        co_await sleep(200us);
    }
    for (const auto& record : records) {
      on.check(record->calls.load() == (record->is_cancelled.load() ? 0 : 1),
               invariant::exactly_once, "a callback ran twice, or though it was cancelled");
    }
    alive.beat(callbacks);
  }
}

timer_storm::timer_storm() : state_(std::make_unique<state>()) {}
timer_storm::~timer_storm() = default;

task<> timer_storm::run(stage& on) {
  state& all = *state_;
  auto body = [&](task_group& group) {
    for (std::uint64_t i = 0; i < sleepers; ++i) group.spawn(all.sleep_in_turns(on, i));
    for (std::uint64_t i = 0; i < callers; ++i) group.spawn(all.call_back(on, i));
  };
  co_await with_task_group(body);
}

void timer_storm::check(stage& on) {
  on.check(!state_->never.has_waiters(), invariant::nothing_left,
           "an event has waiters, though every task has ended");
}

}  // namespace weft::stress
