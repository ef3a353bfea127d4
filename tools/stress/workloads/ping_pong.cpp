#include "ping_pong.h"

#include <weft/runtime/error.h>
#include <weft/runtime/future.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/channel.h>
#include <weft/sync/condition_variable.h>
#include <weft/sync/event.h>
#include <weft/sync/mutex.h>
#include <weft/sync/notify.h>
#include <weft/sync/semaphore.h>

#include <array>
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

namespace weft::stress {

using namespace std::chrono_literals;

namespace {

/// The last message of a pair.
constexpr std::uint64_t goodbye = 0;

// ---- Wires: send() and receive() of one number at a time, in one direction.

class channel_wire {
 public:
  explicit channel_wire(std::size_t capacity) : numbers_(capacity) {}
  task<> send(std::uint64_t number, stage& on) {
    if (on.strikes(plant::lost_wake)) co_return;
    (void)co_await numbers_.send(number);
  }
  /// With a time-out now and then: it must not lose what arrives just then.
  task<std::uint64_t> receive(random_stream& random) {
    for (;;) {
      std::optional<std::uint64_t> number;
      try {
        if (random.one_in(4)) {
          number = co_await wait_for(numbers_.recv(), random.up_to(100us));
        } else {
          number = co_await numbers_.recv();
        }
      } catch (const timeout_error&) {
        continue;
      }
      co_return number.value();
    }
  }

 private:
  channel<std::uint64_t> numbers_;
};

class event_signal {
 public:
  void raise() noexcept { event_.set(); }
  task<> wait() {
    co_await event_.wait();
    event_.clear();
  }

 private:
  event event_;
};

class semaphore_signal {
 public:
  void raise() noexcept { semaphore_.release(); }
  task<> wait() {
    permit taken = co_await semaphore_.acquire();
    taken.forget();
  }

 private:
  semaphore semaphore_{0};
};

class notify_signal {
 public:
  void raise() noexcept { notify_.notify_one(); }
  task<> wait() { co_await notify_.notified(); }

 private:
  notify notify_;
};

/// A plain number and something that wakes: the signal has to bring the number along.
template <class Signal>
class signal_wire {
 public:
  task<> send(std::uint64_t number, stage& on) {
    number_ = number;
    if (!on.strikes(plant::lost_wake)) signal_.raise();
    co_return;
  }
  task<std::uint64_t> receive(random_stream& random) {
    for (;;) {
      try {
        if (random.one_in(4)) {
          co_await wait_for(signal_.wait(), 1us + random.up_to(100us));
        } else {
          co_await signal_.wait();
        }
      } catch (const timeout_error&) {
        continue;
      }
      co_return number_;
    }
  }

 private:
  std::uint64_t number_ = 0;
  Signal signal_;
};

class condition_wire {
 public:
  task<> send(std::uint64_t number, stage&) {
    const lock_guard guard = co_await mutex_.lock();
    number_ = number;
    is_full_ = true;
    changed_.notify_one();
  }
  task<std::uint64_t> receive(random_stream& random) {
    lock_guard guard = co_await mutex_.lock();
    const auto is_full = [this] { return is_full_; };
    while (!is_full_) {
      try {
        if (random.one_in(4)) {
          co_await wait_for(changed_.wait(guard), random.up_to(100us));
        } else {
          co_await changed_.wait(guard, is_full);
        }
      } catch (const timeout_error&) {
        continue;
      }
    }
    is_full_ = false;
    co_return number_;
  }

 private:
  mutex mutex_;
  condition_variable changed_;
  bool is_full_ = false;      // guarded by mutex_
  std::uint64_t number_ = 0;  // guarded by mutex_
};

template <class Wire>
struct wire_pair {
  template <class... Args>
  explicit wire_pair(Args... args) : there(args...), back(args...) {}
  Wire there;
  Wire back;
};

template <class Wire>
task<> ping(wire_pair<Wire>& wires, stage& on, std::uint64_t key) {
  heartbeat alive(on.dog(), "ping " + std::to_string(key));
  random_stream random = on.random(key);
  for (std::uint64_t number = 1; !on.is_over(); ++number) {
    co_await on.waver(random);
    co_await wires.there.send(number, on);
    const std::uint64_t answer = co_await wires.back.receive(random);
    on.check(answer == number, invariant::exactly_once, "a pair lost or doubled a message");
    alive.beat();
  }
  co_await wires.there.send(goodbye, on);
}

template <class Wire>
task<> pong(wire_pair<Wire>& wires, stage& on, std::uint64_t key) {
  heartbeat alive(on.dog(), "pong " + std::to_string(key));
  random_stream random = on.random(key);
  for (;;) {
    const std::uint64_t number = co_await wires.there.receive(random);
    if (number == goodbye) co_return;
    co_await on.waver(random);
    co_await wires.back.send(number, on);
    alive.beat();
  }
}

// ---- Letters: each carries the promise of the answer.

struct letter {
  std::uint64_t number = goodbye;
  std::unique_ptr<promise<letter>> answer;
};

task<> write_letters(promise<letter> to, stage& on, std::uint64_t key) {
  heartbeat alive(on.dog(), "letter writer");
  random_stream random = on.random(key);
  for (std::uint64_t number = 1; !on.is_over(); ++number) {
    auto answer = std::make_unique<promise<letter>>();
    future<letter> reply = answer->get_future();
    to.set_value(letter{number, std::move(answer)});
    co_await on.waver(random);
    letter received;
    try {
      received = co_await std::move(reply);
    } catch (const broken_promise&) {  // the other side was cancelled first
      on.check(on.plan().is_cut_short, invariant::exactly_once, "a promise was dropped");
      co_return;
    }
    on.check(received.number == number, invariant::exactly_once, "a letter was lost or doubled");
    to = std::move(*received.answer);
    alive.beat();
  }
  to.set_value(letter{});
}

task<> answer_letters(future<letter> from, stage& on, std::uint64_t key) {
  heartbeat alive(on.dog(), "letter reader");
  random_stream random = on.random(key);
  for (;;) {
    letter received;
    try {
      received = co_await std::move(from);
    } catch (const broken_promise&) {  // the other side was cancelled first
      on.check(on.plan().is_cut_short, invariant::exactly_once, "a promise was dropped");
      co_return;
    }
    if (received.number == goodbye) co_return;
    co_await on.waver(random);
    auto next = std::make_unique<promise<letter>>();
    from = next->get_future();
    received.answer->set_value(letter{received.number, std::move(next)});
    alive.beat();
  }
}

// ---- The mesh

constexpr std::size_t players = 5;
constexpr std::size_t tokens = 3;

task<> spin() {
  for (;;) co_await yield();
}

}  // namespace

struct ping_pong::state {
  wire_pair<channel_wire> rendezvous{std::size_t{0}};
  wire_pair<channel_wire> buffered{std::size_t{1}};
  wire_pair<signal_wire<event_signal>> events;
  wire_pair<signal_wire<semaphore_signal>> semaphores;
  wire_pair<signal_wire<notify_signal>> notifies;
  wire_pair<condition_wire> conditions;

  // Room for all tokens, so that nobody waits to pass one on.
  std::array<std::unique_ptr<channel<std::uint64_t>>, players> seats;
  std::atomic<std::uint64_t> hops{0};       // relaxed: read when all have ended
  std::atomic<std::size_t> in_flight{0};    // tokens that are on the way; relaxed: the last one to
                                            // take one off the board closes the seats
  std::atomic<std::uint64_t> hops_seen{0};  // by the tokens that were taken off; relaxed, as above

  task<> play(stage& on, std::size_t own) {
    heartbeat alive(on.dog(), "player " + std::to_string(own));
    random_stream random = on.random(100 + own);
    for (;;) {
      const std::optional<std::uint64_t> token = co_await seats[own]->recv();
      if (!token) co_return;
      alive.beat();
      if (on.is_over()) {
        hops_seen.fetch_add(*token, std::memory_order_relaxed);
        if (in_flight.fetch_sub(1, std::memory_order_relaxed) == 1) close_seats();
        continue;
      }
      co_await on.waver(random);
      hops.fetch_add(1, std::memory_order_relaxed);
      const bool is_sent = co_await seats[random.below(players)]->send(*token + 1);
      on.check(is_sent, invariant::items_conserved, "an open channel refused a token");
    }
  }

  void close_seats() noexcept {
    for (auto& seat : seats) seat->close();
  }
};

ping_pong::ping_pong() : state_(std::make_unique<state>()) {
  for (auto& seat : state_->seats) seat = std::make_unique<channel<std::uint64_t>>(tokens);
}

ping_pong::~ping_pong() = default;

task<> ping_pong::run(stage& on) {
  if (on.strikes(plant::busy_idle)) spawn(spin()).detach();
  state& all = *state_;
  auto body = [&](task_group& group) {
    std::uint64_t key = 0;
    const auto start = [&](auto& wires) {
      group.spawn(ping(wires, on, key));
      group.spawn(pong(wires, on, key + 1));
      key += 2;
    };
    start(all.rendezvous);
    start(all.buffered);
    start(all.events);
    start(all.semaphores);
    start(all.notifies);
    start(all.conditions);
    promise<letter> first;
    group.spawn(answer_letters(first.get_future(), on, 20));
    group.spawn(write_letters(std::move(first), on, 21));
    for (std::size_t i = 0; i < players; ++i) group.spawn(all.play(on, i));
    all.in_flight.store(tokens, std::memory_order_relaxed);
    for (std::size_t i = 0; i < tokens; ++i) all.seats[i]->try_send(std::uint64_t{0});
  };
  co_await with_task_group(body);
}

void ping_pong::check(stage& on) {
  state& all = *state_;
  if (all.in_flight.load(std::memory_order_relaxed) != 0) return;  // it was cut short
  on.check(
      all.hops.load(std::memory_order_relaxed) == all.hops_seen.load(std::memory_order_relaxed),
      invariant::items_conserved, "tokens were lost or doubled on their way");
}

}  // namespace weft::stress
