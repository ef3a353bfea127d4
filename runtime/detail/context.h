#pragma once

// What the context variables of a task hold.
//
// A context never changes: to set a variable makes a new one. So tasks share theirs with the tasks
// they begin, at the price of a reference, and nobody ever locks. Few variables are set at a time,
// so it is a list in the order of their keys rather than a tree.

#include "atomic.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace weft::detail {

class context {
 public:
  using key = std::uint64_t;
  using value = std::shared_ptr<const void>;

  /// Never used twice in a process.
  static key new_key() noexcept;
  /// `base` (null: no variable is set) with one value replaced; null takes it out. With one
  /// reference; null when nothing is left. Throws std::bad_alloc.
  static context* with(const context* base, key variable, value replacement);

  /// Null when it is not set.
  [[nodiscard]] value find(key variable) const noexcept;

  void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void drop_reference() noexcept;

 private:
  struct entry {
    key variable;
    value held;
  };

  context() = default;
  ~context() = default;

  //   written by  tasks that share it, any thread; acq_rel: the last one sees all uses
  atomic<std::uint32_t> references_{1};
  std::vector<entry> entries_;  // in the order of their keys; immutable
};

}  // namespace weft::detail
