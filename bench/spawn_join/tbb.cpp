// oneTBB: a task is a callable that runs to its end, not a coroutine.
#include "../support/bench.h"
#include "config.h"

#include <numeric>
#include <vector>

#include <tbb/task_arena.h>
#include <tbb/task_group.h>

namespace {

void spawn_and_join(benchmark::State& state, int tasks) {
  std::vector<int> numbers(tasks);
  tbb::task_arena arena(bench::workers(state));
  arena.execute([&] {
    for (auto _ : state) {
      tbb::task_group group;
      for (int i = 0; i < tasks; ++i) group.run([slot = &numbers[i], i] { *slot = i; });
      group.wait();
      const auto sum = std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
      bench::require(sum == spawn_join::expected_sum(tasks), "sum of the tasks' numbers");
    }
  });
  bench::count_items(state, tasks);
}

const bool registered =
    bench::register_counts("spawn_join", "tasks", spawn_join::task_counts, spawn_and_join);

}  // namespace
