#include "process_state.h"

#include <weft/runtime/detail/frame_pool.h>
#include <weft/runtime/detail/task_state.h>
#include <weft/runtime/metrics.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <vector>

#include <time.h>

namespace weft::stress {

namespace {

std::size_t entries_of(const char* folder) {
  const std::filesystem::directory_iterator all(folder);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

std::string first_line_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

std::string describe(detail::task_state& task) {
  std::string text = detail::name_of(task);
  // Unnamed tasks are "task-17": they are counted together.
  if (text.starts_with("task-")) text = "unnamed";
  text += detail::is_suspended(task) ? ", suspended" : ", ready or running";
  if (detail::cancelling(task) != 0) text += ", asked to stop";
  if (detail::requests_masked(task)) text += ", shielded";
  return text;
}

void dump_tasks(std::ostream& out) {
  std::vector<detail::task_state*> tasks;
  detail::frame_pool::for_each_block(
      [](void* context, detail::task_state& header) {
        const std::uint32_t life = header.life.load(std::memory_order_relaxed);
        const auto runtime = static_cast<std::uint8_t>(life >> detail::task_life::runtime_shift);
        if (!detail::try_pin(header, runtime)) return;
        static_cast<std::vector<detail::task_state*>*>(context)->push_back(&header);
      },
      &tasks);
  std::map<std::string, std::size_t> counts;
  for (detail::task_state* task : tasks) ++counts[describe(*task)];
  out << tasks.size() << " tasks\n";
  for (const auto& [text, count] : counts) out << "  " << count << " x " << text << '\n';
}

void dump_threads(std::ostream& out) {
  out << "threads\n";
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    const std::string stat = first_line_of(thread.path() / "stat");
    const std::size_t after_name = std::min(stat.rfind(')'), stat.size());
    out << "  " << thread.path().filename().string() << ' ' << first_line_of(thread.path() / "comm")
        << ", state " << stat.substr(std::min(after_name + 2, stat.size()), 1) << ", in "
        << first_line_of(thread.path() / "wchan") << ", system call "
        << first_line_of(thread.path() / "syscall") << '\n';
  }
}

}  // namespace

std::size_t open_descriptors() {
  return entries_of("/proc/self/fd");
}

std::size_t running_threads() {
  return entries_of("/proc/self/task");
}

std::chrono::nanoseconds cpu_time() noexcept {
  timespec used{};
  (void)::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

void dump_everything(std::ostream& out) {
  const ledger alive = take_ledger();
  out << "ledger: " << alive.tasks << " tasks, " << alive.frames << " frames, " << alive.timers
      << " timers, " << alive.waiters << " waiters, " << alive.registrations << " registrations, "
      << alive.fds << " descriptors\n";
  dump_tasks(out);
  dump_threads(out);
}

}  // namespace weft::stress
