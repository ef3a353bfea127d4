#pragma once

// What the library asks of the kernel, under the checker: a clock that only time-outs move, words
// to sleep on, and a wake-up descriptor. Each is no stronger than its manual page: none of them
// makes one thread see what another wrote.

#include "execution.h"

#include <chrono>
#include <cstdint>

namespace weft::model {

/// Since the begin of the execution. A timed wait that ends by its time-out moves it on; else it
/// stands still. ::clock_gettime() tells the same on threads of a model.
std::chrono::nanoseconds time_now() noexcept;
void advance_time_to(std::chrono::nanoseconds when) noexcept;

/// Waits in `set` for so long at most; negative: without limit.
execution::wait_end wait_for(execution::waiting_threads& set, std::int64_t timeout_ns) noexcept;

/// Begins an execution.
void reset_system() noexcept;

/// sys::futex_wait() and sys::futex_wake_one().
void futex_wait(const void* word, std::uint32_t expected, std::int64_t timeout_ns) noexcept;
void futex_wake_one(const void* word) noexcept;

/// An eventfd in an epoll set, edge triggered: a notification ends a wait that is under way or the
/// next one. Numbered from 0.
int open_descriptor() noexcept;
void close_descriptor(int number) noexcept;
/// False: the time is over. Several threads may wait; one of them takes the notification.
bool wait_for_descriptor(int number, std::int64_t timeout_ns) noexcept;
void notify_descriptor(int number) noexcept;

}  // namespace weft::model
