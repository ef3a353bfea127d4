// Many tasks that do nothing but let the others run. Per yield.
#pragma once

#include <cstdint>

namespace yield_loop {

inline constexpr int tasks = 1'000;
inline constexpr int yields = 500;  // by each task
inline constexpr std::int64_t all_yields = std::int64_t{tasks} * yields;

}  // namespace yield_loop
