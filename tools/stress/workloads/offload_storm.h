#pragma once

#include "../workload.h"

namespace weft::stress {

/// Blocking calls on the runtime's pool and on an executor: results, exceptions, cancellation before
/// and during the call, abandoned ones, more callers than threads.
class offload_storm : public workload {
 public:
  offload_storm();
  ~offload_storm() override;

  task<> run(stage& on) override;
  [[nodiscard]] bool is_planned(const std::exception_ptr& failure) const override;
  void check(stage& on) override;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace weft::stress
