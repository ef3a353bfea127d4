#pragma once

#include "../workload.h"

namespace weft::stress {

/// Trees of tasks: children are awaited, spawned, gathered, forked or grouped, some fail, whole
/// trees are cancelled. Each tree's size is known beforehand.
class fork_join : public workload {
 public:
  task<> run(stage& on) override;
  [[nodiscard]] bool is_planned(const std::exception_ptr& failure) const override;

 private:
  static task<> grow_trees(stage& on, std::uint64_t number);
};

}  // namespace weft::stress
