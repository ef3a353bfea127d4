#pragma once

// A task that takes a lock once, for the models of locks.

#include "../../../runtime/error.h"
#include "../../../runtime/task.h"
#include "outcome.h"

namespace weft::model {

/// `wanted`: a lock whose lock() excludes all others. Their order shows in `guarded`.
template <class Lock>
task<> lock_once(Lock& wanted, int& guarded, outcome& into) {
  try {
    const auto lock = co_await wanted.lock();
    ++guarded;
    into.is(end::value);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

}  // namespace weft::model
