// Runs a workload written as a weft coroutine under Google Benchmark.
#pragma once

#include "bench.h"
#include <weft/runtime/runtime.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/task.h>

#include <utility>

namespace bench {

/// Runs the workload on a fresh runtime with state.range(0) workers. The timing loop is inside the
/// workload, so starting and stopping the runtime is not measured.
inline void run_on_weft(benchmark::State& state, weft::task<> workload) {
  weft::runtime_options options;
  options.workers = static_cast<std::size_t>(workers(state));
  options.handle_sigint = false;
  weft::run(std::move(workload), options);
}

/// The same for a workload `task<> f(benchmark::State&)`.
template <auto Workload>
void on_weft(benchmark::State& state) {
  run_on_weft(state, Workload(state));
}

}  // namespace bench
