#include "remote_function.h"

#include "sys.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <stdexcept>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

namespace weft::detail {
namespace {

constinit std::mutex functions_mutex;
constinit remote_function* functions = nullptr;  // guarded by functions_mutex

std::string failure(remote_outcome outcome, std::string text) {
  wire_writer reply;
  reply.put(outcome);
  reply.put(text);
  return std::move(reply).take();
}

}  // namespace

remote_function::remote_function(std::string_view name, serve_function serve)
    : name_(name), serve_(serve) {
  const std::lock_guard lock(functions_mutex);
  for (const remote_function* each = functions; each != nullptr; each = each->next_) {
    if (each->name_ == name_) throw std::logic_error("two process_functions are named " + name_);
  }
  next_ = functions;
  functions = this;
}

remote_function::~remote_function() {
  const std::lock_guard lock(functions_mutex);
  remote_function** link = &functions;
  while (*link != this) link = &(*link)->next_;
  *link = next_;
}

std::string remote_function::answer(std::string_view request) {
  wire_reader arguments(request);
  const auto name = arguments.get<std::string>();
  const remote_function* called = nullptr;
  {
    const std::lock_guard lock(functions_mutex);
    called = functions;
    while (called != nullptr && called->name_ != name) called = called->next_;
  }
  if (called == nullptr) return failure(remote_outcome::unknown_name, name);
  try {
    wire_writer reply;
    reply.put(remote_outcome::value);
    called->serve_(*called, arguments, reply);
    return std::move(reply).take();
  } catch (const std::exception& error) {
    return failure(remote_outcome::exception, error.what());
  } catch (...) {  // its type stays here
    return failure(remote_outcome::exception, "an exception that is no std::exception");
  }
}

// ---- Messages -----------------------------------------------------------------------------------

namespace {

int send_all(int socket, std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t count = sys::send(socket, bytes.data(), bytes.size());
    if (count < 0) return static_cast<int>(-count);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return 0;
}

int receive_all(int socket, char* into, std::size_t size) noexcept {
  while (size > 0) {
    const ssize_t count = sys::receive(socket, into, size);
    if (count <= 0) return count == 0 ? ECONNRESET : static_cast<int>(-count);
    into += count;
    size -= static_cast<std::size_t>(count);
  }
  return 0;
}

}  // namespace

int send_message(int socket, std::string_view message) noexcept {
  const std::uint64_t size = message.size();
  const int failed =
      send_all(socket, std::string_view(reinterpret_cast<const char*>(&size), sizeof size));
  return failed != 0 ? failed : send_all(socket, message);
}

int receive_message(int socket, std::string& message) {
  std::uint64_t size = 0;
  const int failed = receive_all(socket, reinterpret_cast<char*>(&size), sizeof size);
  if (failed != 0) return failed;
  // Piece by piece: a size that makes no sense ends as a stream that ends too early.
  constexpr std::size_t piece_bytes = std::size_t{1} << 20;
  message.clear();
  while (message.size() < size) {
    const std::size_t had = message.size();
    message.resize(had + std::min<std::size_t>(size - had, piece_bytes));
    if (const int cut = receive_all(socket, message.data() + had, message.size() - had)) return cut;
  }
  return 0;
}

// ---- A process of a pool ------------------------------------------------------------------------

namespace {

bool is_socket(int fd) noexcept {
  struct stat status = {};
  return ::fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

[[noreturn]] void serve(int socket) {
  std::string message;
  while (receive_message(socket, message) == 0) {
    message = remote_function::answer(message);
    std::fflush(nullptr);  // what the function has printed: there is no other end than this
    if (send_message(socket, message) != 0) break;
  }
  ::_exit(0);  // without destructors: main() is still at its beginning
}

}  // namespace

void serve_if_pool_process() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): a process of a pool has one thread here
  if (std::getenv(pool_variable) == nullptr || !is_socket(STDIN_FILENO)) return;
  ::unsetenv(pool_variable);  // NOLINT(concurrency-mt-unsafe): not for its own children
  const int socket = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (socket < 0 || null < 0 || ::dup2(null, STDIN_FILENO) < 0) ::_exit(1);
  ::close(null);
  // Ctrl-C reaches the whole group of processes: the program decides what comes of it.
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGINT, &ignore, nullptr);
  serve(socket);
}

}  // namespace weft::detail
