#include "../support/weft_main.h"
#include "config.h"
#include <weft/runtime/task_group.h>

#include <cstdint>
#include <numeric>
#include <vector>

namespace {

weft::task<> child(int& ended) {
  ++ended;
  co_return;
}

weft::task<> spawn_and_wait(benchmark::State& state) {
  std::vector<int> ended(group_loop::children);
  std::int64_t expected = 0;
  for (auto _ : state) {
    co_await weft::with_task_group([&ended](weft::task_group& group) -> weft::task<> {
      for (int& mine : ended) group.spawn(child(mine));
      co_return;
    });
    expected += group_loop::children;
    const auto sum = std::accumulate(ended.begin(), ended.end(), std::int64_t{0});
    bench::require(sum == expected, "number of children that ended");
  }
  bench::count_items(state, group_loop::children);
}

BENCHMARK(bench::on_weft<spawn_and_wait>)->Name("task_group")->Apply(bench::worker_counts);

}  // namespace
