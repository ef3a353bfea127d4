#pragma once

#include "../../../runtime/detail/interrupt_scope.h"
#include "../../../runtime/detail/task_state.h"

namespace weft::model {

/// A timer that ends a scope, and tells the task when it is through: as those of production do.
struct expiry {
  detail::interrupt_scope& scope;
  detail::atomic<bool> over{false};

  void fire(detail::task_state& task) noexcept {
    // release: see interrupt_scope::expired.
    scope.expired.store(true, std::memory_order_release);
    detail::interrupt(task);
    over.store(true, std::memory_order_release);  // release: pairs with wait_until_over()
  }
  void wait_until_over() const noexcept {
    while (!over.load(std::memory_order_acquire)) detail::cpu_relax();  // acquire: as above
  }
};

}  // namespace weft::model
