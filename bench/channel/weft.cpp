#include "../support/weft_main.h"
#include "config.h"
#include <weft/sync/channel.h>

#include <vector>

namespace {

weft::task<> answer(weft::channel<int>& in, weft::channel<int>& out) {
  while (true) {
    const std::optional<int> number = co_await in.recv();
    if (!number) break;
    const bool sent = co_await out.send(*number + 1);
    bench::require(sent, "channel is open");
  }
}

weft::task<> ping_pong(benchmark::State& state) {
  weft::channel<int> ping(1);
  weft::channel<int> pong(1);
  auto peer = weft::spawn(answer(ping, pong));
  for (auto _ : state) {
    int number = 0;
    for (int i = 0; i < channel_loop::rounds; ++i) {
      const bool sent = co_await ping.send(number);
      bench::require(sent, "channel is open");
      const std::optional<int> answered = co_await pong.recv();
      number = answered.value();
    }
    bench::require(number == channel_loop::rounds, "number of round trips");
  }
  ping.close();
  co_await peer;
  bench::count_items(state, channel_loop::rounds);
}

weft::task<> produce(weft::channel<std::int64_t>& out, std::int64_t first) {
  for (int i = 0; i < channel_loop::items_each; ++i) {
    const bool sent = co_await out.send(first + i);
    bench::require(sent, "channel is open");
  }
}

weft::task<std::int64_t> consume(weft::channel<std::int64_t>& in) {
  std::int64_t sum = 0;
  for (int i = 0; i < channel_loop::items_each; ++i) {
    const std::optional<std::int64_t> item = co_await in.recv();
    sum += item.value();
  }
  co_return sum;
}

weft::task<> many_to_many(benchmark::State& state) {
  weft::channel<std::int64_t> shared(channel_loop::capacity);
  std::vector<weft::join_handle<std::int64_t>> consumers(channel_loop::consumers);
  std::vector<weft::join_handle<>> producers(channel_loop::producers);
  for (auto _ : state) {
    for (auto& consumer : consumers) consumer = weft::spawn(consume(shared));
    std::int64_t first = 0;
    for (auto& producer : producers) {
      producer = weft::spawn(produce(shared, first));
      first += channel_loop::items_each;
    }
    for (auto& producer : producers) co_await producer;
    std::int64_t sum = 0;
    for (auto& consumer : consumers) {
      const std::int64_t part = co_await consumer;
      sum += part;
    }
    bench::require(sum == channel_loop::items_sum, "sum of the received items");
  }
  bench::count_items(state, channel_loop::items);
}

BENCHMARK(bench::on_weft<ping_pong>)->Name("channel/ping_pong")->Apply(bench::worker_counts);
BENCHMARK(bench::on_weft<many_to_many>)->Name("channel/mpmc")->Apply(bench::worker_counts);

}  // namespace
