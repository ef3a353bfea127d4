#include "task_listing.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace weft::tools {
namespace {

constexpr std::string_view greeting = "weft-inspection ";
constexpr std::string_view version = "1";

// ---- Reading ------------------------------------------------------------------------------------

/// Up to the separator, which is taken away too.
std::string_view take(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return taken;
}

std::uint64_t number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || stop != digits.data() + digits.size())
    throw std::runtime_error("not a number in the listing: " + std::string(digits));
  return value;
}

/// The last one of a list that must have one.
template <class T>
T& last_of(std::vector<T>& list) {
  if (list.empty()) throw std::runtime_error("the listing begins in the middle");
  return list.back();
}

listed_runtime read_runtime(std::string_view value) {
  const auto workers = static_cast<std::size_t>(number(take(value, ' ')));
  return {.name = std::string(value), .workers = workers, .metrics = {}, .tasks = {}};
}

listed_task read_task(std::string_view value) {
  listed_task task;
  task.id = number(take(value, ' '));
  task.parent = number(take(value, ' '));
  task.state = value;
  return task;
}

void read_fact(listed_task& task, std::string_view word, std::string_view value) {
  if (word == "name") {
    task.name = value;
  } else if (word == "where") {
    task.where = value;
  } else if (word == "awaits") {
    task.awaits.push_back(number(value));
  } else if (word == "at") {
    task.coroutines.emplace_back(value);
  } else if (word == "more") {
    task.more_coroutines = static_cast<std::size_t>(number(value));
  }  // else: a fact of a later time, which we do not know
}

// ---- Writing ------------------------------------------------------------------------------------

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const std::string& each : parts) {
    if (!text.empty()) text += separator;
    text += each;
  }
  return text;
}

/// "gather() 4 5 6", with a few of them at most.
std::string awaited_text(const listed_task& task) {
  constexpr std::size_t named_max = 4;
  std::string text = task.where;
  for (std::size_t i = 0; i < task.awaits.size() && i < named_max; ++i)
    text += ' ' + std::to_string(task.awaits[i]);
  if (task.awaits.size() > named_max) text += " +" + std::to_string(task.awaits.size() - named_max);
  return text;
}

constexpr std::size_t columns = 6;
using table_row = std::array<std::string, columns>;

table_row row_of(const listed_task& task) {
  std::string chain = joined(task.coroutines, " < ");
  if (task.more_coroutines > 0) chain += " < +" + std::to_string(task.more_coroutines);
  return {std::to_string(task.id),
          task.parent == 0 ? "-" : std::to_string(task.parent),
          task.state,
          task.name,
          task.where.empty() ? "-" : awaited_text(task),
          chain.empty() ? "-" : std::move(chain)};
}

void append_row(std::string& text, const table_row& row,
                const std::array<std::size_t, columns>& widths) {
  for (std::size_t i = 0; i + 1 < columns; ++i) {
    text += row[i];
    text.append(widths[i] - row[i].size() + 2, ' ');
  }
  text += row.back();
  text += '\n';
}

/// The tasks by id, and who is waited for.
class await_graph {
 public:
  explicit await_graph(const listed_runtime& runtime) : runtime_(runtime) {
    for (const listed_task& each : runtime.tasks) tasks_.emplace(each.id, &each);
    for (const listed_task& each : runtime.tasks)
      for (const task_number id : each.awaits) awaited_.insert(id);
  }

  [[nodiscard]] const listed_task* find(task_number id) const {
    const auto found = tasks_.find(id);
    return found == tasks_.end() ? nullptr : found->second;
  }
  /// Those for whom nobody waits, then the others: who is not below one of the former is in a ring.
  [[nodiscard]] std::vector<const listed_task*> roots_first() const {
    std::vector<const listed_task*> tasks;
    for (const bool awaited : {false, true}) {
      for (const listed_task& each : runtime_.tasks) {
        if (awaited_.contains(each.id) == awaited) tasks.push_back(&each);
      }
    }
    return tasks;
  }

 private:
  const listed_runtime& runtime_;
  std::unordered_map<task_number, const listed_task*> tasks_;
  std::unordered_set<task_number> awaited_;
};

/// Draws the tree depth first, without recursion: chains of tasks may be long.
class tree_drawing {
 public:
  explicit tree_drawing(const listed_runtime& runtime) : graph_(runtime) {}

  std::string draw() {
    for (const listed_task* root : graph_.roots_first()) {
      if (drawn_.contains(root->id)) continue;
      open_.push_back({root, 0});
      while (!open_.empty()) draw_next();
    }
    return std::move(text_);
  }

 private:
  static constexpr std::size_t indented_max = 40;  // levels

  struct open_task {
    const listed_task* task;
    std::size_t level;
  };

  void draw_next() {
    const auto [task, level] = open_.back();
    open_.pop_back();
    const std::string indent(2 * std::min(level, indented_max), ' ');
    text_ += indent + task->name + " [" + std::to_string(task->id) + "] " + task->state;
    if (!task->where.empty()) text_ += " in " + task->where;
    if (!drawn_.insert(task->id).second) {
      text_ += " (see above)\n";
      return;
    }
    text_ += '\n';
    draw_coroutines(*task, indent);
    for (auto each = task->awaits.rbegin(); each != task->awaits.rend(); ++each) {
      if (const listed_task* awaited = graph_.find(*each)) open_.push_back({awaited, level + 1});
    }
  }

  void draw_coroutines(const listed_task& task, const std::string& indent) {
    if (task.more_coroutines > 0)
      text_ += indent + "    " + std::to_string(task.more_coroutines) + " more, inside of them\n";
    for (auto each = task.coroutines.rbegin(); each != task.coroutines.rend(); ++each)
      text_ += indent + "    " + *each + '\n';
  }

  await_graph graph_;
  std::unordered_set<task_number> drawn_;
  std::vector<open_task> open_;
  std::string text_;
};

/// Depth first over who waits for whom; the way back to a task that is on the path is a ring.
class cycle_search {
 public:
  explicit cycle_search(const listed_runtime& runtime) : runtime_(runtime), graph_(runtime) {}

  std::vector<std::vector<task_number>> all() {
    for (const listed_task& each : runtime_.tasks) {
      if (!left_.contains(each.id)) search_from(each);
    }
    return std::move(found_);
  }

 private:
  struct step {
    const listed_task* task;
    std::size_t next = 0;  // in its `awaits`
  };

  void search_from(const listed_task& first) {
    enter(first);
    while (!path_.empty()) {
      step& here = path_.back();
      if (here.next == here.task->awaits.size()) {
        leave();
      } else if (const listed_task* awaited = graph_.find(here.task->awaits[here.next++])) {
        follow(*awaited);
      }
    }
  }
  void follow(const listed_task& awaited) {
    if (const auto known = place_.find(awaited.id); known != place_.end()) {
      note_ring(known->second);
    } else if (!left_.contains(awaited.id)) {
      enter(awaited);
    }
  }
  void enter(const listed_task& task) {
    place_.emplace(task.id, path_.size());
    path_.push_back({&task});
  }
  void leave() {
    left_.insert(path_.back().task->id);
    place_.erase(path_.back().task->id);
    path_.pop_back();
  }
  void note_ring(std::size_t begin) {
    std::vector<task_number> ring;
    for (std::size_t i = begin; i < path_.size(); ++i) ring.push_back(path_[i].task->id);
    found_.push_back(std::move(ring));
  }

  const listed_runtime& runtime_;
  await_graph graph_;
  std::vector<step> path_;
  std::unordered_map<task_number, std::size_t> place_;  // on the path
  std::unordered_set<task_number> left_;
  std::vector<std::vector<task_number>> found_;
};

}  // namespace

std::vector<listed_runtime> read_task_listing(std::string_view text) {
  if (!text.starts_with(greeting)) throw std::runtime_error("this is no listing of tasks");
  text.remove_prefix(greeting.size());
  if (const std::string_view theirs = take(text, '\n'); theirs != version)
    throw std::runtime_error("the listing has version " + std::string(theirs) + ", not " +
                             std::string(version));
  std::vector<listed_runtime> runtimes;
  while (!text.empty()) {
    std::string_view line = take(text, '\n');
    const std::string_view word = take(line, ' ');
    if (word == "end") return runtimes;
    if (word == "runtime") {
      runtimes.push_back(read_runtime(line));
    } else if (word == "metric") {
      const std::string name(take(line, ' '));
      last_of(runtimes).metrics[name] = number(line);
    } else if (word == "task") {
      last_of(runtimes).tasks.push_back(read_task(line));
    } else {
      read_fact(last_of(last_of(runtimes).tasks), word, line);
    }
  }
  throw std::runtime_error("the listing has no end: the process was too busy, or has ended");
}

std::vector<std::vector<task_number>> await_cycles(const listed_runtime& runtime) {
  return cycle_search(runtime).all();
}

std::string task_table(const listed_runtime& runtime) {
  std::vector<table_row> rows{{"ID", "PARENT", "STATE", "NAME", "WAITS FOR", "COROUTINES"}};
  for (const listed_task& each : runtime.tasks) rows.push_back(row_of(each));
  std::array<std::size_t, columns> widths{};
  for (const table_row& row : rows) {
    for (std::size_t i = 0; i < columns; ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const table_row& row : rows) append_row(text, row, widths);
  return text;
}

std::string task_tree(const listed_runtime& runtime) {
  return tree_drawing(runtime).draw();
}

}  // namespace weft::tools
