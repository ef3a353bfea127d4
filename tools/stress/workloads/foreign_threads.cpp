#include "foreign_threads.h"

#include "../disturbance.h"
#include "../on_exit.h"
#include <weft/runtime/as_result.h>
#include <weft/runtime/error.h>
#include <weft/runtime/future.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/task_group.h>
#include <weft/sync/channel.h>
#include <weft/sync/event.h>
#include <weft/sync/semaphore.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace weft::stress {

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t threads = 3;
constexpr std::uint64_t waiters = 6;

/// Counts the ends of the tasks that own one, run or not.
class token {
 public:
  explicit token(ticket_counter& from) noexcept : from_(&from) { from_->issue(); }
  token(token&& other) noexcept : from_(std::exchange(other.from_, nullptr)) {}
  token& operator=(token&&) = delete;
  ~token() {
    if (from_ != nullptr) from_->complete();
  }

 private:
  ticket_counter* from_;
};

}  // namespace

struct foreign_threads::state {
  std::vector<std::thread> running;
  std::atomic<bool> is_stopped{false};

  ticket_counter tasks;
  semaphore given{0};
  std::atomic<std::int64_t> released{0};
  std::atomic<std::int64_t> acquired{0};
  channel<std::uint64_t> numbers{3};
  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::int64_t> callbacks_made{0};
  std::atomic<std::int64_t> callbacks_run{0};

  void disturb(stage& on, std::uint64_t own);
  void step(stage& on, random_stream& random);
  void spawn_and_drop(stage& on, random_stream& random);
  void complete_promise(stage& on, random_stream& random);

  task<> take_permits(stage& on, std::uint64_t own);
  task<> take_numbers(stage& on, std::uint64_t own);
  task<> be_short(stage& on, token mine, std::uint64_t seed);
  task<> await_promise(stage& on, token mine, future<std::uint64_t> from, std::uint64_t expected);
};

// ---- On the runtime

task<> foreign_threads::state::be_short(stage& on, [[maybe_unused]] token mine,
                                        std::uint64_t seed) {
  random_stream random(seed);
  co_await on.waver(random);
  if (random.one_in(4)) co_await sleep(random.up_to(300us));
}

task<> foreign_threads::state::await_promise(stage& on, [[maybe_unused]] token mine,
                                             future<std::uint64_t> from, std::uint64_t expected) {
  const std::uint64_t number = co_await std::move(from);
  on.check(number == expected, invariant::exactly_once, "a future gave another value");
}

task<> foreign_threads::state::take_permits(stage& on, std::uint64_t own) {
  heartbeat alive(on.dog(), "taker " + std::to_string(own));
  while (!on.is_over()) {
    permit taken = co_await given.acquire();
    taken.forget();
    acquired.fetch_add(1);
    alive.beat();
  }
}

task<> foreign_threads::state::take_numbers(stage& on, std::uint64_t own) {
  heartbeat alive(on.dog(), "receiver " + std::to_string(own));
  while (!on.is_over()) {
    const std::optional<std::uint64_t> number = co_await numbers.recv();
    if (!number) co_return;
    received.fetch_add(*number);
    alive.beat();
  }
}

// ---- On foreign threads

void foreign_threads::state::spawn_and_drop(stage& on, random_stream& random) {
  auto handle = on.on().spawn(be_short(on, token(tasks), random.next()));
  if (random.one_in(3)) handle.cancel();
  // With one worker nobody may be there to run it.
  if (on.plan().workers > 1 && random.one_in(3)) {
    try {
      handle.get();
    } catch (const cancelled_error&) {  // as we, or a shutdown, wanted
    }
  }
}

void foreign_threads::state::complete_promise(stage& on, random_stream& random) {
  promise<std::uint64_t> given_later;
  const std::uint64_t number = random.next();
  auto handle = on.on().spawn(await_promise(on, token(tasks), given_later.get_future(), number));
  if (random.one_in(2)) std::this_thread::sleep_for(random.up_to(100us));
  if (random.one_in(4)) handle.cancel();
  given_later.set_value(number);
}

void foreign_threads::state::step(stage& on, random_stream& random) {
  switch (random.below(5)) {
    case 0:
      return spawn_and_drop(on, random);
    case 1:
      return complete_promise(on, random);
    case 2: {
      const auto count = static_cast<std::int64_t>(1 + random.below(4));
      released.fetch_add(count);
      return given.release(count);
    }
    case 3: {
      const std::uint64_t number = 1 + random.below(1000);
      if (numbers.try_send(number)) sent.fetch_add(number);
      return;
    }
    default:
      callbacks_made.fetch_add(1);
      return on.on().call_soon([this] { callbacks_run.fetch_add(1); });
  }
}

void foreign_threads::state::disturb(stage& on, std::uint64_t own) {
  enlist_this_thread();
  random_stream random = on.random(own);
  while (!is_stopped.load()) {
    for (std::uint64_t i = random.below(20); i > 0; --i) step(on, random);
    if (random.one_in(8)) {
      // A thread that lives for one step: what it cached has to be given back.
      std::thread([&] { step(on, random); }).join();
    }
    std::this_thread::sleep_for(random.up_to(300us));
  }
}

// ---- All of it

foreign_threads::foreign_threads() : state_(std::make_unique<state>()) {}
foreign_threads::~foreign_threads() = default;

task<> foreign_threads::run(stage& on) {
  state& all = *state_;
  const on_exit stop([&all] { all.is_stopped.store(true); });
  for (std::uint64_t i = 0; i < threads; ++i)
    all.running.emplace_back([&all, &on, i] { all.disturb(on, i); });
  auto body = [&](task_group& group) {
    for (std::uint64_t i = 0; i < waiters; ++i) {
      group.spawn(all.take_permits(on, 100 + i));
      group.spawn(all.take_numbers(on, 200 + i));
    }
  };
  co_await with_task_group(body);
}

void foreign_threads::settle() {
  state_->is_stopped.store(true);
  for (std::thread& each : state_->running) each.join();
}

void foreign_threads::check(stage& on) {
  state& all = *state_;
  while (const std::optional<std::uint64_t> left = all.numbers.try_recv())
    all.received.fetch_add(*left);
  on.check(all.tasks.is_balanced(), invariant::exactly_once,
           "a task that a foreign thread spawned never ended");
  on.check(all.released.load() == all.acquired.load() + all.given.available(),
           invariant::permits_conserved, "permits that foreign threads released were lost");
  on.check(all.sent.load() == all.received.load(), invariant::items_conserved,
           "numbers that foreign threads sent were lost");
  on.check(all.callbacks_made.load() == all.callbacks_run.load(), invariant::exactly_once,
           "a callback ran twice or never");
}

}  // namespace weft::stress
