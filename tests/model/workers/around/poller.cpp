// The reactor in the models of workers: wake-ups, and no descriptors of tasks.
#include "../../../../runtime/detail/poller.h"

#include "../../../../runtime/detail/task_state.h"
#include "../../checker/execution.h"
#include "../../checker/system_calls.h"

namespace weft::detail {
namespace {

// What a worker's thread has for itself.
const bool kept = [] {
  model::execution::keep_per_thread(&here, sizeof(here));
  return true;
}();

}  // namespace

poller::poller() : queue_(model::open_descriptor()), wakeup_(queue_) {}

poller::~poller() {
  model::close_descriptor(queue_);
}

int poller::add(int, std::uint64_t) noexcept {
  return 0;
}
void poller::remove(int) noexcept {}

std::size_t poller::wait(std::int64_t timeout_ns, poll_event*) noexcept {
  (void)model::wait_for_descriptor(queue_, timeout_ns);
  return 0;
}

void poller::notify() noexcept {
  model::notify_descriptor(wakeup_);
}

}  // namespace weft::detail
