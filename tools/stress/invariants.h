#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace weft::stress {

/// What must hold, whatever the threads do. The names are those of the reports.
enum class invariant : std::uint8_t {
  no_lost_wakeup,         // who waits for something that happened goes on
  exactly_once,           // each operation completes once: not twice, not never
  exclusion,              // one owner of a lock, or only readers
  permits_conserved,      // never more out than exist; all are back when nobody holds one
  items_conserved,        // sent and received items are the same, none lost, none doubled
  first_in_first_out,     // waiters are served, and items arrive, in the order in which they came
  timers_never_early,     // a sleep or time-out ends after its time
  cancellation,           // a cancelled task ends; nothing of it runs once it has been awaited
  bytes_intact,           // a stream delivers what was written
  nothing_left,           // tasks, frames, timers, waiters and registrations are gone at the end
  descriptors_baseline,   // as many open descriptors as at the start
  threads_baseline,       // as many threads as at the start
  memory_baseline,        // memory does not grow from epoch to epoch
  idle_is_idle,           // a runtime without work sleeps
  shutdown_ends,          // a shutdown at any moment ends all tasks in time
  no_unexpected_failure,  // nothing fails that was not told to
};
inline constexpr std::size_t invariant_count = 16;

/// "no-lost-wakeup".
[[nodiscard]] std::string_view name_of(invariant which) noexcept;

struct violation {
  invariant which;
  std::string workload;
  std::string what;
};

/// The violations of a run. Each is printed at once, because the process may not live to print a
/// report. Threads: any.
class violation_log {
 public:
  /// `replay`: the command that repeats the run; printed with the first violation.
  explicit violation_log(std::string replay) : replay_(std::move(replay)) {}

  void add(invariant which, std::string_view workload, std::string_view what) noexcept;
  [[nodiscard]] bool empty() const;
  /// The first ones; later ones are only counted.
  [[nodiscard]] std::vector<violation> first() const;
  [[nodiscard]] std::uint64_t count() const;

 private:
  static constexpr std::size_t kept_max = 20;

  const std::string replay_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<violation> kept_;
  std::uint64_t count_ = 0;
};

}  // namespace weft::stress
