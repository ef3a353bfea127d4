// oneTBB: a child is a callable that runs to its end, not a coroutine.
#include "../support/bench.h"
#include "config.h"

#include <cstdint>
#include <numeric>
#include <vector>

#include <tbb/task_arena.h>
#include <tbb/task_group.h>

namespace {

void spawn_and_wait(benchmark::State& state) {
  std::vector<int> ended(group_loop::children);
  std::int64_t expected = 0;
  tbb::task_arena arena(bench::workers(state));
  arena.execute([&] {
    for (auto _ : state) {
      tbb::task_group group;
      for (int& mine : ended) group.run([&mine] { ++mine; });
      group.wait();
      expected += group_loop::children;
      const auto sum = std::accumulate(ended.begin(), ended.end(), std::int64_t{0});
      bench::require(sum == expected, "number of children that ended");
    }
  });
  bench::count_items(state, group_loop::children);
}

BENCHMARK(spawn_and_wait)->Name("task_group")->Apply(bench::worker_counts);

}  // namespace
