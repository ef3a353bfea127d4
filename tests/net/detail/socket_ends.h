#pragma once

#include "../loopback.h"
#include <weft/net/detail/descriptor.h>
#include <weft/net/detail/socket_stream.h>

#include <atomic>
#include <string>
#include <system_error>

#include <sys/socket.h>

namespace weft::testing {

/// Two connected sockets, as nothing but descriptors.
struct socket_ends {
  detail::descriptor near;
  detail::descriptor far;
};
inline socket_ends make_ends() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(detail::sys::socket_pair(SOCK_STREAM, ends), 0);
  return {detail::descriptor(ends[0], false), detail::descriptor(ends[1], false)};
}

/// ... as streams, whose errors name the peer 192.0.2.1:80.
struct stream_ends {
  detail::socket_stream near;
  detail::socket_stream far;
};
inline stream_ends make_streams() {
  const detail::peer_name peer{socket_address("192.0.2.1:80")};
  auto [near, far] = make_ends();
  return {detail::socket_stream(std::move(near), peer),
          detail::socket_stream(std::move(far), peer)};
}

/// What an await has thrown, as text; empty when it has not.
template <class A>
task<std::string> failure_of(A awaited) {
  try {
    (void)co_await std::move(awaited);
  } catch (const std::system_error& error) {
    co_return error.what();
  }
  co_return "";
}

/// While it lives, system calls of one kind are counted.
class counted_calls {
 public:
  explicit counted_calls(detail::sys::call which) : interposed_(count) {
    counted_.store(which);
    calls_.store(0);
  }
  [[nodiscard]] int calls() const { return calls_.load(); }

 private:
  static int count(detail::sys::call which, int) noexcept {
    if (which == counted_.load()) ++calls_;
    return 0;
  }
  static inline std::atomic<detail::sys::call> counted_{};
  static inline std::atomic<int> calls_{0};
  interposed_calls interposed_;
};

}  // namespace weft::testing
