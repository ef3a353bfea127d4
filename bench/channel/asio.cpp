// Asio's experimental channels: `channel` on one thread, `concurrent_channel` on two. The try_
// forms come first, as a careful user writes it; they avoid the scheduler when there is nothing to
// wait for.
#include "../support/asio_main.h"
#include "config.h"

#include <type_traits>

#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>

namespace {

using bench::asio_task;
using boost::system::error_code;
namespace asio = bench::asio;

template <class T>
using channel = asio::experimental::channel<bench::executor, void(error_code, T)>;
template <class T>
using concurrent_channel =
    asio::experimental::concurrent_channel<bench::executor, void(error_code, T)>;

template <class Channel>
asio_task<> answer(Channel& in, Channel& out, bench::join_counter& ended) {
  while (true) {
    const int number = co_await in.async_receive(bench::use_task);
    if (number < 0) break;
    if (!out.try_send(error_code{}, number + 1)) {
      co_await out.async_send(error_code{}, number + 1, bench::use_task);
    }
  }
  ended.done();
}

template <class Channel>
asio_task<> ping_pong_over(benchmark::State& state) {
  const auto here = co_await asio::this_coro::executor;
  Channel ping(here, 1);
  Channel pong(here, 1);
  bench::join_counter peer(1);
  asio::co_spawn(here, answer(ping, pong, peer), asio::detached);
  for (auto _ : state) {
    int number = 0;
    for (int i = 0; i < channel_loop::rounds; ++i) {
      if (!ping.try_send(error_code{}, number)) {
        co_await ping.async_send(error_code{}, number, bench::use_task);
      }
      number = co_await pong.async_receive(bench::use_task);
    }
    bench::require(number == channel_loop::rounds, "number of round trips");
  }
  co_await ping.async_send(error_code{}, -1, bench::use_task);
  co_await peer.wait();
  bench::count_items(state, channel_loop::rounds);
}

template <class Channel>
asio_task<> produce(Channel& out, std::int64_t first) {
  for (int i = 0; i < channel_loop::items_each; ++i) {
    if (!out.try_send(error_code{}, first + i)) {
      co_await out.async_send(error_code{}, first + i, bench::use_task);
    }
  }
}

template <class Channel>
asio_task<> consume(Channel& in, std::int64_t& sum) {
  std::int64_t local = 0;
  for (int i = 0; i < channel_loop::items_each; ++i) {
    const auto take = [&local](error_code, std::int64_t item) { local += item; };
    if (!in.try_receive(take)) local += co_await in.async_receive(bench::use_task);
  }
  sum = local;
}

template <class Channel>
asio_task<> many_to_many_over(benchmark::State& state) {
  const auto here = co_await asio::this_coro::executor;
  Channel shared(here, channel_loop::capacity);
  std::vector<std::int64_t> sums(channel_loop::consumers);
  for (auto _ : state) {
    bench::join_counter children(channel_loop::producers + channel_loop::consumers);
    const auto ended = [&children](std::exception_ptr) { children.done(); };
    for (auto& sum : sums) asio::co_spawn(here, consume(shared, sum), ended);
    for (int i = 0; i < channel_loop::producers; ++i) {
      const auto first = std::int64_t{i} * channel_loop::items_each;
      asio::co_spawn(here, produce(shared, first), ended);
    }
    co_await children.wait();
    std::int64_t sum = 0;
    for (const std::int64_t part : sums) sum += part;
    bench::require(sum == channel_loop::items_sum, "sum of the received items");
  }
  bench::count_items(state, channel_loop::items);
}

asio_task<> ping_pong(benchmark::State& state) {
  return bench::workers(state) == 1 ? ping_pong_over<channel<int>>(state)
                                    : ping_pong_over<concurrent_channel<int>>(state);
}
asio_task<> many_to_many(benchmark::State& state) {
  return bench::workers(state) == 1 ? many_to_many_over<channel<std::int64_t>>(state)
                                    : many_to_many_over<concurrent_channel<std::int64_t>>(state);
}

BENCHMARK(bench::on_asio<ping_pong>)->Name("channel/ping_pong")->Apply(bench::worker_counts);
BENCHMARK(bench::on_asio<many_to_many>)->Name("channel/mpmc")->Apply(bench::worker_counts);

}  // namespace
