#include "handle_observer.h"

#include "../error.h"

#include <string>
#include <utility>

namespace weft::detail {

void handle_observer::start(void* for_whom,
                            void (*call)(completion_waiter&, task_state&) noexcept) noexcept {
  owner = for_whom;
  on_done = call;
  registered = true;
  if (!add_waiter(*observed, *this)) on_done(*this, *observed);
}

void handle_observer::stop() noexcept {
  if (!std::exchange(registered, false) || remove_waiter(*observed, *this)) return;
  // acquire: see told. The call is under way and never waits.
  while (!told.load(std::memory_order_acquire)) cpu_relax();
}

void check_handles(std::span<const handle_observer> observers, const char* operation) {
  for (const handle_observer& each : observers) {
    if (each.observed == nullptr)
      throw_invalid_state((std::string(operation) + " of an empty join_handle").c_str());
    if (each.observed == here.task) throw_invalid_state("a task cannot await itself");
  }
}

}  // namespace weft::detail
