#pragma once

#include "../workload.h"

namespace weft::stress {

/// Threads that are none of the runtime's spawn tasks on it, cancel and drop them, wake what waits,
/// and end, also while the runtime shuts down.
class foreign_threads : public workload {
 public:
  foreign_threads();
  ~foreign_threads() override;

  task<> run(stage& on) override;
  void settle() override;
  void check(stage& on) override;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace weft::stress
