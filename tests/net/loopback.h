#pragma once

// What the tests of this module share: both kinds of runtime, pairs of connected streams, plain
// sockets for what a stream does not do.

#include "../sync/every_runtime.h"
#include <weft/net/tcp.h>
#include <weft/runtime/as_result.h>
#include <weft/runtime/detail/sys.h>
#include <weft/runtime/gather.h>
#include <weft/runtime/metrics.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/timeout.h>

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace weft::testing {

using namespace std::chrono_literals;

/// Nothing of the library is left in the process.
inline void expect_clean_ledger() {
  const ledger left = take_ledger();
  EXPECT_EQ(left.tasks, 0);
  EXPECT_EQ(left.frames, 0);
  EXPECT_EQ(left.timers, 0);
  EXPECT_EQ(left.registrations, 0);
  EXPECT_EQ(left.fds, 0);
}

/// Base of the suites: run(body) runs `body() -> task<>` with one worker and with two; afterwards
/// nothing is left.
class on_loopback : public ::testing::TestWithParam<std::size_t> {
 protected:
  template <class F>
  void run(F body) {
    weft::run(std::move(body), {.workers = GetParam()});
    expect_clean_ledger();
  }
};

inline std::string workers_name(const ::testing::TestParamInfo<std::size_t>& info) {
  return info.param == 1 ? "OneWorker" : "TwoWorkers";
}
inline auto one_and_two_workers() {
  return ::testing::Values(std::size_t{1}, std::size_t{2});
}

/// A connection with both ends in this process.
struct stream_pair {
  tcp_stream near;
  tcp_stream far;
};
inline task<stream_pair> connected_pair() {
  tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
  tcp_stream near = co_await tcp_stream::connect(listener.local_address());
  tcp_stream far = co_await listener.accept();
  co_return stream_pair{std::move(near), std::move(far)};
}

/// Lets others run until the condition holds.
template <class F>
task<> until(F condition) {
  while (!condition()) co_await yield();
}

/// How a task has ended: its error code, or empty.
template <class T>
task<std::error_code> error_of(join_handle<T> observed) {
  auto outcome = co_await as_result(std::move(observed));
  co_return outcome.error_code();
}

/// `count` bytes that tell where they belong.
inline std::string pattern(std::size_t count) {
  std::string bytes(count, '\0');
  unsigned state = 12345;
  for (char& each : bytes) {
    state = state * 1664525u + 1013904223u;
    each = static_cast<char>(state >> 24);
  }
  return bytes;
}

/// Reads to the end of the stream.
template <class S>
task<std::string> read_to_end(S& stream, std::size_t at_once = 65536) {
  std::string all;
  std::string buffer(at_once, '\0');
  for (;;) {
    const std::size_t count = co_await stream.read_some(buffer);
    if (count == 0) co_return all;
    all.append(buffer, 0, count);
  }
}

/// Closing it sends a reset.
inline void abort_connection(tcp_stream& stream) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(stream.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  stream.close();
}

inline void set_send_buffer(tcp_stream& stream, int bytes) {
  (void)detail::sys::set_option(stream.native_handle(), SOL_SOCKET, SO_SNDBUF, bytes);
}

/// While it lives, system calls go through `ask`: 0 lets one through, else it fails with that
/// errno.
class interposed_calls {
 public:
  explicit interposed_calls(detail::sys::interposer_function ask) {
    detail::sys::interposer.store(ask, std::memory_order_relaxed);
  }
  ~interposed_calls() { detail::sys::interposer.store(nullptr, std::memory_order_relaxed); }
  interposed_calls(const interposed_calls&) = delete;
  interposed_calls& operator=(const interposed_calls&) = delete;
};

}  // namespace weft::testing
