#pragma once

#include "../workload.h"

namespace weft::stress {

/// Sleeps, time-outs, intervals and delayed callbacks, many of them cancelled: none fires early,
/// each fires or is cancelled, never both.
class timer_storm : public workload {
 public:
  timer_storm();
  ~timer_storm() override;

  task<> run(stage& on) override;
  void check(stage& on) override;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace weft::stress
