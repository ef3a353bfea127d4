#include "task_report.h"

#include "frame_pool.h"
#include "scheduler.h"

#include <algorithm>
#include <array>
#include <unordered_map>

namespace weft::detail {
namespace {

/// What is seen of a task while it cannot run. Of fixed size: nothing may fail meanwhile, and it
/// takes no time to allocate.
struct sight {
  static constexpr std::size_t awaited_max = 256;

  std::size_t depth = 0;
  std::size_t awaited_count = 0;
  std::array<resume_point, await_chain::shown_max> coroutines;
  std::array<const task_state*, awaited_max> awaited;

  void clear() noexcept { depth = awaited_count = 0; }
  void note_coroutine(const void* frame) noexcept {
    if (depth < coroutines.size()) coroutines[depth] = resume_point_of(frame);
    ++depth;
  }
  void note_awaited(const task_state& task) noexcept {
    if (awaited_count < awaited.size()) awaited[awaited_count++] = &task;
  }
};

void look(void* context, const task_state& task) noexcept {
  auto& into = *static_cast<sight*>(context);
  const void* frame = innermost_frame(task);
  while (frame != nullptr && into.depth < await_chain::counted_max && frame_pool::owns(frame)) {
    into.note_coroutine(frame);
    frame = awaiter_of(frame);
  }
  visit_awaited(
      task,
      [](void* sight_of_it, const task_state& awaited) noexcept {
        static_cast<sight*>(sight_of_it)->note_awaited(awaited);
      },
      context);
}

class reporter {
 public:
  explicit reporter(scheduler& of) : home_(of), held_(of) {
    for (task_state* each : held_.get()) ids_.emplace(each, id_of(*each));
  }

  std::vector<task_report> all() {
    std::vector<task_report> reports;
    reports.reserve(ids_.size());
    for (task_state* each : held_.get()) reports.push_back(of(*each));
    std::sort(reports.begin(), reports.end(),
              [](const task_report& a, const task_report& b) { return a.id < b.id; });
    return reports;
  }

 private:
  task_report of(task_state& task) {
    seen_.clear();
    task_report report;
    report.id = ids_.at(&task);
    report.name = name_of(task);
    report.parent = find_extra(task)->parent;  // id_of() has made it
    report.where = waits_for(task, look, &seen_);
    report.activity = activity_of(task, report.where != nullptr);
    const std::size_t shown = std::min(seen_.depth, seen_.coroutines.size());
    report.chain.shown.assign(seen_.coroutines.data(), seen_.coroutines.data() + shown);
    report.chain.depth = seen_.depth;
    for (std::size_t i = 0; i < seen_.awaited_count; ++i) {
      if (const auto found = ids_.find(seen_.awaited[i]); found != ids_.end())
        report.awaited.push_back(found->second);
    }
    return report;
  }

  task_activity activity_of(const task_state& task, bool waits) const noexcept {
    if (home_.runs(task)) return task_activity::running;
    return waits || is_suspended(task) ? task_activity::suspended : task_activity::ready;
  }

  scheduler& home_;
  held_tasks held_;
  std::unordered_map<const task_state*, std::uint64_t> ids_;
  sight seen_;
};

}  // namespace

held_tasks::held_tasks(scheduler& of) : tasks_(of.pin_all()) {}

held_tasks::~held_tasks() {
  for (task_state* each : tasks_) drop_handle(*each);
}

std::vector<task_report> report_tasks(scheduler& of) {
  return reporter(of).all();
}

}  // namespace weft::detail
