// A group with many children, each of which ends at once; the owner waits for the group, never for
// a child. Per child: one spawn into the group, one end.
#pragma once

namespace group_loop {

inline constexpr int children = 1'000;

}  // namespace group_loop
