#pragma once

#include "await_chain.h"
#include "task_state.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace weft::detail {

class scheduler;

/// The live tasks of a runtime, held: none of them makes room for another one meanwhile.
class held_tasks {
 public:
  explicit held_tasks(scheduler& of);
  held_tasks(const held_tasks&) = delete;
  held_tasks& operator=(const held_tasks&) = delete;
  ~held_tasks();
  [[nodiscard]] const std::vector<task_state*>& get() const noexcept { return tasks_; }

 private:
  std::vector<task_state*> tasks_;
};

enum class task_activity : std::uint8_t { ready, running, suspended };

/// The coroutines that a suspended task is in, the innermost first.
///
/// A coroutine of ours knows who awaits it. The chain ends early at a coroutine of another library,
/// of which nothing is known.
struct await_chain {
  static constexpr std::size_t shown_max = 64;
  static constexpr std::size_t counted_max = 4096;

  std::vector<resume_point> shown;
  std::size_t depth = 0;  // coroutines, also those beyond `shown`
};

/// What can be said about a task by those who watch it.
struct task_report {
  std::uint64_t id = 0;
  std::uint64_t parent = 0;  // in debug mode, and where weft-ps may look: who has spawned it
  std::string name;
  task_activity activity = task_activity::ready;
  const char* where = nullptr;         // what a suspended one waits for: "mutex::lock()"
  std::vector<std::uint64_t> awaited;  // of these tasks, those whose ends, or lock, it waits for
  await_chain chain;
};

/// Of all live tasks of a runtime, in the order of their ids: who lives during the whole call is in
/// it. Each task is looked at once, while it cannot run; they go on meanwhile. Yet a ring of tasks
/// that await each other's ends, seen so, is one: none of them has gone on since it was looked at,
/// unless it was cancelled. A ring of locks may have been opened meanwhile: one that is there at a
/// second look, too, is one.
///
/// Any thread. Which tasks run is known of the runtime's own threads only, and where it is observed
/// (scheduler::observed()).
std::vector<task_report> report_tasks(scheduler& of);

}  // namespace weft::detail
