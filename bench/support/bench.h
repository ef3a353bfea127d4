// What every Google Benchmark program here shares: checks, worker counts, item counts, process
// costs.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace bench {

/// A benchmark whose result is wrong has measured something else: it stops the program.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "wrong result: %s\n", what);
  std::abort();
}

/// Wall clock decides; the CPU column is that of the whole process, all threads together.
inline void with_workers(benchmark::internal::Benchmark* benchmark, int most) {
  benchmark->ArgName("workers")->UseRealTime()->MeasureProcessCPUTime();
  for (int workers = 1; workers <= most; ++workers) benchmark->Arg(workers);
}
inline void one_worker(benchmark::internal::Benchmark* benchmark) {
  with_workers(benchmark, 1);
}
inline void one_and_two_workers(benchmark::internal::Benchmark* benchmark) {
  with_workers(benchmark, 2);
}

inline int workers(const benchmark::State& state) {
  return static_cast<int>(state.range(0));
}

/// Sets items_per_second; compare.py turns it into nanoseconds per item.
inline void count_items(benchmark::State& state, std::int64_t items_per_iteration) {
  state.SetItemsProcessed(state.iterations() * items_per_iteration);
}

}  // namespace bench
