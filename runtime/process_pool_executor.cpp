#include "process_pool_executor.h"

#include "detail/child_process.h"
#include "error.h"

#include <cerrno>
#include <csignal>
#include <fstream>
#include <iterator>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

namespace weft {
namespace {

/// This program, as it was started.
detail::child_setup this_program() {
  detail::child_setup setup;
  setup.program = "/proc/self/exe";
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  for (std::string word; std::getline(file, word, '\0');) setup.words.push_back(word);
  if (setup.words.empty()) setup.words.emplace_back("process_pool_executor");
  for (char** each = environ; *each != nullptr; ++each) setup.environment.emplace_back(*each);
  setup.environment.push_back(std::string(detail::pool_variable) + "=1");
  setup.own_environment = true;
  return setup;
}

}  // namespace

/// A process and our end of the socket to it.
class process_pool_executor::worker_process {
 public:
  worker_process() {
    int ends[2];
    if (const int failed = detail::sys::socket_pair(SOCK_STREAM, ends); failed < 0)
      detail::throw_system_error(-failed, "socket for a process");
    socket_ = ends[0];
    const int theirs = detail::sys::move_above_standard(ends[1]);
    try {
      if (theirs < 0) detail::throw_system_error(-theirs, "socket for a process");
      for (const int end : {socket_, theirs}) (void)detail::sys::set_blocking(end);
      detail::child_setup setup = this_program();
      setup.streams[STDIN_FILENO] = {.what = detail::child_stream::kind::descriptor, .fd = theirs};
      child_.emplace(setup);
    } catch (...) {  // the destructor does not run
      if (theirs >= 0) detail::sys::close(theirs);
      detail::sys::close(socket_);
      throw;
    }
    detail::sys::close(theirs);
  }
  worker_process(const worker_process&) = delete;
  worker_process& operator=(const worker_process&) = delete;
  ~worker_process() { detail::sys::close(socket_); }

  [[nodiscard]] bool lives() noexcept { return !child_->try_reap(); }
  void kill() noexcept { child_->send_signal(SIGKILL); }
  /// False: it has ended.
  bool exchange(std::string_view request, std::string& answer) {
    return detail::send_message(socket_, request) == 0 &&
           detail::receive_message(socket_, answer) == 0;
  }

 private:
  int socket_ = -1;
  std::optional<detail::child_process> child_;
};

/// No more than there are threads.
class process_pool_executor::processes_at_rest {
 public:
  std::unique_ptr<worker_process> take() {
    const std::lock_guard lock(mutex_);
    while (!idle_.empty()) {
      std::unique_ptr<worker_process> latest = std::move(idle_.back());
      idle_.pop_back();
      if (latest->lives()) return latest;
    }
    return nullptr;
  }
  void put(std::unique_ptr<worker_process> process) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(process));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<worker_process>> idle_;  // guarded by mutex_
};

std::unique_ptr<process_pool_executor::processes_at_rest> process_pool_executor::prepare() {
  serve_if_asked();  // at the latest: a process of a pool has none itself
  return std::make_unique<processes_at_rest>();
}

process_pool_executor::process_pool_executor(std::size_t processes)
    : at_rest_(prepare()), threads_(processes) {}

process_pool_executor::~process_pool_executor() = default;

std::optional<std::string> process_pool_executor::call(const std::stop_token& stop,
                                                       std::string_view request) {
  std::unique_ptr<worker_process> at_work = at_rest_->take();
  if (at_work == nullptr) at_work = std::make_unique<worker_process>();
  std::string answer;
  bool answered = false;
  {
    const std::stop_callback end(stop, [&]() noexcept { at_work->kill(); });
    answered = at_work->exchange(request, answer);
  }
  if (stop.stop_requested()) return std::nullopt;
  if (!answered) throw broken_process_pool();
  at_rest_->put(std::move(at_work));
  detail::wire_reader from(answer);
  switch (from.get<detail::remote_outcome>()) {
    case detail::remote_outcome::value:
      return std::string(from.rest());
    case detail::remote_outcome::exception:
      throw std::runtime_error(from.get<std::string>());
    case detail::remote_outcome::unknown_name:
      throw std::logic_error("a process of the pool knows no function named " +
                             from.get<std::string>());
  }
  throw broken_process_pool();
}

}  // namespace weft
