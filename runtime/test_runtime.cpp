#include "test_runtime.h"

#include "detail/scheduler.h"

namespace weft {

test_runtime::test_runtime(runtime_options options)
    : runtime_(options, runtime::virtual_time_t{}), clock_(runtime_.core().virtual_clock()) {}

test_runtime::~test_runtime() = default;

void test_runtime::sweep() {
  runtime_.shutdown(std::chrono::seconds(10));
}

clock::time_point test_runtime::virtual_clock::now() const noexcept {
  return *now_;
}

clock::duration test_runtime::virtual_clock::elapsed() const noexcept {
  return *now_ - start_;
}

}  // namespace weft
