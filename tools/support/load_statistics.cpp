#include "load_statistics.h"

namespace weft::tools {

namespace {

// Never inlined: a coroutine may call it on one thread and go on on another.
[[gnu::noinline]] std::size_t thread_number() noexcept {
  static constinit std::atomic<std::size_t> threads{0};
  thread_local const std::size_t number = threads.fetch_add(1, std::memory_order_relaxed);
  return number;
}

}  // namespace

void load_statistics::answered(std::chrono::nanoseconds latency) noexcept {
  shard& mine = shards_[thread_number() % shard_count];
  mine.messages.fetch_add(1, std::memory_order_relaxed);
  mine.latency.record(latency);
}

void load_statistics::held_up(std::chrono::nanoseconds longest, std::chrono::nanoseconds shortest,
                              std::chrono::nanoseconds interval) noexcept {
  shards_[thread_number() % shard_count].latency.record_series(longest, shortest, interval);
}

void load_statistics::failed(std::string_view reason, std::uint64_t count) {
  errors_.fetch_add(count, std::memory_order_relaxed);
  const std::scoped_lock lock(mutex_);
  if (first_error_.empty()) first_error_ = reason;
}

std::uint64_t load_statistics::messages() const noexcept {
  std::uint64_t sum = 0;
  for (const shard& each : shards_) sum += each.messages.load(std::memory_order_relaxed);
  return sum;
}

std::uint64_t load_statistics::errors() const noexcept {
  return errors_.load(std::memory_order_relaxed);
}

std::string load_statistics::first_error() const {
  const std::scoped_lock lock(mutex_);
  return first_error_;
}

histogram load_statistics::latency() const {
  histogram sum;
  for (const shard& each : shards_) sum.add(each.latency);
  return sum;
}

std::chrono::nanoseconds load_statistics::mean_interval(std::chrono::nanoseconds elapsed,
                                                        std::size_t connections) const noexcept {
  const auto all = static_cast<double>(messages());
  if (all == 0) return std::chrono::nanoseconds::zero();
  const auto interval = elapsed * (static_cast<double>(connections) / all);
  return std::chrono::duration_cast<std::chrono::nanoseconds>(interval);
}

}  // namespace weft::tools
