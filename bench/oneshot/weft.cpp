#include "../support/weft_main.h"
#include "config.h"
#include <weft/sync/channel.h>
#include <weft/sync/oneshot.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace {

struct wires {
  weft::oneshot<int> ping;
  weft::oneshot<int> pong;
};

weft::task<> peer(std::shared_ptr<wires> shared) {
  const std::optional<int> number = co_await shared->ping.recv();
  const bool sent = shared->pong.send(number.value() + 1);
  bench::require(sent, "the answer is taken");
}

weft::task<int> one_round_trip(int number) {
  auto shared = std::make_shared<wires>();
  weft::spawn(peer(shared)).detach();
  shared->ping.send(number);
  const std::optional<int> answer = co_await shared->pong.recv();
  co_return answer.value();
}

weft::task<> ping_pong(benchmark::State& state) {
  std::vector<weft::join_handle<int>> handles(oneshot_loop::pairs);
  for (auto _ : state) {
    for (int i = 0; i < oneshot_loop::pairs; ++i) handles[i] = weft::spawn(one_round_trip(i));
    std::int64_t sum = 0;
    for (auto& handle : handles) {
      const int answer = co_await handle;
      sum += answer;
    }
    constexpr std::int64_t n = oneshot_loop::pairs;
    bench::require(sum == n * (n + 1) / 2, "sum of the answers");
  }
  bench::count_items(state, oneshot_loop::pairs);
}

struct request {
  int number;
  weft::oneshot<int>* reply;
};

weft::task<> serve(weft::channel<request>& requests) {
  while (true) {
    const std::optional<request> next = co_await requests.recv();
    if (!next) break;
    next->reply->send(next->number + 1);
  }
}

weft::task<> request_reply(benchmark::State& state) {
  weft::channel<request> requests(oneshot_loop::backlog);
  auto server = weft::spawn(serve(requests));
  for (auto _ : state) {
    int number = 0;
    for (int i = 0; i < oneshot_loop::requests; ++i) {
      weft::oneshot<int> reply;
      const bool sent = co_await requests.send(request{number, &reply});
      bench::require(sent, "channel is open");
      const std::optional<int> answer = co_await reply.recv();
      number = answer.value();
    }
    bench::require(number == oneshot_loop::requests, "number of requests");
  }
  requests.close();
  co_await server;
  bench::count_items(state, oneshot_loop::requests);
}

BENCHMARK(bench::on_weft<ping_pong>)->Name("oneshot/ping_pong")->Apply(bench::worker_counts);
BENCHMARK(bench::on_weft<request_reply>)
    ->Name("oneshot/request_reply")
    ->Apply(bench::worker_counts);

}  // namespace
