#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace weft::tools {

/// A program that runs as long as this object at most: whatever happens, it is killed and reaped,
/// also when its parent is killed itself.
///
/// Threads: one at a time. Start it before the process has other threads.
class child_process {
 public:
  /// Starts `words[0]`, a path, with its output going to this object and input from /dev/null.
  /// Throws std::system_error that names it.
  explicit child_process(const std::vector<std::string>& words);
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;
  ~child_process();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

  /// The next line of its output, without its end; nothing if there is none in time.
  [[nodiscard]] std::optional<std::string> read_line(std::chrono::milliseconds limit);

  /// Asks it to stop (SIGTERM), kills it after the limit, and gives its exit code: minus the signal
  /// if a signal ended it.
  int stop(std::chrono::milliseconds limit);

 private:
  [[nodiscard]] int wait_until_exit(std::chrono::milliseconds limit);

  pid_t pid_ = -1;  // until it is reaped
  int output_ = -1;
  std::string read_ahead_;
};

/// The path of a program that lies beside the running one.
[[nodiscard]] std::string sibling_program(const std::string& name);

}  // namespace weft::tools
