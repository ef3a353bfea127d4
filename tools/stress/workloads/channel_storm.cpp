#include "channel_storm.h"

#include <weft/runtime/error.h>
#include <weft/runtime/select.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/channel.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace weft::stress {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t producers = 6;
constexpr std::size_t consumers = 6;
constexpr std::size_t channels = 3;
constexpr std::array<std::size_t, channels> capacities{0, 2, 32};
constexpr std::size_t batch_max = 5;

struct item {
  std::size_t producer;
  std::uint64_t number;
};
using parcel = std::unique_ptr<item>;  // so that a lost or doubled one is also an error of memory

/// Counts items of both sides; what they sum up to tells more than their number.
struct tally {
  // Relaxed: read when all have ended.
  std::atomic<std::uint64_t> count{0};
  std::atomic<std::uint64_t> sum{0};

  void add(const item& one) noexcept {
    count.fetch_add(1, std::memory_order_relaxed);
    sum.fetch_add(mix(one.producer, one.number), std::memory_order_relaxed);
  }
};

/// The highest number that a consumer has seen of each producer.
class order_checker {
 public:
  explicit order_checker(stage& on) noexcept : on_(on) {}
  void see(const item& one) noexcept {
    on_.check(one.number > last_[one.producer], invariant::first_in_first_out,
              "items of a producer came out of order");
    last_[one.producer] = one.number;
  }

 private:
  stage& on_;
  std::array<std::uint64_t, producers> last_{};
};

}  // namespace

struct channel_storm::state {
  state() {
    for (std::size_t i = 0; i < channels; ++i)
      lines[i] = std::make_unique<channel<parcel>>(capacities[i]);
  }

  std::array<std::unique_ptr<channel<parcel>>, channels> lines;
  tally sent;
  tally received;
  std::atomic<std::size_t> producing{producers};  // acq_rel is not needed: close() orders the rest

  task<> produce(stage& on, std::size_t own);
  task<> send_one(stage& on, channel<parcel>& line, item one, random_stream& random);
  task<std::uint64_t> send_batch(channel<parcel>& line, std::size_t own, std::uint64_t number,
                                 random_stream& random);

  task<> consume(stage& on, std::size_t own);
  task<bool> receive_one(stage& on, channel<parcel>& line, order_checker& order,
                         random_stream& random);
  task<bool> receive_batch(stage& on, channel<parcel>& line, order_checker& order);
  task<bool> receive_any(stage& on, channel<parcel>& first, channel<parcel>& second,
                         order_checker& order);
  void accept(stage& on, order_checker& order, const item& one) noexcept {
    order.see(one);
    if (!on.strikes(plant::lost_item)) received.add(one);
  }
};

// ---- Producers

task<> channel_storm::state::send_one(stage& on, channel<parcel>& line, item one,
                                      random_stream& random) {
  bool is_sent = false;
  try {
    switch (random.below(3)) {
      case 0:
        is_sent = co_await wait_for(line.send(std::make_unique<item>(one)), random.up_to(200us));
        break;
      case 1:
        is_sent = line.try_send(std::make_unique<item>(one));
        break;
      default:
        is_sent = co_await line.send(std::make_unique<item>(one));
    }
  } catch (const timeout_error&) {  // it was not sent
    co_return;
  }
  if (is_sent) sent.add(one);
  on.check(line.size() <= line.capacity(), invariant::items_conserved,
           "a channel holds more than its capacity");
}

task<std::uint64_t> channel_storm::state::send_batch(channel<parcel>& line, std::size_t own,
                                                     std::uint64_t number, random_stream& random) {
  std::vector<parcel> batch;
  const std::uint64_t size = 1 + random.below(batch_max);
  for (std::uint64_t i = 0; i < size; ++i)
    batch.push_back(std::make_unique<item>(item{own, number + i}));
  const std::size_t count = co_await line.send_many(batch);
  for (std::size_t i = 0; i < count; ++i) sent.add(item{own, number + i});
  co_return size;
}

task<> channel_storm::state::produce(stage& on, std::size_t own) {
  heartbeat alive(on.dog(), "producer " + std::to_string(own));
  random_stream random = on.random(own);
  channel<parcel>& line = *lines[own % channels];
  for (std::uint64_t number = 1; !on.is_over(); ++number) {
    co_await on.waver(random);
    if (random.one_in(4)) {
      number += co_await send_batch(line, own, number, random);
    } else if (on.strikes(plant::swapped_items)) {
      for (const item each : {item{own, number + 1}, item{own, number}}) {
        const bool is_sent = co_await line.send(std::make_unique<item>(each));
        if (is_sent) sent.add(each);
      }
      ++number;
    } else {
      co_await send_one(on, line, {own, number}, random);
    }
    if (on.strikes(plant::doubled_item))
      (void)co_await line.send(std::make_unique<item>(item{own, number}));
    alive.beat();
  }
  if (producing.fetch_sub(1, std::memory_order_relaxed) == 1) {
    for (auto& each : lines) each->close();
  }
}

// ---- Consumers. Each step gives false when there is nothing more to come.

task<bool> channel_storm::state::receive_one(stage& on, channel<parcel>& line, order_checker& order,
                                             random_stream& random) {
  std::optional<parcel> received_item;
  try {
    switch (random.below(3)) {
      case 0:
        received_item = line.try_recv();
        if (!received_item) {
          co_await yield();
          co_return true;
        }
        break;
      case 1:
        received_item = co_await wait_for(line.recv(), random.up_to(200us));
        break;
      default:
        received_item = co_await line.recv();
    }
  } catch (const timeout_error&) {
    co_return true;
  }
  if (!received_item) co_return false;
  accept(on, order, **received_item);
  co_return true;
}

task<bool> channel_storm::state::receive_batch(stage& on, channel<parcel>& line,
                                               order_checker& order) {
  std::vector<parcel> batch;
  const std::size_t count = co_await line.recv_many(batch, batch_max);
  on.check(count == batch.size(), invariant::items_conserved, "recv_many counts wrong");
  for (const parcel& each : batch) accept(on, order, *each);
  co_return count > 0;
}

task<bool> channel_storm::state::receive_any(stage& on, channel<parcel>& first,
                                             channel<parcel>& second, order_checker& order) {
  auto either = co_await select(first.recv(), second.recv());
  std::optional<parcel>& received_item =
      either.index() == 0 ? std::get<0>(either) : std::get<1>(either);
  if (!received_item) co_return false;
  accept(on, order, **received_item);
  co_return true;
}

task<> channel_storm::state::consume(stage& on, std::size_t own) {
  heartbeat alive(on.dog(), "consumer " + std::to_string(own));
  random_stream random = on.random(100 + own);
  order_checker order(on);
  channel<parcel>& line = *lines[own % channels];
  channel<parcel>& other = *lines[(own + 1) % channels];
  bool goes_on = true;
  while (goes_on) {
    co_await on.waver(random);
    const std::uint64_t how = random.below(5);
    if (how == 0) {
      goes_on = co_await receive_batch(on, line, order);
    } else if (how == 1 && !line.closed()) {
      (void)co_await receive_any(on, line, other, order);
    } else {
      goes_on = co_await receive_one(on, line, order, random);
    }
    alive.beat();
  }
}

// ---- All of it

channel_storm::channel_storm() : state_(std::make_unique<state>()) {}
channel_storm::~channel_storm() = default;

task<> channel_storm::run(stage& on) {
  state& all = *state_;
  auto body = [&](task_group& group) {
    for (std::size_t i = 0; i < producers; ++i) group.spawn(all.produce(on, i));
    for (std::size_t i = 0; i < consumers; ++i) group.spawn(all.consume(on, i));
  };
  co_await with_task_group(body);
}

void channel_storm::check(stage& on) {
  state& all = *state_;
  for (auto& line : all.lines) {  // what nobody has received, if it was cut short
    while (const std::optional<parcel> left = line->try_recv()) all.received.add(**left);
  }
  on.check(all.sent.count.load(std::memory_order_relaxed) ==
               all.received.count.load(std::memory_order_relaxed),
           invariant::items_conserved, "not as many items were received as sent");
  on.check(all.sent.sum.load(std::memory_order_relaxed) ==
               all.received.sum.load(std::memory_order_relaxed),
           invariant::items_conserved, "other items were received than sent");
}

}  // namespace weft::stress
