#include "own_cancellation.h"

namespace weft::detail {

void own_cancellation::begin() noexcept {
  assert(!active_ && here.task != nullptr);
  active_ = true;
  scope_.task = here.task;
  shielded_ = requests_masked(*here.task);
  if (shielded_) {
    scope_.what = interrupt_scope::raises::cancellation_once;
    enter_scope(scope_);
    cancelled_before_ = spent_scopes(scope_.outer);
  } else {
    cancelled_before_ = requests_before(*here.task);
  }
}

void own_cancellation::raise() noexcept {
  // Relaxed: who is told of it sees what was done before by LEVEL, or by the request.
  scope_.expired.store(true, std::memory_order_relaxed);
  if (shielded_) {
    interrupt(*scope_.task);
  } else {
    cancel(*scope_.task);
  }
}

bool own_cancellation::end() noexcept {
  active_ = false;
  if (shielded_) {
    leave_scope(scope_);
    return raised() && cancelled_scopes(scope_.outer) <= cancelled_before_;
  }
  return raised() && retract(*scope_.task, cancelled_before_);
}

}  // namespace weft::detail
