// Tasks that do nothing but let the others run; together they always yield as often. Per yield.
#pragma once

namespace yield_loop {

inline constexpr int task_counts[] = {10, 100, 1'000, 10'000};
inline constexpr int all_yields = 500'000;

}  // namespace yield_loop
