#pragma once

// For tests of the core, which call it from inside a task: that task, and a runtime to run it in.

#include <weft/runtime/detail/task_state.h>
#include <weft/runtime/test_runtime.h>

#include <utility>

namespace weft::testing {

/// The task that runs on this thread.
inline detail::task_state& current() {
  return *detail::here.task;
}

/// Runs `body` as the one task of a runtime with one worker.
template <class F>
void run_task(F body) {
  test_runtime().run(std::move(body));
}

}  // namespace weft::testing
