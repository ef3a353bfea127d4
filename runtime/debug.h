#pragma once

#include <cstdint>

namespace weft {

/// What run() does when nothing inside of its runtime can run again: every task waits, and no
/// timer, descriptor, blocking call or job of an executor is pending that could wake one.
///
/// With a real clock a thread outside of the runtime may still complete a promise or set an event.
/// So this counts as a deadlock only if it is asked for, and after nothing has happened for
/// runtime_options::deadlock_patience; each such standstill is reported once. A task that waits on
/// a descriptor counts as pending, whoever's it is in the process, and so does a signal_set that is
/// waited for. A test_runtime knows its time: there it is an error at once, whatever is chosen.
enum class deadlock_action : std::uint8_t {
  by_mode,  // report in debug mode, else ignore
  ignore,
  report,  // to the exception handler: every task, and what it waits for
  fail,    // run() throws deadlock_error, which says the same
};

}  // namespace weft
