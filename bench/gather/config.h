// Many children run concurrently, each yields once and gives a number; the results come in order.
// Per child.
#pragma once

namespace gather_loop {

inline constexpr int children = 100'000;

}  // namespace gather_loop
