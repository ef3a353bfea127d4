#pragma once

// A task that waits once, and what came of it.

#include "../../../runtime/error.h"
#include "../../../runtime/task.h"
#include "../checker/explore.h"
#include "signal.h"

namespace weft::model {

enum class end : std::uint8_t { none, value, cancelled, timed_out, closed, failed };

/// How one wait ended. Written by the task that waits.
struct outcome {
  end how = end::none;
  void is(end now) {
    check(how == end::none, "a wait has ended twice");
    how = now;
  }
};

inline constexpr int the_value = 42;

inline task<> wait_once(signal& awaited, outcome& into) {
  try {
    const int value = co_await awaited.wait();
    check(value == the_value, "not the value that was set");
    into.is(end::value);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  } catch (const timeout_error&) {
    into.is(end::timed_out);
  }
}

}  // namespace weft::model
