#pragma once

#include "../workload.h"

namespace weft::stress {

/// Mutex, shared mutex and semaphores under tasks that time out and give up: one owner at a time,
/// no permit lost or made, the oldest waiter first.
class lock_storm : public workload {
 public:
  lock_storm();
  ~lock_storm() override;

  task<> run(stage& on) override;
  void check(stage& on) override;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace weft::stress
