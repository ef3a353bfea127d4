#include "running_program.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/close_range.h>

namespace weft::tools::testing_support {

namespace {

std::string programs_directory() {
  if (const char* const given = std::getenv("WEFT_TOOLS_DIR")) return given;
#ifdef WEFT_TOOLS_DIR
  return WEFT_TOOLS_DIR;
#else
  return "";
#endif
}

[[noreturn]] void fail(const std::string& doing) {
  throw std::system_error(errno, std::generic_category(), doing);
}

/// In the child: only async-signal-safe calls.
[[noreturn]] void become(char* const* words, int out, int errors,
                         const start_options& options) noexcept {
  if (options.out != nullptr) out = ::open(options.out, O_WRONLY | O_CLOEXEC);
  (void)::dup2(out, STDOUT_FILENO);
  (void)::dup2(errors, STDERR_FILENO);
  for (const int fd : options.closed) (void)::close(fd);
  if (options.descriptors > 0) {
    const rlimit limit{options.descriptors, options.descriptors};
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
  }
  // What the test itself has inherited is not the program's fault.
  (void)::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  (void)::execv(words[0], words);
  ::_exit(127);
}

/// Appends what can be read now; closes the descriptor at its end.
void read_some(int& fd, std::string& into) {
  std::array<char, 4096> bytes{};
  const ssize_t count = ::read(fd, bytes.data(), bytes.size());
  if (count > 0) {
    into.append(bytes.data(), static_cast<std::size_t>(count));
  } else if (count == 0 || errno != EINTR) {
    (void)::close(std::exchange(fd, -1));
  }
}

}  // namespace

std::string program_path(std::string_view name) {
  if (name.find('/') != std::string_view::npos) return std::string(name);
  return programs_directory() + '/' + std::string(name);
}

bool programs_are_built() {
  return ::access(program_path("weft-echo").c_str(), X_OK) == 0;
}

// ---- Files and texts ----------------------------------------------------------------------------

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string get(std::string_view path, std::string_view fields) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
}

temporary_file::temporary_file()
    : path_((std::filesystem::temp_directory_path() / "weft-XXXXXX").string()) {
  const int fd = ::mkostemp(path_.data(), O_CLOEXEC);
  if (fd < 0) fail("temporary file");
  (void)::close(fd);
}

temporary_file::~temporary_file() {
  std::filesystem::remove(path_);
}

// ---- running_program ----------------------------------------------------------------------------

running_program::running_program(std::string_view name, std::vector<std::string> words,
                                 start_options options) {
  words.insert(words.begin(), program_path(name));
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);

  std::array<int, 2> out{};
  std::array<int, 2> errors{};
  if (::pipe2(out.data(), O_CLOEXEC) != 0 || ::pipe2(errors.data(), O_CLOEXEC) != 0) fail("pipe");
  pid_ = ::fork();
  if (pid_ == 0) become(pointers.data(), out[1], errors[1], options);
  if (pid_ < 0) fail("fork");
  (void)::close(out[1]);
  (void)::close(errors[1]);
  out_fd_ = out[0];
  errors_fd_ = errors[0];
}

running_program::~running_program() {
  if (!exit_code_) {
    (void)::kill(pid_, SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
  }
  if (out_fd_ >= 0) (void)::close(out_fd_);
  if (errors_fd_ >= 0) (void)::close(errors_fd_);
}

bool running_program::read_more() {
  if (out_fd_ < 0 && errors_fd_ < 0) return false;
  // poll ignores the entry of a stream that has ended, which is -1.
  std::array<pollfd, 2> wanted{pollfd{out_fd_, POLLIN, 0}, pollfd{errors_fd_, POLLIN, 0}};
  const auto limit = std::chrono::milliseconds(patience).count();
  if (::poll(wanted.data(), wanted.size(), static_cast<int>(limit)) == 0) {
    throw std::runtime_error("the program neither prints nor ends; so far: " + out_ + errors_);
  }
  if (wanted[0].revents != 0) read_some(out_fd_, out_);
  if (wanted[1].revents != 0) read_some(errors_fd_, errors_);
  return true;
}

bool running_program::has_line(std::string_view beginning) {
  while (!out_.starts_with(beginning) && !contains(out_, '\n' + std::string(beginning))) {
    if (!read_more()) return false;
  }
  return true;
}

std::string running_program::line_after(std::string_view beginning) {
  for (;;) {
    const std::size_t at =
        out_.starts_with(beginning) ? 0 : out_.find('\n' + std::string(beginning));
    const std::size_t end = at == std::string::npos ? at : out_.find('\n', at + 1);
    if (end != std::string::npos) {
      const std::size_t from = at + (at > 0 ? 1 : 0) + beginning.size();
      return out_.substr(from, end - from);
    }
    if (!read_more()) throw std::runtime_error("the program ended: " + out_ + errors_);
  }
}

std::string running_program::port() {
  const std::string address = line_after("listening on ");
  if (!out_.starts_with("listening on ")) throw std::runtime_error("printed before: " + out_);
  return address.substr(address.rfind(':') + 1);
}

void running_program::send_signal(int signal) const {
  (void)::kill(pid_, signal);
}

int running_program::exit_code() {
  while (read_more()) {
  }
  if (!exit_code_) {
    int status = 0;
    (void)::waitpid(pid_, &status, 0);
    exit_code_ = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  }
  return *exit_code_;
}

finished_program run_program(std::string_view name, std::vector<std::string> words,
                             start_options options) {
  running_program program(name, std::move(words), options);
  const int code = program.exit_code();
  return {.exit_code = code, .out = program.out(), .errors = program.errors()};
}

// ---- test_client --------------------------------------------------------------------------------

test_client::test_client(const std::string& port)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval limit{.tv_sec = patience.count(), .tv_usec = 0};
  (void)::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  (void)::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) close();
}

test_client::~test_client() {
  close();
}

void test_client::close() {
  if (fd_ >= 0) (void)::close(std::exchange(fd_, -1));
}

void test_client::shutdown_write() const {
  if (::shutdown(fd_, SHUT_WR) != 0) fail("shutdown");
}

void test_client::flood(std::string_view bytes) const {
  while (::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
  }
}

void test_client::reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  (void)::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
}

void test_client::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0) fail("send");
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

/// Nothing at the end of the stream.
std::string test_client::receive_some(std::size_t at_most) const {
  std::string bytes(std::min<std::size_t>(at_most, 4096), '\0');
  const ssize_t count = ::recv(fd_, bytes.data(), bytes.size(), 0);
  if (count < 0) fail("receive");
  bytes.resize(static_cast<std::size_t>(count));
  return bytes;
}

std::string test_client::receive(std::size_t count) const {
  std::string all;
  while (all.size() < count) {
    const std::string more = receive_some(count - all.size());
    if (more.empty()) break;
    all += more;
  }
  return all;
}

std::string test_client::receive_until(std::string_view end) const {
  std::string all;
  while (!all.ends_with(end)) {
    const std::string more = receive_some(1);
    if (more.empty()) break;
    all += more;
  }
  return all;
}

std::string test_client::receive_all() const {
  return receive(SIZE_MAX);
}

}  // namespace weft::tools::testing_support
