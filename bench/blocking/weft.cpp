#include "../support/weft_main.h"
#include "config.h"
#include <weft/runtime/to_thread.h>

#include <vector>

namespace {

weft::task<int> offload(int number) {
  const int answer = co_await weft::to_thread(blocking_loop::next, number);
  co_return answer;
}

weft::task<> many_at_a_time(benchmark::State& state) {
  std::vector<weft::join_handle<int>> handles(blocking_loop::at_a_time);
  for (auto _ : state) {
    for (int i = 0; i < blocking_loop::at_a_time; ++i) handles[i] = weft::spawn(offload(i));
    std::int64_t sum = 0;
    for (auto& handle : handles) {
      const int answer = co_await handle;
      sum += answer;
    }
    bench::require(sum == blocking_loop::expected_sum(blocking_loop::at_a_time), "sum of answers");
  }
  bench::count_items(state, blocking_loop::at_a_time);
}

weft::task<> one_at_a_time(benchmark::State& state) {
  for (auto _ : state) {
    int number = 0;
    for (int i = 0; i < blocking_loop::round_trips; ++i) {
      number = co_await weft::to_thread(blocking_loop::next, number);
    }
    bench::require(number == blocking_loop::round_trips, "number of round trips");
  }
  bench::count_items(state, blocking_loop::round_trips);
}

template <auto Workload>
void with_pool(benchmark::State& state) {
  weft::runtime_options options;
  options.workers = static_cast<std::size_t>(bench::workers(state));
  options.max_blocking_threads = blocking_loop::pool_threads;
  options.handle_sigint = false;
  weft::run(Workload(state), options);
}

BENCHMARK(with_pool<many_at_a_time>)->Name("blocking/batch100")->Apply(bench::worker_counts);
BENCHMARK(with_pool<one_at_a_time>)->Name("blocking/round_trip")->Apply(bench::worker_counts);

}  // namespace
