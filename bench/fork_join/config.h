// Fork-join without any waiting on the outside world.
//
//   fib:    fib(n) forks fib(n-1), computes fib(n-2) itself, joins. Per call, leaves included.
//   skynet: a tree of fan-out 10; the leaves return their number, a node the sum of its children.
//           Per node.
#pragma once

#include <cstdint>

namespace fork_join {

inline constexpr int fib_of = 32;
inline constexpr std::int64_t fib_result = 2'178'309;
inline constexpr std::int64_t fib_calls = 7'049'155;  // 2 * fib(n + 1) - 1

inline constexpr int fan_out = 10;
inline constexpr std::int64_t leaves = 1'000'000;
inline constexpr std::int64_t nodes = 1'111'111;
inline constexpr std::int64_t skynet_result = leaves * (leaves - 1) / 2;

}  // namespace fork_join
