#pragma once

#include "../workload.h"

namespace weft::stress {

/// Producers and consumers on channels with and without room, one at a time and in batches, with
/// time-outs and selects: every item arrives once, those of a producer in order.
class channel_storm : public workload {
 public:
  channel_storm();
  ~channel_storm() override;

  task<> run(stage& on) override;
  void check(stage& on) override;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace weft::stress
