#include "cancel_storm.h"

#include "../on_exit.h"
#include <weft/runtime/as_result.h>
#include <weft/runtime/cancel.h>
#include <weft/runtime/error.h>
#include <weft/runtime/future.h>
#include <weft/runtime/gather.h>
#include <weft/runtime/select.h>
#include <weft/runtime/shield.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timeout.h>
#include <weft/runtime/to_thread.h>
#include <weft/sync/channel.h>
#include <weft/sync/condition_variable.h>
#include <weft/sync/event.h>
#include <weft/sync/mutex.h>
#include <weft/sync/notify.h>
#include <weft/sync/semaphore.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

namespace weft::stress {

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t hunters = 16;
constexpr std::ptrdiff_t permits = 2;

/// One task that may be cancelled at any moment, as its hunter sees it.
struct prey {
  std::atomic<int> present{0};  // its body runs
};

}  // namespace

struct cancel_storm::state {
  semaphore permitted{permits};
  mutex locked;
  condition_variable changed;
  event opened;
  notify noted;
  channel<std::uint64_t> narrow{0};
  channel<std::uint64_t> wide{4};

  // Relaxed in effect: read when all have ended.
  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> received{0};
  ticket_counter cleanups;

  task<> hunt(stage& on, std::uint64_t own);
  task<> stir(stage& on);
  task<> live(stage& on, std::shared_ptr<prey> self, std::uint64_t seed);
  task<> wait_somehow(stage& on, random_stream& random, unsigned depth);
  task<> send(channel<std::uint64_t>& line, std::uint64_t number);
  task<> receive(channel<std::uint64_t>& line);
  task<> receive_either();
  task<> wait_for_change(stage& on, random_stream& random);
  task<> offload(random_stream& random);
  task<> clean_up(stage& on, std::uint64_t seed, unsigned depth);
  task<> wait_together(stage& on, random_stream& random, unsigned depth);
  task<> wait_nested(stage& on, std::uint64_t seed, unsigned depth);
  task<> wait_shielded(stage& on, std::uint64_t seed);
};

// ---- The ways to wait

task<> cancel_storm::state::send(channel<std::uint64_t>& line, std::uint64_t number) {
  const bool is_sent = co_await line.send(number);
  if (is_sent) sent.fetch_add(number);
}

task<> cancel_storm::state::receive(channel<std::uint64_t>& line) {
  const std::optional<std::uint64_t> number = co_await line.recv();
  if (number) received.fetch_add(*number);
}

task<> cancel_storm::state::receive_either() {
  const auto either = co_await select(narrow.recv(), wide.recv(), sleep(1ms));
  if (either.index() == 0 && std::get<0>(either)) received.fetch_add(*std::get<0>(either));
  if (either.index() == 1 && std::get<1>(either)) received.fetch_add(*std::get<1>(either));
}

task<> cancel_storm::state::wait_for_change(stage& on, random_stream& random) {
  lock_guard guard = co_await locked.lock();
  co_await on.waver(random);
  co_await changed.wait(guard);
  on.check(guard.owns_lock(), invariant::exclusion, "a condition variable lost its mutex");
}

task<> cancel_storm::state::offload(random_stream& random) {
  const auto length = random.up_to(300us);
  auto work = [length](std::stop_token stop) {
    const auto end = std::chrono::steady_clock::now() + length;
    while (!stop.stop_requested() && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(20us);
  };
  co_await to_thread(std::ref(work));
}

/// The clean-up runs once, whatever happens to the body.
task<> cancel_storm::state::clean_up(stage& on, std::uint64_t seed, unsigned depth) {
  auto body = [this, &on, seed, depth]() -> task<> {
    random_stream random(seed);
    co_await wait_somehow(on, random, depth);
  };
  auto cleanup = [this]() -> task<> {
    co_await yield();
    cleanups.complete();
  };
  cleanups.issue();
  co_await try_finally(body, cleanup);
}

task<> cancel_storm::state::wait_nested(stage& on, std::uint64_t seed, unsigned depth) {
  random_stream random(seed);
  co_await wait_somehow(on, random, depth);
}

task<> cancel_storm::state::wait_together(stage& on, random_stream& random, unsigned depth) {
  const std::uint64_t first = random.next();
  const std::uint64_t second = random.next();
  switch (random.below(3)) {
    case 0: {
      (void)co_await gather(wait_nested(on, first, depth), wait_nested(on, second, depth));
      break;
    }
    case 1: {
      auto body = [&](task_group& group) {
        group.spawn(wait_nested(on, first, depth));
        group.spawn(wait_nested(on, second, depth));
        if (random.one_in(2)) group.cancel();
      };
      co_await with_task_group(body);
      break;
    }
    default:
      (void)co_await select(wait_nested(on, first, depth), wait_nested(on, second, depth));
  }
}

/// The inner task goes on without its waiter, and is waited for in the end.
task<> cancel_storm::state::wait_shielded(stage& on, std::uint64_t seed) {
  auto inner = spawn(wait_nested(on, seed, 0));
  std::exception_ptr failure;
  try {
    co_await shield(inner);
  } catch (...) {  // goes on below
    failure = std::current_exception();
  }
  inner.cancel();
  {
    const cancel_shield hold;
    (void)co_await as_result(inner);
  }
  if (failure != nullptr) std::rethrow_exception(failure);
}

task<> cancel_storm::state::wait_somehow(stage& on, random_stream& random, unsigned depth) {
  if (depth > 0 && random.one_in(3)) {
    if (random.one_in(3)) {
      co_await clean_up(on, random.next(), depth - 1);
    } else if (random.one_in(3)) {
      co_await wait_shielded(on, random.next());
    } else {
      co_await wait_together(on, random, depth - 1);
    }
    co_return;
  }
  try {
    switch (random.below(11)) {
      case 0:
        co_await sleep(random.up_to(500us));
        break;
      case 1: {
        const permit taken = co_await permitted.acquire(1 + static_cast<int>(random.below(2)));
        co_await on.waver(random);
        break;
      }
      case 2: {
        const lock_guard guard = co_await locked.lock();
        co_await on.waver(random);
        break;
      }
      case 3:
        co_await receive(random.one_in(2) ? narrow : wide);
        break;
      case 4:
        co_await send(random.one_in(2) ? narrow : wide, 1 + random.below(1000));
        break;
      case 5:
        co_await opened.wait();
        break;
      case 6:
        co_await wait_for_change(on, random);
        break;
      case 7:
        co_await receive_either();
        break;
      case 8:
        co_await offload(random);
        break;
      case 9:
        co_await noted.notified();
        break;
      default: {
        const permit taken = co_await wait_for(permitted.acquire(), random.up_to(200us));
        break;
      }
    }
  } catch (const timeout_error&) {  // as good an end as any
  }
}

// ---- Who lives, who hunts

task<> cancel_storm::state::live(stage& on, std::shared_ptr<prey> self, std::uint64_t seed) {
  self->present.fetch_add(1);
  const on_exit leave([&self] { self->present.fetch_sub(1); });
  random_stream random(seed);
  if (on.strikes(plant::swallowed_cancel)) {
    try {
      co_await sleep(1h);
    } catch (const cancelled_error&) {
      self->present.fetch_add(1);  // as if it went on somewhere
      co_return;
    }
  }
  co_await wait_somehow(on, random, 2);
}

/// Starts tasks, cancels them after a while, some twice, some at once, and sees them end.
task<> cancel_storm::state::hunt(stage& on, std::uint64_t own) {
  heartbeat alive(on.dog(), "hunter " + std::to_string(own));
  random_stream random = on.random(own);
  while (!on.is_over()) {
    auto target = std::make_shared<prey>();
    auto handle = spawn(live(on, target, random.next()), {.name = "prey"});
    const std::uint64_t rounds = random.below(4);
    for (std::uint64_t i = 0; i < rounds; ++i) co_await on.waver(random);
    if (random.one_in(3)) co_await sleep(random.up_to(400us));
    handle.cancel();
    if (random.one_in(4)) handle.cancel();
    const result<void> ended = co_await as_result(handle);
    on.check(target->present.load() == 0, invariant::cancellation,
             "a task runs though it was awaited");
    on.check(ended.has_value() || ended.cancelled(), invariant::no_unexpected_failure,
             "a task failed that could only end or be cancelled");
    alive.beat();
  }
}

/// Gives the waiting something to wait for.
task<> cancel_storm::state::stir(stage& on) {
  heartbeat alive(on.dog(), "stirrer");
  random_stream random = on.random(1000);
  while (!on.is_over()) {
    opened.set();
    co_await on.waver(random);
    opened.clear();
    changed.notify_one();
    noted.notify_one();
    if (random.one_in(4)) changed.notify_all();
    if (random.one_in(4)) noted.notify_waiters();
    co_await sleep(random.up_to(200us));
    alive.beat();
  }
}

namespace {

task<> refuse_to_end() {
  for (;;) {
    try {
      co_await sleep(1h);
    } catch (const cancelled_error&) {  // what no task may do for ever
    }
  }
}

}  // namespace

cancel_storm::cancel_storm() : state_(std::make_unique<state>()) {}
cancel_storm::~cancel_storm() = default;

task<> cancel_storm::run(stage& on) {
  if (on.strikes(plant::swallowed_shutdown)) spawn(refuse_to_end(), {.name = "stubborn"}).detach();
  state& all = *state_;
  auto body = [&](task_group& group) {
    for (std::uint64_t i = 0; i < hunters; ++i) group.spawn(all.hunt(on, i));
    group.spawn(all.stir(on));
  };
  co_await with_task_group(body);
}

void cancel_storm::check(stage& on) {
  state& all = *state_;
  while (const std::optional<std::uint64_t> left = all.wide.try_recv())
    all.received.fetch_add(*left);
  on.check(all.sent.load() == all.received.load(), invariant::items_conserved,
           "numbers were lost or made by cancelled tasks");
  on.check(all.permitted.available() == permits && !all.locked.locked(),
           invariant::permits_conserved, "a permit or lock was lost or made by a cancelled task");
  on.check(all.cleanups.is_balanced(), invariant::exactly_once, "a clean-up ran twice or never");
  on.check(!all.opened.has_waiters(), invariant::nothing_left,
           "an event has waiters, though every task has ended");
}

}  // namespace weft::stress
