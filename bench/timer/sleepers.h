// Measures a run of the sleepers in a child process, where no earlier benchmark has left memory
// behind.
#pragma once

#include "../support/bench.h"
#include "config.h"

#include <cstdint>
#include <cstdio>
#include <ctime>

#include <sys/wait.h>
#include <unistd.h>

namespace bench {

inline std::int64_t process_cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

inline std::int64_t resident_bytes() {
  long pages_total = 0;
  long pages_resident = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  require(file != nullptr, "open /proc/self/statm");
  const int fields = std::fscanf(file, "%ld %ld", &pages_total, &pages_resident);
  std::fclose(file);
  require(fields == 2, "read /proc/self/statm");
  return pages_resident * sysconf(_SC_PAGESIZE);
}

/// Costs of one run of all sleepers. The workload calls start() before the first sleeper,
/// all_asleep() once every one of them is armed, and finish() when all have ended.
class sleeper_costs {
 public:
  void start() {
    resident_before_ = resident_bytes();
    cpu_ns_ = -process_cpu_ns();
    started_ = std::chrono::steady_clock::now();
  }
  void all_asleep() {
    require(std::chrono::steady_clock::now() - started_ < timer_loop::arming,
            "all sleepers armed before the first wakes (machine too slow)");
    bytes_ = resident_bytes() - resident_before_;
  }
  void finish(std::int64_t woken) {
    cpu_ns_ += process_cpu_ns();
    require(woken == timer_loop::sleepers, "number of sleepers woken");
  }

  std::int64_t cpu_ns() const { return cpu_ns_; }
  std::int64_t bytes() const { return bytes_; }

 private:
  std::chrono::steady_clock::time_point started_;
  std::int64_t resident_before_ = 0;
  std::int64_t bytes_ = 0;
  std::int64_t cpu_ns_ = 0;
};

/// Runs `workload(sleeper_costs&)` in a child process and returns what it measured.
sleeper_costs measure_in_child(auto workload) {
  int ends[2];
  require(pipe(ends) == 0, "pipe");
  const pid_t child = fork();
  require(child >= 0, "fork");
  if (child == 0) {
    sleeper_costs costs;
    workload(costs);
    const auto written = write(ends[1], &costs, sizeof costs);
    _exit(written == sizeof costs ? 0 : 1);
  }
  close(ends[1]);
  sleeper_costs costs;
  const auto got = read(ends[0], &costs, sizeof costs);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  require(got == sizeof costs && status == 0, "the child that runs the sleepers");
  return costs;
}

/// The body of a sleepers benchmark. `workload(costs, workers)` runs them all once.
void run_sleepers(benchmark::State& state, auto workload) {
  std::int64_t cpu_ns = 0;
  std::int64_t bytes = 0;
  for (auto _ : state) {
    const auto costs =
        measure_in_child([&](sleeper_costs& into) { workload(into, workers(state)); });
    cpu_ns += costs.cpu_ns();
    bytes += costs.bytes();
  }
  const double items = static_cast<double>(state.iterations()) * timer_loop::sleepers;
  state.counters["cpu_ns_per_item"] = static_cast<double>(cpu_ns) / items;
  state.counters["bytes_per_item"] = static_cast<double>(bytes) / items;
}

inline void once_per_worker_count(benchmark::internal::Benchmark* benchmark) {
  worker_counts(benchmark);
  benchmark->Iterations(1)->Unit(benchmark::kMillisecond);
}

}  // namespace bench
