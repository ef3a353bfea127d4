#include "detail/scheduler.h"
#include "detail/task_report.h"
#include "spawn.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace weft {
namespace {

using detail::task_report;

// ---- all_tasks ----------------------------------------------------------------------------------

task_state state_of(const detail::task_state& task, bool waits) noexcept {
  if (&task == detail::here.task) return task_state::running;
  return waits || detail::is_suspended(task) ? task_state::suspended : task_state::ready;
}

task_info info_of(detail::task_state& task) {
  const char* const where = detail::waits_for(task);
  task_info info{.id = detail::id_of(task),
                 .name = detail::name_of(task),
                 .state = state_of(task, where != nullptr),
                 .where = where == nullptr ? std::string() : std::string(where)};
  info.parent = detail::find_extra(task)->parent;  // id_of() has made it
  return info;
}

// ---- dump_tasks ---------------------------------------------------------------------------------

void write_one(std::ostream& out, const task_report& each, const std::string& indent) {
  constexpr const char* words[] = {"ready", "running", "suspended"};
  out << indent << each.id << ' ' << each.name << ' ' << words[static_cast<int>(each.activity)];
  if (each.where != nullptr) out << " in " << each.where;
  out << '\n';
  for (const detail::resume_point& coroutine : each.chain.shown)
    out << indent << "    " << coroutine.text() << '\n';
  if (each.chain.depth > each.chain.shown.size())
    out << indent << "    and " << each.chain.depth - each.chain.shown.size()
        << (each.chain.depth < detail::await_chain::counted_max ? " more\n" : " or more\n");
}

/// The tasks by the one that has spawned them, in the order of their ids.
class task_tree {
 public:
  explicit task_tree(std::vector<task_report> tasks) : tasks_(std::move(tasks)) {
    for (const task_report& each : tasks_)
      children_.emplace(lives(each.parent) ? each.parent : nobody, &each);
  }

  void write(std::ostream& out) const {
    // Depth first, without recursion: a chain of spawns may be long.
    std::vector<std::pair<const task_report*, std::size_t>> open;  // with their levels
    push_children_of(nobody, 0, open);
    while (!open.empty()) {
      const auto [each, level] = open.back();
      open.pop_back();
      write_one(out, *each, std::string(2 * std::min(level, indented_max), ' '));
      push_children_of(each->id, level + 1, open);
    }
  }

 private:
  static constexpr task_id nobody = 0;
  static constexpr std::size_t indented_max = 40;  // levels

  [[nodiscard]] bool lives(task_id id) const {
    const auto found =
        std::lower_bound(tasks_.begin(), tasks_.end(), id,
                         [](const task_report& each, task_id wanted) { return each.id < wanted; });
    return found != tasks_.end() && found->id == id;
  }
  /// The youngest first: the oldest is taken out first.
  void push_children_of(task_id parent, std::size_t level,
                        std::vector<std::pair<const task_report*, std::size_t>>& open) const {
    const auto [begin, end] = children_.equal_range(parent);
    for (auto each = end; each != begin;) open.emplace_back((--each)->second, level);
  }

  std::vector<task_report> tasks_;
  std::multimap<task_id, const task_report*> children_;
};

}  // namespace

std::vector<task_info> all_tasks() {
  const detail::held_tasks held(detail::scheduler::current("all_tasks()"));
  std::vector<task_info> tasks;
  for (detail::task_state* each : held.get()) tasks.push_back(info_of(*each));
  return tasks;
}

void dump_tasks(std::ostream& out) {
  detail::scheduler& home = detail::scheduler::current("dump_tasks()");
  task_tree(detail::report_tasks(home)).write(out);
}

}  // namespace weft
