#include "inspected_process.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace weft::tools {
namespace {

constexpr std::chrono::seconds patience{10};

std::string path_of(pid_t process, std::string_view what) {
  return "/proc/" + std::to_string(process) + '/' + std::string(what);
}

std::string read_whole(const std::string& path) {
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream whole;
  whole << file.rdbuf();
  return std::move(whole).str();
}

/// "process 42 (weft-echo)".
std::string described(pid_t process) {
  std::string name = read_whole(path_of(process, "comm"));
  while (!name.empty() && name.back() == '\n') name.pop_back();
  const std::string number = "process " + std::to_string(process);
  return name.empty() ? number : number + " (" + name + ')';
}

// ---- Is it one of ours? -------------------------------------------------------------------------

/// The program, and the weft library where that is shared.
std::vector<std::string> code_files(pid_t process) {
  std::vector<std::string> files{path_of(process, "exe")};
  std::istringstream maps(read_whole(path_of(process, "maps")));
  for (std::string line; std::getline(maps, line);) {
    const std::size_t slash = line.find('/');
    if (slash == std::string::npos || line.find("/libweft.", slash) == std::string::npos) continue;
    files.push_back(path_of(process, "root") + line.substr(slash));
  }
  return files;
}

bool carries_weft(pid_t process) {
  for (const std::string& file : code_files(process)) {
    // Every program that can answer contains the beginning of its answers.
    if (read_whole(file).find("weft-inspection ") != std::string::npos) return true;
  }
  return false;
}

[[noreturn]] void explain_silence(pid_t process) {
  const std::string who = described(process);
  if (::access(path_of(process, "exe").c_str(), R_OK) != 0 && errno == EACCES)
    throw std::runtime_error(who + " belongs to another user");
  if (!carries_weft(process)) throw std::runtime_error(who + " is no weft program");
  throw std::runtime_error(who +
                           " has no runtime that may be looked into: start it with WEFT_PS=1 in "
                           "its environment, or set runtime_options::inspectable");
}

// ---- The connection -----------------------------------------------------------------------------

class connection {
 public:
  explicit connection(pid_t process) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (fd_ < 0) throw std::runtime_error(std::string("socket: ") + std::strerror(errno));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string name = "weft-ps/" + std::to_string(process);
    std::memcpy(address.sun_path + 1, name.data(), name.size());  // behind a NUL: no file
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    open_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), size) == 0;
  }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  ~connection() { ::close(fd_); }

  [[nodiscard]] bool is_open() const noexcept { return open_; }
  /// Anybody may take the name of a process that does not use it.
  [[nodiscard]] pid_t peer() const noexcept {
    ucred peer{};
    socklen_t size = sizeof peer;
    return ::getsockopt(fd_, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : -1;
  }

  /// To the end. Empty where it has closed the connection at once.
  [[nodiscard]] std::string read_all() const {
    const auto until = std::chrono::steady_clock::now() + patience;
    std::string all;
    std::array<char, 65536> buffer{};
    for (;;) {
      wait_until(until);
      const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), 0);
      if (count == 0 || (count < 0 && errno == ECONNRESET)) return all;
      if (count > 0) all.append(buffer.data(), static_cast<std::size_t>(count));
    }
  }

 private:
  void wait_until(std::chrono::steady_clock::time_point until) const {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd wanted{.fd = fd_, .events = POLLIN, .revents = 0};
    if (left.count() <= 0 || ::poll(&wanted, 1, static_cast<int>(left.count())) == 0)
      throw std::runtime_error("it does not answer");
  }

  int fd_;
  bool open_ = false;
};

}  // namespace

std::string ask_for_tasks(pid_t process) {
  if (::kill(process, 0) != 0 && errno == ESRCH)
    throw std::runtime_error("there is no process " + std::to_string(process));
  const connection to(process);
  if (!to.is_open() || to.peer() != process) explain_silence(process);
  std::string answer;
  try {
    answer = to.read_all();
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(described(process) + ": " + error.what());
  }
  if (answer.empty()) throw std::runtime_error(described(process) + " belongs to another user");
  return answer;
}

}  // namespace weft::tools
