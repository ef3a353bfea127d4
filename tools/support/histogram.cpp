#include "histogram.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>

namespace weft::tools {

namespace {

// Values below 2^8 have a bucket each. Above, a value keeps its leading bit and the seven that
// follow: 128 buckets for each power of two.
constexpr int precision_bits = 7;
constexpr std::uint64_t parts = std::uint64_t{1} << precision_bits;
constexpr int value_bits = 40;
constexpr std::uint64_t longest_kept = (std::uint64_t{1} << value_bits) - 1;

constexpr std::size_t bucket_of(std::uint64_t value) noexcept {
  const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - precision_bits - 1);
  return static_cast<std::size_t>(shift) * parts + (value >> shift);
}

/// The largest value that falls into the bucket.
constexpr std::uint64_t end_of(std::size_t bucket) noexcept {
  if (bucket < 2 * parts) return bucket;
  const std::size_t shift = bucket / parts - 1;
  const std::uint64_t leading = bucket - shift * parts;
  return ((leading + 1) << shift) - 1;
}

constexpr std::uint64_t begin_of(std::size_t bucket) noexcept {
  return bucket == 0 ? 0 : end_of(bucket - 1) + 1;
}

constexpr std::size_t bucket_count = bucket_of(longest_kept) + 1;

static_assert(end_of(bucket_of(255)) == 255);
static_assert(end_of(bucket_of(256)) == 257);
static_assert(end_of(bucket_count - 1) == longest_kept);

/// What is kept of a duration: a number that has a bucket.
std::uint64_t kept(std::chrono::nanoseconds value) noexcept {
  return static_cast<std::uint64_t>(std::clamp<std::int64_t>(value.count(), 0, longest_kept));
}

template <class Number>
void add_to(Number& counter, Number amount) noexcept {
  std::atomic_ref(counter).fetch_add(amount, std::memory_order_relaxed);
}

template <class Number>
Number read(const Number& counter) noexcept {
  return std::atomic_ref(const_cast<Number&>(counter)).load(std::memory_order_relaxed);
}

void raise_to(std::int64_t& highest, std::int64_t value) noexcept {
  const std::atomic_ref current(highest);
  std::int64_t seen = current.load(std::memory_order_relaxed);
  while (seen < value && !current.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

}  // namespace

histogram::histogram() : buckets_(bucket_count) {}

void histogram::record(duration value) noexcept {
  const std::uint64_t number = kept(value);
  add_to<std::uint64_t>(buckets_[bucket_of(number)], 1);
  raise_to(max_, static_cast<std::int64_t>(number));
}

void histogram::record_series(duration longest, duration shortest, duration interval,
                              std::uint64_t times) noexcept {
  if (longest < shortest || longest < duration::zero()) return;
  const auto step = static_cast<std::uint64_t>(interval.count());
  const std::uint64_t top = kept(longest);
  const std::uint64_t bottom = kept(shortest);
  const std::size_t last = bucket_of(top);
  for (std::size_t i = bucket_of(bottom); i <= last; ++i) {
    // Those of top - k step that are not less than a number: k from 0 to (top - number) / step.
    const auto not_less = [&](std::uint64_t number) {
      return number > top ? 0 : (top - number) / step + 1;
    };
    const std::uint64_t here = not_less(std::max(begin_of(i), bottom)) - not_less(end_of(i) + 1);
    if (here > 0) add_to(buckets_[i], here * times);
  }
  raise_to(max_, static_cast<std::int64_t>(top));
}

void histogram::add(const histogram& other) noexcept {
  for (std::size_t i = 0; i < bucket_count; ++i) add_to(buckets_[i], read(other.buckets_[i]));
  raise_to(max_, read(other.max_));
}

void histogram::correct(duration interval) noexcept {
  if (interval <= duration::zero()) return;
  // From short to long: what is added to a bucket comes from longer ones, and is not taken for
  // measured when its turn comes.
  for (std::size_t i = 0; i < bucket_count; ++i) {
    const std::uint64_t times = read(buckets_[i]);
    if (times == 0) continue;
    const auto value = std::min(duration(static_cast<std::int64_t>(end_of(i))), max());
    record_series(value - interval, interval, interval, times);
  }
}

std::uint64_t histogram::count() const noexcept {
  std::uint64_t sum = 0;
  for (const std::uint64_t& each : buckets_) sum += read(each);
  return sum;
}

histogram::duration histogram::max() const noexcept {
  return duration(read(max_));
}

histogram::duration histogram::percentile(double fraction) const noexcept {
  const std::uint64_t total = count();
  if (total == 0) return duration::zero();
  const double exact = std::ceil(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(total));
  const std::uint64_t wanted = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(exact));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < bucket_count; ++i) {
    seen += read(buckets_[i]);
    if (seen >= wanted) return std::min(duration(static_cast<std::int64_t>(end_of(i))), max());
  }
  return max();
}

}  // namespace weft::tools
