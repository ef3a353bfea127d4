// Single answers from task to task.
//   ping_pong:     tasks that each spawn a peer and exchange one number with it, over two oneshots.
//                  Per pair.
//   request_reply: one task serves; requests come over a channel of 10, each with a oneshot for its
//                  answer. Per request.
#pragma once

namespace oneshot_loop {

inline constexpr int pairs = 1'000;
inline constexpr int requests = 1'000;
inline constexpr int backlog = 10;

}  // namespace oneshot_loop
