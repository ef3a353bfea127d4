#pragma once

#include "load_statistics.h"
#include "load_target.h"
#include <weft/net/address.h>
#include <weft/net/tcp.h>
#include <weft/runtime/clock.h>
#include <weft/runtime/task.h>
#include <weft/sync/event.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace weft::tools {

/// How to load.
struct load_plan {
  std::size_t size = 64;                // bytes of a message to an echo server
  std::chrono::milliseconds length{0};  // 0: until each connection had its messages
  std::uint64_t messages_each = 0;      // of one connection; 0: until the time is over
  double rate = 0;  // messages a second over all connections; 0: as answers come

  /// How long answers may still come after the end.
  std::chrono::milliseconds patience{5'000};
};

/// The address behind a target's host and port. Throws std::system_error that names them.
[[nodiscard]] task<socket_address> find_address(const load_target& target);

/// Opens connections, a batch at a time so that the server's backlog holds them. Ends early, with
/// fewer of them, when `stop` is set. Throws std::system_error if one cannot be had.
[[nodiscard]] task<std::vector<tcp_stream>> connect_all(const socket_address& to, std::size_t count,
                                                        event& stop);

/// Sends messages on all connections at once, each waiting for its answer before the next, until the
/// plan is fulfilled or `stop` is set. Answers are checked. Gives the time it took.
///
/// With a rate, messages have their times beforehand, and latency counts from the time at which a
/// message should have been sent: one that had to wait for a stalled server has waited, even if it
/// could not be sent any more at the end (Tene, "How not to measure latency": coordinated omission).
/// Without a rate it counts from the sending; see load_statistics::mean_interval.
[[nodiscard]] task<clock::duration> drive(std::vector<tcp_stream>& connections,
                                          const load_target& target, const load_plan& plan,
                                          load_statistics& seen, event& stop);

}  // namespace weft::tools
