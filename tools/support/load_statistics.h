#pragma once

#include "histogram.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace weft::tools {

/// What a load run has seen so far. Threads: all members may be called from any thread.
class load_statistics {
 public:
  /// One message was answered rightly, this long after it should have been sent.
  void answered(std::chrono::nanoseconds latency) noexcept;

  /// Messages that should have been sent `interval` after one another could not be sent, and have
  /// waited from `longest` to `shortest`: these count as latencies, not as messages.
  void held_up(std::chrono::nanoseconds longest, std::chrono::nanoseconds shortest,
               std::chrono::nanoseconds interval) noexcept;

  /// Something went wrong `count` times; the first reason is kept.
  void failed(std::string_view reason, std::uint64_t count = 1);

  [[nodiscard]] std::uint64_t messages() const noexcept;
  [[nodiscard]] std::uint64_t errors() const noexcept;
  [[nodiscard]] std::string first_error() const;
  [[nodiscard]] histogram latency() const;

  /// The time between two messages of one of so many connections, on average; zero if there were
  /// none. What a run without a rate is corrected with.
  [[nodiscard]] std::chrono::nanoseconds mean_interval(std::chrono::nanoseconds elapsed,
                                                       std::size_t connections) const noexcept;

 private:
  // Threads that record take turns with these; a thread usually has one for itself.
  struct alignas(64) shard {
    std::atomic<std::uint64_t> messages{0};
    histogram latency;
  };
  static constexpr std::size_t shard_count = 16;

  std::array<shard, shard_count> shards_;
  // Written by any connection that fails, read by the progress line; relaxed: a statistic.
  std::atomic<std::uint64_t> errors_{0};
  mutable std::mutex mutex_;
  std::string first_error_;  // guarded by mutex_
};

}  // namespace weft::tools
