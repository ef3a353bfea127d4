// Fork-join without any waiting on the outside world.
//   fib:     fib(n) forks fib(n-1), computes fib(n-2) itself, joins. Per call, leaves included.
//   skynet:  a tree of fan-out 10; the leaves return their number, a node the sum of its children.
//            Per node.
//   nqueens: a task for each safe placement of a queen on a board of 10; every task has its own
//            copy of the board. Per task.
//   matmul:  C += A * B by quarters, in two phases of four, down to blocks of 32. Per product of
//            blocks.
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

inline constexpr int queens = 10;
inline constexpr int queens_result = 724;
inline constexpr int queens_tasks = 35'539;  // the root included

inline constexpr int matrix = 512;
inline constexpr int block = 32;
inline constexpr int block_products = 4'096;  // (matrix / block) cubed

}  // namespace fork_join
