#pragma once

// A task whose cancellation was requested and is still to be delivered.

#include "runtimes.h"
#include <weft/runtime/spawn.h>
#include <weft/sync/event.h>

namespace weft::testing {

/// Runs `body` in a task that has cancelled itself and has not suspended since.
template <class F>
task<ending> ending_of_a_cancelled_task(F body) {
  join_handle<> self;
  event assigned;
  self = spawn([&]() -> task<> {
    co_await assigned.wait();
    self.cancel();
    co_await body();
  });
  assigned.set();
  co_return co_await ending_of(self);
}

}  // namespace weft::testing
