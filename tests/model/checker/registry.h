#pragma once

// The list of all models: each becomes a test, and the mutation run goes through it.

#include "explore.h"

#include <span>

namespace weft::model {

/// A model with a name. Define it at namespace scope:
///
///   const registered_model handoff("Mutex", "Unlock_HandsOver", {.preemptions = 3}, [] { ... });
///
/// The depth-first search must end within the bounds; then come `lots` executions by PCT and as many
/// by plain lot, which go beyond the preemption bound.
class registered_model {
 public:
  using body_function = void (*)();

  registered_model(const char* suite, const char* name, const options& bounds, body_function body,
                   std::uint64_t lots = 5'000);
  registered_model(const registered_model&) = delete;
  registered_model& operator=(const registered_model&) = delete;

  [[nodiscard]] const char* suite() const noexcept { return suite_; }
  [[nodiscard]] const char* name() const noexcept { return name_; }
  [[nodiscard]] std::string full_name() const { return std::string(suite_) + "." + name_; }

  [[nodiscard]] result check_all(on_failure then) const;
  [[nodiscard]] result check_by_lot(strategy how, on_failure then) const {
    return check_by_lot(how, then, lots_);
  }
  [[nodiscard]] result check_by_lot(strategy how, on_failure then, std::uint64_t lots) const;
  /// check_all(), up to the first failure, and in so many seconds.
  [[nodiscard]] result check_within(double seconds) const;
  [[nodiscard]] result replay(const std::string& text) const;

  static std::span<const registered_model* const> all() noexcept;

 private:
  const char* suite_;
  const char* name_;
  options bounds_;
  body_function body_;
  std::uint64_t lots_;
};

}  // namespace weft::model
