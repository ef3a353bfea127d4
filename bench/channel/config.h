// ping_pong: two tasks and two channels of capacity 1, one number to and fro. Per round trip.
// mpmc:      one channel of capacity 1024 between 4 producers and 4 consumers. Per item.
#pragma once

#include <cstdint>

namespace channel_loop {

inline constexpr int rounds = 10'000;

inline constexpr int capacity = 1'024;
inline constexpr int producers = 4;
inline constexpr int consumers = 4;
inline constexpr int items_each = 50'000;  // sent by each producer, received by each consumer
inline constexpr std::int64_t items = std::int64_t{producers} * items_each;
inline constexpr std::int64_t items_sum = items * (items - 1) / 2;
static_assert(producers == consumers);

}  // namespace channel_loop
