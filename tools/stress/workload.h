#pragma once

#include "stage.h"
#include <weft/runtime/task.h>

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft::stress {

/// Something that uses the library hard and knows what must come out.
///
/// One object serves one epoch: it is made, run() runs as a task, then every task of the runtime
/// ends and check() looks at what is left. In some epochs run() is cancelled at a random instant,
/// and every other task with it: then the runtime is gone before the object, so what tasks share
/// lies in members, and check() holds all the same.
class workload {
 public:
  workload() = default;
  workload(const workload&) = delete;
  workload& operator=(const workload&) = delete;
  virtual ~workload() = default;

  /// Works until on.is_over(), then ends by itself. Each participant that must get on has a
  /// heartbeat.
  virtual task<> run(stage& on) = 0;
  /// Tasks fail so on purpose, or because others are shut down. Cut short, nobody may be left to
  /// see it.
  [[nodiscard]] virtual bool is_planned(const std::exception_ptr& failure) const {
    static_cast<void>(failure);
    return false;
  }
  /// After a first shutdown: ends the threads of its own, if it has any, which may have started
  /// tasks until then. A second shutdown follows.
  virtual void settle() {}
  /// After the last task has ended, whichever way.
  virtual void check(stage& on) { static_cast<void>(on); }
};

/// A workload and its name.
struct workload_entry {
  std::string_view name;
  std::function<std::unique_ptr<workload>()> make;
};

template <class W>
workload_entry entry_for(std::string_view name) {
  return {name, [] { return std::make_unique<W>(); }};
}

/// Those of workloads/, in the order in which they run.
[[nodiscard]] std::vector<workload_entry> standard_workloads();

}  // namespace weft::stress
