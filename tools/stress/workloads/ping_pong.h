#pragma once

#include "../workload.h"

namespace weft::stress {

/// Pairs that send each other numbers over everything that can wake a task, one at a time; and a
/// mesh of players who pass tokens on at random. A wake that is lost stops a pair for ever.
class ping_pong : public workload {
 public:
  ping_pong();
  ~ping_pong() override;

  task<> run(stage& on) override;
  void check(stage& on) override;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace weft::stress
