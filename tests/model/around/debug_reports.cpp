// What debug mode would report: no model makes such a mistake.
#include "../../../runtime/detail/task_state.h"
#include "../checker/execution.h"

namespace weft::detail {

void report_unawaited(const void* /*frame*/) noexcept {
  model::execution::fail("a task was never awaited");
}

void report_misuse(const char* what) noexcept {
  model::execution::fail(what);
}

}  // namespace weft::detail
