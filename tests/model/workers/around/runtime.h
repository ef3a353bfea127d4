#pragma once

// What the models of workers share: a runtime of the production scheduler's, and its time.

#include "../../../../runtime/detail/scheduler.h"
#include "../../../../runtime/spawn.h"
#include "../../checker/explore.h"
#include "../../checker/system_calls.h"

#include <utility>

namespace weft::model {

/// As from a thread that is none of the workers.
template <class T>
join_handle<T> spawn_in(detail::scheduler& on, task<T> work) {
  return detail::spawn_task(on, std::move(work), {}, 0);
}
/// ... of a task that never leaves that worker.
template <class T>
join_handle<T> spawn_on_worker(detail::scheduler& on, std::size_t worker, task<T> work) {
  const auto frame = work.release();
  detail::task_state& state = detail::block_of<T>::state(frame);
  detail::start_task_on(on, worker, state, detail::block_of<T>::type, frame, {});
  return join_handle<T>(state);
}

/// Time stands still until somebody goes on only because a timed sleep is over: then a wake-up was
/// lost.
inline void expect_no_wake_up_lost() {
  check(time_now().count() == 0, "nobody was woken: a sleep has run to its time limit");
}

}  // namespace weft::model
