#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace weft::tools {

/// What an HTTP server waits for on a connection.
enum class http_phase : std::uint8_t {
  idle,     // for the next request to begin
  request,  // for the rest of one
  pause,    // for the time of its answer
  write,    // for the client to take answers
};

/// How long a client may take. Each may be exceeded by a second, see http_patience.
struct http_time_limits {
  std::chrono::milliseconds idle{60'000};     // between two requests
  std::chrono::milliseconds request{10'000};  // from a request's first byte to its last
  std::chrono::milliseconds write{30'000};    // until the client has taken an answer
};

/// When the time of a connection begins.
///
/// It begins when a phase is entered, and anew with each request that was answered: a client may
/// well have a part of the next one under way at all times. The latter only once a second, so that
/// a busy connection does not pay for a timer with each request; that second is added to all limits,
/// so that none comes early.
class http_patience {
 public:
  /// The client did something at `second` and is in the phase `next` now; `answered`: a request
  /// was answered meanwhile. Gives the time that it has from now on; nothing: what it had goes on.
  std::optional<std::chrono::milliseconds> enter(http_phase next, bool answered,
                                                 std::uint32_t second,
                                                 const http_time_limits& limits) noexcept {
    const bool is_new =
        next != phase_ || next == http_phase::pause || (answered && second != second_);
    if (!is_new) return std::nullopt;
    phase_ = next;
    second_ = second;
    return limit_of(next, limits) + std::chrono::seconds(1);
  }

  [[nodiscard]] http_phase phase() const noexcept { return phase_; }

 private:
  static std::chrono::milliseconds limit_of(http_phase phase,
                                            const http_time_limits& limits) noexcept {
    switch (phase) {
      case http_phase::request:
        return limits.request;
      case http_phase::write:
        return limits.write;
      case http_phase::idle:
      case http_phase::pause:  // on top of the pause itself
        break;
    }
    return limits.idle;
  }

  std::uint32_t second_ = 0;  // in which the time last began
  http_phase phase_ = http_phase::idle;
};

}  // namespace weft::tools
