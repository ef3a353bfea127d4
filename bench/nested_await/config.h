// Await a child coroutine that has nothing to wait for: in a loop, and as one chain a million
// levels deep (which must not overflow the stack, neither going down nor coming back).
#pragma once

#include <cstdint>

namespace nested_await {

inline constexpr int awaits = 1'000;
inline constexpr int levels = 1'000'000;

constexpr std::int64_t expected_sum = std::int64_t{awaits} * (awaits - 1) / 2;

}  // namespace nested_await
