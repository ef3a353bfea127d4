#include "detail/await_chain.h"
#include "detail/frame_pool.h"
#include "detail/io_operation.h"
#include "detail/scheduler.h"
#include "spawn.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace weft {
namespace {

// ---- Await chains -------------------------------------------------------------------------------

/// The coroutines that a suspended task is in, the innermost first.
///
/// A coroutine of ours knows who awaits it. The chain ends early at a coroutine of another library,
/// of which nothing is known.
struct await_chain {
  static constexpr std::size_t shown_max = 64;
  static constexpr std::size_t counted_max = 4096;
  const char* where = nullptr;  // what the innermost waits for; null: the task was not suspended
  std::size_t depth = 0;        // coroutines, also those beyond `shown`
  std::array<detail::resume_point, shown_max> shown{};
};

/// The task cannot run meanwhile, so none of its frames changes.
void collect(void* context, const detail::task_state& task) noexcept {
  auto& into = *static_cast<await_chain*>(context);
  const void* frame = detail::innermost_frame(task);
  while (frame != nullptr && into.depth < await_chain::counted_max &&
         detail::frame_pool::owns(frame)) {
    if (into.depth < await_chain::shown_max)
      into.shown[into.depth] = detail::resume_point_of(frame);
    ++into.depth;
    frame = detail::awaiter_of(frame);
  }
}

await_chain chain_of(detail::task_state& task) noexcept {
  await_chain chain;
  chain.where = detail::waits_for(task, collect, &chain);
  return chain;
}

// ---- Tasks --------------------------------------------------------------------------------------

task_state state_of(const detail::task_state& task, bool waits) noexcept {
  if (&task == detail::here.task) return task_state::running;
  return waits || detail::is_suspended(task) ? task_state::suspended : task_state::ready;
}

task_info info_of(detail::task_state& task, const char* where) {
  task_info info{.id = detail::id_of(task),
                 .name = detail::name_of(task),
                 .state = state_of(task, where != nullptr),
                 .where = where == nullptr ? std::string() : std::string(where)};
  info.parent = detail::find_extra(task)->parent;  // id_of() has made it
  return info;
}

/// The live tasks of the current runtime, held.
class held_tasks {
 public:
  explicit held_tasks(const char* operation)
      : tasks_(detail::scheduler::current(operation).pin_all()) {}
  held_tasks(const held_tasks&) = delete;
  held_tasks& operator=(const held_tasks&) = delete;
  ~held_tasks() {
    for (detail::task_state* each : tasks_) detail::drop_handle(*each);
  }
  [[nodiscard]] const std::vector<detail::task_state*>& get() const noexcept { return tasks_; }

 private:
  std::vector<detail::task_state*> tasks_;
};

/// A task and the coroutines it waits in.
struct dumped {
  task_info info;
  std::vector<detail::resume_point> innermost;
  std::size_t depth;
};

void write_one(std::ostream& out, const dumped& each, const std::string& indent) {
  constexpr const char* words[] = {"ready", "running", "suspended", "done"};
  out << indent << each.info.id << ' ' << each.info.name << ' '
      << words[static_cast<int>(each.info.state)];
  if (!each.info.where.empty()) out << " in " << each.info.where;
  out << '\n';
  for (const detail::resume_point& coroutine : each.innermost)
    out << indent << "    " << coroutine.text() << '\n';
  if (each.depth > each.innermost.size())
    out << indent << "    and " << each.depth - each.innermost.size()
        << (each.depth < await_chain::counted_max ? " more\n" : " or more\n");
}

/// The tasks by the one that has spawned them, in the order of their ids.
class task_tree {
 public:
  explicit task_tree(std::vector<dumped> tasks) : tasks_(std::move(tasks)) {
    std::sort(tasks_.begin(), tasks_.end(),
              [](const dumped& a, const dumped& b) { return a.info.id < b.info.id; });
    for (const dumped& each : tasks_)
      children_.emplace(lives(each.info.parent) ? each.info.parent : nobody, &each);
  }

  void write(std::ostream& out) const {
    // Depth first, without recursion: a chain of spawns may be long.
    std::vector<std::pair<const dumped*, std::size_t>> open;  // with their levels
    push_children_of(nobody, 0, open);
    while (!open.empty()) {
      const auto [each, level] = open.back();
      open.pop_back();
      write_one(out, *each, std::string(2 * std::min(level, indented_max), ' '));
      push_children_of(each->info.id, level + 1, open);
    }
  }

 private:
  static constexpr task_id nobody = 0;
  static constexpr std::size_t indented_max = 40;  // levels

  [[nodiscard]] bool lives(task_id id) const {
    const auto found =
        std::lower_bound(tasks_.begin(), tasks_.end(), id,
                         [](const dumped& each, task_id wanted) { return each.info.id < wanted; });
    return found != tasks_.end() && found->info.id == id;
  }
  /// The youngest first: the oldest is taken out first.
  void push_children_of(task_id parent, std::size_t level,
                        std::vector<std::pair<const dumped*, std::size_t>>& open) const {
    const auto [begin, end] = children_.equal_range(parent);
    for (auto each = end; each != begin;) open.emplace_back((--each)->second, level);
  }

  std::vector<dumped> tasks_;
  std::multimap<task_id, const dumped*> children_;
};

}  // namespace

std::vector<task_info> all_tasks() {
  const held_tasks held("all_tasks()");
  std::vector<task_info> tasks;
  for (detail::task_state* each : held.get())
    tasks.push_back(info_of(*each, detail::waits_for(*each)));
  return tasks;
}

void dump_tasks(std::ostream& out) {
  std::vector<dumped> tasks;
  {
    const held_tasks held("dump_tasks()");
    for (detail::task_state* each : held.get()) {
      const await_chain chain = chain_of(*each);
      const auto shown = std::min(chain.depth, chain.shown.size());
      tasks.push_back({.info = info_of(*each, chain.where),
                       .innermost = std::vector(chain.shown.data(), chain.shown.data() + shown),
                       .depth = chain.depth});
    }
  }
  task_tree(std::move(tasks)).write(out);
}

}  // namespace weft
