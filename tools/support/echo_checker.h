#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace weft::tools {

/// Bytes to send to an echo server, and the check that they come back. Each message of each
/// connection is another piece of one fixed noise, so that an answer to somebody else is noticed.
class echo_noise {
 public:
  /// Noise for messages of `size` bytes.
  explicit echo_noise(std::size_t size);

  [[nodiscard]] std::string_view message(std::size_t connection,
                                         std::uint64_t number) const noexcept;

 private:
  static constexpr std::size_t pieces = 1021;  // a prime: neighbours do not meet again soon

  std::size_t size_;
  std::string bytes_;
};

/// Follows one answer of an echo server.
class echo_checker {
 public:
  void restart(std::string_view expected) noexcept { expected_ = expected; }

  /// Throws std::runtime_error if the bytes are not what was sent.
  void feed(std::string_view bytes);

  [[nodiscard]] bool is_complete() const noexcept { return expected_.empty(); }

 private:
  std::string_view expected_;  // what is still to come
};

}  // namespace weft::tools
