#include "child_process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace weft::tools {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int cannot_start = 127;

[[noreturn]] void fail(const std::string& doing) {
  throw std::system_error(errno, std::generic_category(), doing);
}

/// In the child: becomes the program. Only async-signal-safe calls.
[[noreturn]] void become(char* const* words, int output, pid_t parent) noexcept {
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(cannot_start);  // it died before the line above
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null >= 0) (void)::dup2(null, STDIN_FILENO);
  (void)::dup2(output, STDOUT_FILENO);
  (void)::execv(words[0], words);
  ::_exit(cannot_start);
}

int exit_code(int status) noexcept {
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/// Waits for the end of a child and gives its status.
int reap(pid_t child) noexcept {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

/// True when the descriptor can be read before the deadline.
bool wait_readable(int fd, steady_clock::time_point deadline) noexcept {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    if (left < milliseconds::zero()) return false;
    pollfd wanted{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&wanted, 1, static_cast<int>(left.count()));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

}  // namespace

child_process::child_process(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);

  if (::access(words.front().c_str(), X_OK) != 0) fail(words.front());
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe");
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) become(pointers.data(), ends[1], parent);
  const int error = errno;
  (void)::close(ends[1]);
  output_ = ends[0];
  if (pid_ > 0) return;
  (void)::close(output_);
  errno = error;
  fail("fork");
}

child_process::~child_process() {
  if (pid_ > 0) {
    (void)::kill(pid_, SIGKILL);
    (void)reap(pid_);
  }
  (void)::close(output_);
}

std::optional<std::string> child_process::read_line(milliseconds limit) {
  const auto deadline = steady_clock::now() + limit;
  for (;;) {
    const std::size_t end = read_ahead_.find('\n');
    if (end != std::string::npos) {
      std::string line = read_ahead_.substr(0, end);
      read_ahead_.erase(0, end + 1);
      return line;
    }
    if (!wait_readable(output_, deadline)) return std::nullopt;
    std::array<char, 512> bytes{};
    const ssize_t count = ::read(output_, bytes.data(), bytes.size());
    if (count <= 0) return std::nullopt;
    read_ahead_.append(bytes.data(), static_cast<std::size_t>(count));
  }
}

int child_process::stop(milliseconds limit) {
  (void)::kill(pid_, SIGTERM);
  return wait_until_exit(limit);
}

int child_process::wait_until_exit(milliseconds limit) {
  // The descriptor of a process becomes readable when it ends.
  const int handle = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (handle >= 0) {
    (void)wait_readable(handle, steady_clock::now() + limit);
    (void)::close(handle);
  }
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == 0) {
    (void)::kill(pid_, SIGKILL);
    status = reap(pid_);
  }
  pid_ = -1;
  return exit_code(status);
}

std::string sibling_program(const std::string& name) {
  return std::filesystem::read_symlink("/proc/self/exe").replace_filename(name).string();
}

}  // namespace weft::tools
