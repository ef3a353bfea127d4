#pragma once

#include "../workload.h"

namespace weft::stress {

/// Tasks that wait for everything there is, and are cancelled at any moment: each ends, nothing of
/// it runs afterwards, and what it was given just then is used or handed on.
class cancel_storm : public workload {
 public:
  cancel_storm();
  ~cancel_storm() override;

  task<> run(stage& on) override;
  void check(stage& on) override;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace weft::stress
