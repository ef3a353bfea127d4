#pragma once

#include "../workload.h"

namespace weft::stress {

/// A TCP echo server and its clients: messages of all sizes in pieces, half-closed connections,
/// resets, clients that give up in the middle. What comes back is what was sent.
class echo_storm : public workload {
 public:
  echo_storm();
  ~echo_storm() override;

  task<> run(stage& on) override;
  [[nodiscard]] bool is_planned(const std::exception_ptr& failure) const override;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace weft::stress
