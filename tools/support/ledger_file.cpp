#include "ledger_file.h"

#include <cerrno>
#include <cstdint>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace weft::tools {

namespace {

std::string to_json(const ledger& alive) {
  std::string text = "{";
  const auto add = [&text](std::string_view name, std::int64_t count) {
    if (text.size() > 1) text += ", ";
    text += '"' + std::string(name) + "\": " + std::to_string(count);
  };
  add("tasks", alive.tasks);
  add("frames", alive.frames);
  add("timers", alive.timers);
  add("waiters", alive.waiters);
  add("registrations", alive.registrations);
  add("fds", alive.fds);
  add("bytes", alive.bytes);
  return text + "}\n";
}

[[noreturn]] void fail(const std::string& doing) {
  throw std::system_error(errno, std::generic_category(), doing);
}

}  // namespace

ledger_file::ledger_file(const std::string& path) : path_(path) {
  if (path_.empty()) return;
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0) fail("--ledger " + path_);
}

ledger_file::~ledger_file() {
  if (fd_ >= 0) (void)::close(fd_);
}

void ledger_file::write(const ledger& alive) {
  if (fd_ < 0) return;
  const std::string text = to_json(alive);
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t count = ::write(fd_, rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("--ledger " + path_);
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace weft::tools
