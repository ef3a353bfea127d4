#pragma once

#include "invariants.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace weft::stress {

/// What the process had before a workload began, and whether it is back to that after an epoch.
class baseline {
 public:
  using reporter = std::function<void(invariant, std::string_view)>;

  baseline();

  /// When no runtime is alive.
  void check(const reporter& violated);

 private:
  void check_ledger(const reporter& violated) const;
  void check_threads(const reporter& violated) const;
  void check_memory(const reporter& violated);

  const std::size_t descriptors_;
  const std::size_t threads_;
  // Live bytes grow while caches warm up, then not any more: of the last epochs, twice as many as
  // there were before `settled_`, those that set a new record are counted.
  std::int64_t most_bytes_ = 0;
  std::uint64_t epochs_ = 0;
  std::uint64_t settled_ = 16;
  unsigned records_ = 0;
};

}  // namespace weft::stress
