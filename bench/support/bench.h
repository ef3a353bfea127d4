// What every Google Benchmark program here shares: checks, worker counts, item counts, process
// costs.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <thread>

namespace bench {

/// A benchmark whose result is wrong has measured something else: it stops the program.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "wrong result: %s\n", what);
  std::abort();
}

/// Wall clock decides; the CPU column is that of the whole process, all threads together.
inline void one_worker(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgName("workers")->UseRealTime()->MeasureProcessCPUTime()->Arg(1);
}

/// For programs that have two threads by their nature.
inline void two_threads(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgName("workers")->UseRealTime()->MeasureProcessCPUTime()->Arg(2);
}

/// 1, 2, 4 and so on, up to the number of CPUs, at least to 2.
inline void worker_counts(benchmark::internal::Benchmark* benchmark) {
  one_worker(benchmark);
  const int cpus = static_cast<int>(std::thread::hardware_concurrency());
  for (int workers = 2; workers <= std::max(cpus, 2); workers *= 2) benchmark->Arg(workers);
}

/// Registers `name/what:N` for each N; run(state, N) is the benchmark.
inline bool register_counts(const std::string& name, const std::string& what,
                            std::span<const int> counts,
                            void (*run)(benchmark::State&, int count)) {
  for (const int count : counts) {
    const std::string sized = name + "/" + what + ":" + std::to_string(count);
    const auto body = [run, count](benchmark::State& state) { run(state, count); };
    benchmark::RegisterBenchmark(sized.c_str(), body)->Apply(worker_counts);
  }
  return true;
}

inline int workers(const benchmark::State& state) {
  return static_cast<int>(state.range(0));
}

/// Sets items_per_second; tools/bench turns it into nanoseconds per item.
inline void count_items(benchmark::State& state, std::int64_t items_per_iteration) {
  state.SetItemsProcessed(state.iterations() * items_per_iteration);
}

}  // namespace bench
