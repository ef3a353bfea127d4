#pragma once

#include "invariants.h"
#include "plants.h"
#include "random.h"
#include "watchdog.h"
#include <weft/runtime/clock.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/task.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weft::stress {

/// Of every runtime: few, so that blocking calls queue.
inline constexpr std::size_t blocking_threads = 8;

/// How one epoch of a workload runs.
struct epoch_plan {
  std::uint64_t seed = 0;
  std::size_t workers = 1;
  std::size_t chaos = 0;
  plant planted = plant::none;
  clock::duration length{};   // after it the workload winds down
  bool is_cut_short = false;  // a shutdown cancels everything at a random instant
};

/// What an epoch gives its workload: randomness, the end, a place to report to.
///
/// Threads: all members from any thread.
class stage {
 public:
  /// `interrupted`: the user wants to stop.
  stage(const epoch_plan& plan, std::string_view workload, runtime& on, watchdog& dog,
        violation_log& violations, const std::atomic<bool>& interrupted) noexcept
      : plan_(plan),
        workload_(workload),
        runtime_(on),
        dog_(dog),
        violations_(violations),
        interrupted_(interrupted),
        end_(clock::now() + plan.length) {}

  /// Time to wind down: participants finish what they are at, and end.
  [[nodiscard]] bool is_over() const noexcept {
    return interrupted_.load(std::memory_order_relaxed) || clock::now() >= end_;
  }
  [[nodiscard]] const epoch_plan& plan() const noexcept { return plan_; }
  [[nodiscard]] watchdog& dog() const noexcept { return dog_; }
  /// The runtime of the epoch, for threads that are not its workers.
  [[nodiscard]] runtime& on() const noexcept { return runtime_; }

  /// The stream of one participant: the same for the same seed and key.
  [[nodiscard]] random_stream random(std::uint64_t key) const noexcept {
    return random_stream(mix(plan_.seed, key));
  }

  /// Gives way, or sleeps a little, by chance: the more often the higher the chaos level.
  [[nodiscard]] task<> waver(random_stream& random) const;

  /// Reports a violation unless `holds`.
  void check(bool holds, invariant which, std::string_view what) noexcept {
    if (!holds) [[unlikely]]
      violations_.add(which, workload_, what);
  }

  /// This fault is to be built in here and now: once an epoch.
  [[nodiscard]] bool strikes(plant fault) noexcept {
    return plan_.planted == fault && !struck_.exchange(true, std::memory_order_relaxed);
  }

 private:
  const epoch_plan plan_;
  const std::string_view workload_;
  runtime& runtime_;
  watchdog& dog_;
  violation_log& violations_;
  const std::atomic<bool>& interrupted_;
  const clock::time_point end_;
  //   written by  strikes(), any thread; relaxed: no data hangs on it
  std::atomic<bool> struck_{false};
};

/// Things that complete once. Operations take a ticket at their start and complete it at their end.
class ticket_counter {
 public:
  void issue(std::uint64_t count = 1) noexcept {
    issued_.fetch_add(count, std::memory_order_relaxed);
  }
  void complete() noexcept { completed_.fetch_add(1, std::memory_order_relaxed); }

  /// After the end: all were completed, each once.
  [[nodiscard]] bool is_balanced() const noexcept { return issued() == completed(); }
  [[nodiscard]] std::uint64_t issued() const noexcept {
    return issued_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t completed() const noexcept {
    return completed_.load(std::memory_order_relaxed);
  }

 private:
  // Relaxed: read when everything has ended.
  std::atomic<std::uint64_t> issued_{0};
  std::atomic<std::uint64_t> completed_{0};
};

}  // namespace weft::stress
