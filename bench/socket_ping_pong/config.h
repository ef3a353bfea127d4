// Client and server in one process, an event loop on a thread each: 20 connections over loopback,
// each writes a request of 55 bytes and reads the answer of 88, until all requests are answered.
// Per request. What counts is how fast one loop wakes the other.
#pragma once

namespace socket_loop {

inline constexpr int connections = 20;
inline constexpr int requests = 20'000;
inline constexpr int request_bytes = 55;
inline constexpr int answer_bytes = 88;

}  // namespace socket_loop
