#include "registry.h"

#include <vector>

namespace weft::model {
namespace {

std::vector<const registered_model*>& models() {
  static std::vector<const registered_model*> list;
  return list;
}

}  // namespace

registered_model::registered_model(const char* suite, const char* name, const options& bounds,
                                   body_function body, std::uint64_t lots)
    : suite_(suite), name_(name), bounds_(bounds), body_(body), lots_(lots) {
  models().push_back(this);
}

result registered_model::check_all(on_failure then) const {
  return explore(bounds_, body_, then);
}

result registered_model::check_by_lot(strategy how, on_failure then, std::uint64_t lots) const {
  options by_lot = bounds_;
  by_lot.how = how;
  by_lot.executions_max = lots;
  if (by_lot.spurious_failures == 0) by_lot.spurious_failures = 1;
  return explore(by_lot, body_, then);
}

result registered_model::check_within(double seconds) const {
  options limited = bounds_;
  limited.seconds_max = seconds;
  return explore(limited, body_, on_failure::stop);
}

result registered_model::replay(const std::string& text) const {
  options once = bounds_;
  if (text.starts_with('*') && once.spurious_failures == 0) once.spurious_failures = 1;
  return model::replay(once, body_, text);
}

std::span<const registered_model* const> registered_model::all() noexcept {
  return models();
}

}  // namespace weft::model
