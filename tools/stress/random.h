#pragma once

#include <chrono>
#include <cstdint>

namespace weft::stress {

/// One well mixed number of two (the finaliser of splitmix64, Steele et al. 2014): seeds for
/// streams that do not resemble each other.
constexpr std::uint64_t mix(std::uint64_t seed, std::uint64_t key) noexcept {
  std::uint64_t x = seed + (key + 1) * 0x9e37'79b9'7f4a'7c15u;
  x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9u;
  x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11ebu;
  return x ^ (x >> 31);
}

/// Random numbers of one participant: the same for the same seed. Not for several threads at once.
class random_stream {
 public:
  explicit constexpr random_stream(std::uint64_t seed) noexcept : seed_(seed) {}

  constexpr std::uint64_t next() noexcept { return mix(seed_, ++drawn_); }
  /// 0 .. bound - 1. Requires: bound > 0.
  constexpr std::uint64_t below(std::uint64_t bound) noexcept { return next() % bound; }
  constexpr bool one_in(std::uint64_t chances) noexcept { return below(chances) == 0; }
  /// From `least` to about `most`; each power of two is as likely as any other.
  constexpr std::uint64_t spread(std::uint64_t least, std::uint64_t most) noexcept {
    std::uint64_t reach = least + 1;
    while (reach < most && !one_in(3)) reach *= 2;
    return least + below(reach);
  }
  constexpr std::chrono::microseconds up_to(std::chrono::microseconds most) noexcept {
    return std::chrono::microseconds(below(static_cast<std::uint64_t>(most.count()) + 1));
  }

 private:
  std::uint64_t seed_;
  std::uint64_t drawn_ = 0;
};

}  // namespace weft::stress
