#pragma once

// The contract between the reactor and the kernel: readiness of descriptors, edge triggered, both
// directions registered at once and once only. One small file a kernel API implements it
// (poller_epoll.cpp).
//
//   add(fd, tag)  from now on each *change* to readable or writable is reported with the tag; what
//                 is ready already is reported at once. Never modified; ends when fd is closed.
//   wait(ns)      sleeps until something is reported, notify() was called, or the time is over.
//                 Several threads may wait on one poller (an idle worker looks after one that
//                 stands still); each change reaches one of them.
//   notify()      ends a wait() that is under way or the next one. Any thread, async-signal-safe.

#include <cstddef>
#include <cstdint>

namespace weft::detail {

struct poll_event {
  std::uint64_t tag;
  bool readable;
  bool writable;
  // End of stream, error or urgent data: a short read does not mean that nothing is left.
  bool hung_up;
};

class poller {
 public:
  /// Throws std::system_error when descriptors have run out.
  poller();
  ~poller();
  poller(const poller&) = delete;
  poller& operator=(const poller&) = delete;

  /// 0, or an errno: EPERM for files that are always ready, ENOSPC or ENOMEM at the kernel's
  /// limits.
  [[nodiscard]] int add(int fd, std::uint64_t tag) noexcept;
  void remove(int fd) noexcept;

  static constexpr std::size_t batch = 256;  // events a wait() returns at most
  /// Returns the number of events written to `events[0 .. batch)`. timeout_ns < 0: no limit; 0:
  /// just looks.
  std::size_t wait(std::int64_t timeout_ns, poll_event* events) noexcept;
  void notify() noexcept;

 private:
  int queue_ = -1;
  int wakeup_ = -1;
};

}  // namespace weft::detail
