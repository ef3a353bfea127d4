// Tasks that sleep for an hour are all cancelled at once, and awaited. Per task: start, sleep,
// cancel, end.
#pragma once

namespace cancel_storm {

inline constexpr int tasks = 100'000;

}  // namespace cancel_storm
