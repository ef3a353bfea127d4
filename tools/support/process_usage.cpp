#include "process_usage.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include <unistd.h>

namespace weft::tools {

namespace {

using path = std::filesystem::path;

std::string read_file(const path& from) {
  const std::ifstream file(from);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file || text.str().empty()) throw std::runtime_error("cannot read " + from.string());
  return text.str();
}

/// The number after "name:" in a status file; 0 if it is not there.
std::int64_t status_number(const std::string& status, std::string_view name) {
  const std::size_t at = status.find(std::string(name) + ':');
  return at == std::string::npos ? 0 : std::stoll(status.substr(at + name.size() + 1));
}

std::chrono::nanoseconds read_cpu(const path& process) {
  const std::string stat = read_file(process / "stat");
  // The second field is the program's name in parentheses, which may hold anything.
  std::istringstream fields(stat.substr(stat.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  std::int64_t user = 0;
  std::int64_t kernel = 0;
  fields >> user >> kernel;
  return std::chrono::nanoseconds(1'000'000'000 / ::sysconf(_SC_CLK_TCK) * (user + kernel));
}

std::uint64_t read_context_switches(const path& process) {
  std::int64_t sum = 0;
  for (const auto& thread : std::filesystem::directory_iterator(process / "task")) {
    const std::string status = read_file(thread.path() / "status");
    sum += status_number(status, "voluntary_ctxt_switches");
    sum += status_number(status, "nonvoluntary_ctxt_switches");
  }
  return static_cast<std::uint64_t>(sum);
}

}  // namespace

process_usage usage_of(pid_t process) {
  const path from = path("/proc") / std::to_string(process);
  return {
      .cpu = read_cpu(from),
      .context_switches = read_context_switches(from),
      .resident_bytes = status_number(read_file(from / "status"), "RssAnon") * 1024,
  };
}

}  // namespace weft::tools
