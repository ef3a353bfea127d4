// The clock of the models of workers: as runtime/clock.cpp, and each thread of a model has its own
// time source.
#include "../../../../runtime/clock.h"

#include "../../checker/execution.h"
#include "../../checker/system_calls.h"

namespace weft {
namespace {

const clock::time_point* thread_clock = nullptr;

const bool kept = [] {
  model::execution::keep_per_thread(&thread_clock, sizeof(thread_clock));
  return true;
}();

}  // namespace

clock::time_point clock::now() noexcept {
  return thread_clock != nullptr ? *thread_clock : time_point(model::time_now());
}

void detail::set_thread_clock(const clock::time_point* source) noexcept {
  thread_clock = source;
}

}  // namespace weft
